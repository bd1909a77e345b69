"""Importing does nothing, and the terminal does not load what only the server needs.

Both are asked of a fresh interpreter, because this one has imported everything already.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import paddock

HOUSE = Path(paddock.__file__).parent

LOOK = """
import json, locale, logging, os, resource, signal, sys, threading, warnings

def look():
    umask = os.umask(0); os.umask(umask)
    return {
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "threads": sorted(thread.name for thread in threading.enumerate()),
        "signals": {str(n): repr(signal.getsignal(n)) for n in signal.valid_signals()},
        "descriptors": sorted(os.listdir("/dev/fd")),
        "limits": {n: resource.getrlimit(getattr(resource, n)) for n in dir(resource) if n[:7] == "RLIMIT_"},
        "root log": [repr(logging.root.handlers), logging.root.level, logging.root.disabled],
        "other logs": {
            name: [repr(each.handlers), each.level, each.propagate]
            for name, each in logging.root.manager.loggerDict.items()
            if isinstance(each, logging.Logger) and name.startswith("paddock")
        },
        "class of logs": repr(logging.getLoggerClass()),
        "umask": umask,
        "locale": locale.setlocale(locale.LC_ALL),
        "children": "".join(
            open(path).read() for t in os.listdir("/proc/self/task")
            if os.path.exists(path := f"/proc/self/task/{t}/children")
        ) if os.path.exists("/proc/self/task") else "",
        "hooks": [repr(sys.excepthook), repr(sys.displayhook), repr(threading.excepthook)],
    }
"""

IMPORT = """
import importlib
names = json.loads(sys.argv[1])
before = look()
exec(sys.argv[2])
for name in names:
    importlib.import_module(name)
after = look()
for name, level in list(after["other logs"].items()):  # a logger that is new and plain is no change
    if name not in before["other logs"] and level == ["[]", 0, True]:
        del after["other logs"][name]
print(json.dumps({key: [before[key], after[key]] for key in before if before[key] != after[key]}))
"""


def everything() -> list[str]:
    names = []
    for path in HOUSE.rglob("*.py"):
        parts = path.relative_to(HOUSE).with_suffix("").parts
        names.append(".".join(("paddock", *(parts[:-1] if parts[-1] == "__init__" else parts))))
    return sorted(names)


def fresh(program: str, *arguments: str, home: Path) -> str:
    """What a new interpreter prints. Nothing of the user's is in its environment."""
    environ = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C"}
    environ["PYTHONPATH"] = str(HOUSE.parent)  # the very package that is under test here
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *arguments],
        cwd=home,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def changes_by_importing_everything(home: Path, first: str = "") -> dict[str, object]:
    found = json.loads(fresh(LOOK + IMPORT, json.dumps(everything()), first, home=home))
    assert isinstance(found, dict)
    return found


def test_importing_every_module_changes_nothing_in_the_process(tmp_path: Path) -> None:
    assert changes_by_importing_everything(tmp_path) == {}


def test_importing_every_module_writes_nothing_at_home(tmp_path: Path) -> None:
    changes_by_importing_everything(tmp_path)
    assert list(tmp_path.rglob("*")) == []


@pytest.mark.parametrize(
    ("deed", "seen"),
    [
        ("os.environ['X'] = '1'", "environment"),
        ("os.chdir('/')", "directory"),
        ("import time; threading.Thread(target=time.sleep, args=(30,), daemon=True).start()", "threads"),
        ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", "signals"),
        ("global kept; kept = open(os.devnull)", "descriptors"),
        ("n = resource.RLIMIT_NOFILE; resource.setrlimit(n, (64, resource.getrlimit(n)[1]))", "limits"),
        ("logging.basicConfig(level=10)", "root log"),
        ("logging.getLogger('paddock.x').setLevel(10)", "other logs"),
        ("os.umask(0o123)", "umask"),
        ("import subprocess; global child; child = subprocess.Popen(['sleep', '0'])", "children"),
        ("sys.excepthook = print", "hooks"),
    ],
)
def test_a_module_that_did_something_would_be_noticed(tmp_path: Path, deed: str, seen: str) -> None:
    assert list(json.loads(fresh(LOOK + IMPORT, "[]", deed, home=tmp_path))) == [seen]


#: None of these is needed to talk to a server; each costs start-up time.
HEAVY = {
    "asyncio", "starlette", "aiohttp", "uvicorn", "uvloop", "msgspec", "prompt_toolkit", "rich", "xllamacpp",
    "psutil", "numpy", "jinja2",
}  # fmt: skip


def loaded_by(program: str, home: Path) -> set[str]:
    names = json.loads(
        fresh(program + "\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))", home=home)
    )
    return {name.partition(".")[0] for name in names} | set(names)


def test_the_terminal_loads_nothing_that_only_the_server_needs(tmp_path: Path) -> None:
    loaded = loaded_by("import paddock.__main__, paddock.cli.main", tmp_path)
    assert loaded & HEAVY == set()
    assert {"paddock.cli.main", "click"} <= loaded
    assert not {
        name for name in loaded if name.startswith(("paddock.api", "paddock.serve", "paddock.engines"))
    }


def test_what_the_terminal_must_not_load_would_be_seen(tmp_path: Path) -> None:
    assert loaded_by("import paddock.serve, paddock.api.app", tmp_path) & HEAVY >= {"asyncio", "starlette"}
