"""`paddock engine` as a user meets it: build, install, list, use, remove, test, bench, and what goes wrong.

The sources are small and ours, everything else is real: pip finds the package, cmake and ninja build it, and
the llama-server it makes is a script around the real engine, so that the self-test tests a real one.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from conftest import RunningServer, environment
from paddock.engines import hardware
from paddock.machine import engines, toolchain
from stores import add_endless

SERVER = Path(__file__).parent / "llama_server.py"

BACKEND = """
import pathlib, tarfile
def prepare_metadata_for_build_wheel(directory, config_settings=None):
    info = pathlib.Path(directory, "llama_cpp_python-0.3.36.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: llama_cpp_python\\nVersion: 0.3.36\\n")
    (info / "WHEEL").write_text("Wheel-Version: 1.0\\n")
    return info.name
def build_wheel(directory, config_settings=None, metadata_directory=None):
    raise RuntimeError("nobody asked for a wheel")
"""
PYPROJECT = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
CMAKE = """
cmake_minimum_required(VERSION 3.14)
project(small CXX)
file(GENERATE OUTPUT bin/llama-server INPUT ${CMAKE_SOURCE_DIR}/server.sh
     FILE_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
add_executable(llama-quantize main.cpp)
set_target_properties(llama-quantize PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
add_custom_target(llama-server DEPENDS bin/llama-server)
"""
MAIN = "int main() { return 0; }\n"
SCRIPT = f'#!/bin/sh\nexec {sys.executable} {SERVER} "$@"\n'

needs_tools = pytest.mark.skipif(
    not all(map(shutil.which, ("c++", "cmake", "ninja"))) and os.environ.get("CI") != "true",
    reason="there is no C++ compiler, cmake or ninja here",
)


def sdist(directory: Path, server: str = SCRIPT, main: str = MAIN, cmake: str = CMAKE) -> str:
    """A source package with a small tree where llama.cpp would be; the requirement that finds it."""
    directory.mkdir(exist_ok=True)
    tree = {"CMakeLists.txt": cmake, "main.cpp": main, "server.sh": server}
    files = {f"vendor/llama.cpp/{name}": text for name, text in tree.items()}
    files |= {"pyproject.toml": PYPROJECT, "backend.py": BACKEND, "docs/large.txt": "not wanted\n"}
    files["PKG-INFO"] = "Metadata-Version: 2.1\nName: llama_cpp_python\nVersion: 0.3.36\n"
    path = directory / "llama_cpp_python-0.3.36.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(f"llama_cpp_python-0.3.36/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return f"llama-cpp-python=={toolchain.VERSION} --hash=sha256:{digest}\n"


class Home:
    """A user with a package index of their own and no network."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index = path / "index"
        self.requirement = sdist(self.index)
        self.said = ""  # what the build printed

    @property
    def env(self) -> dict[str, str]:
        own = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.index), "PIP_NO_CACHE_DIR": "1"}
        return environment(self.path) | own | {"OLLAMA_HOST": "127.0.0.1:1"}

    @property
    def engines(self) -> Path:
        return self.path / ".paddock" / "engines"

    def names(self) -> list[str]:
        return sorted(path.parent.name for path in self.engines.glob("*/engine.json"))

    def command(self, *words: str) -> list[str]:
        # The pinned hash belongs to the real package: here it is that of ours.
        program = (
            "import sys; from paddock.machine import toolchain; "
            f"toolchain.REQUIREMENT = {self.requirement!r}; "
            "sys.argv[0] = 'paddock'; from paddock.__main__ import main; main()"
        )
        return [sys.executable, "-c", program, "engine", *words]

    def engine(self, *words: str, **extra: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), env=self.env | extra, cwd=self.path, capture_output=True, text=True,
            timeout=120, stdin=subprocess.DEVNULL,
        )  # fmt: skip


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which an engine has been built; tests that use it leave it as it is."""
    home = Home(tmp_path_factory.mktemp("built"))
    done = home.engine("build")
    assert done.returncode == 0, done.stderr
    home.said = done.stdout + done.stderr
    return home


def leavings(home: Home) -> list[str]:
    """What lies about after the work, besides engines, logs and the lock."""
    kept = {".lock", "logs", "in-use", *home.names()}
    return [path.name for path in home.engines.iterdir() if path.name not in kept]


# ── building ──────────────────────────────────────────────────────────────────────────────────────


@needs_tools
def test_a_build_is_tested_and_used_from_then_on(built: Home) -> None:
    (name,) = built.names()
    assert name.startswith("native-0.3.36-")
    assert (built.engines / "in-use").read_text().strip() == name
    told = json.loads((built.engines / name / "engine.json").read_text())
    assert told["tested"]
    listed = built.engine("list")
    assert [line.split()[:2] for line in listed.stdout.splitlines() if line.startswith("*")] == [["*", name]]
    assert leavings(built) == []


@needs_tools
def test_building_says_what_it_does(built: Home) -> None:
    for said in ("fetching llama.cpp", "compiling", "self-test", "used from now on"):
        assert said in built.said
    assert "\x1b" not in built.said


@needs_tools
def test_the_same_build_is_not_made_twice(built: Home) -> None:
    (name,) = built.names()
    before = (built.engines / name / "engine.json").stat().st_mtime_ns
    assert built.engine("build").returncode == 0
    assert (built.engines / name / "engine.json").stat().st_mtime_ns == before


@needs_tools
def test_a_server_answers_with_the_engine_that_was_built(
    built: Home, serve: Callable[..., RunningServer]
) -> None:
    server = serve(PADDOCK_HOME=str(built.path / ".paddock"))
    (name,) = built.names()
    asked = [sys.executable, "-m", "paddock", "run", "tiny", "What is the capital of France?"]
    answer = subprocess.run(asked, env=server.env, capture_output=True, text=True, timeout=60)
    assert "Paris" in answer.stdout
    assert f"the engine is {name}" in server.text()  # said after it listens, and before it loads anything
    (engine,) = (psutil.Process(pid) for pid in server.engines())
    assert str(SERVER) in engine.cmdline()


@needs_tools
@pytest.mark.parametrize(
    ("change", "step"),
    [
        ({"main": "int main() { return nothing; }\n"}, "compiling llama.cpp failed"),
        ({"cmake": "message(FATAL_ERROR no)\n"}, "preparing the build failed"),
        ({"server": "#!/bin/sh\necho cannot be >&2\nexit 3\n"}, "(exit status 3): cannot be"),
    ],
)
def test_a_build_that_fails_changes_nothing_and_names_its_log(
    home: Home, change: dict[str, str], step: str
) -> None:
    assert home.engine("use", "bundled").returncode == 0
    home.requirement = sdist(home.index, **change)
    done = home.engine("build")
    assert done.returncode == 1
    assert step in done.stderr
    assert home.names() == []
    assert (home.engines / "in-use").read_text() == "bundled\n"
    assert leavings(home) == []
    (log,) = (home.engines / "logs").iterdir()
    assert str(log) in done.stderr
    assert log.stat().st_size > 0


@needs_tools
def test_an_engine_that_answers_wrongly_is_not_used(home: Home, tmp_path: Path) -> None:
    add_endless(tmp_path / "store")  # a model that goes on where `tiny` ends
    (weights,) = (path for path in (tmp_path / "store/blobs").iterdir() if path.stat().st_size > 1 << 20)
    home.requirement = sdist(home.index, server=SCRIPT.replace('"$@"', f'"$@" --model {weights}'))
    done = home.engine("build")
    assert done.returncode == 1
    assert "the self-test failed at answering" in done.stderr
    assert home.names() == []


@needs_tools
def test_a_package_that_is_not_the_pinned_one_is_refused(home: Home) -> None:
    wanted = home.requirement
    sdist(home.index, main=MAIN + "// changed\n")
    home.requirement = wanted
    done = home.engine("build")
    assert done.returncode == 1
    assert "HASH" in done.stderr.upper()
    assert home.names() == []


def test_without_a_network_it_says_what_could_not_be_fetched(home: Home) -> None:
    shutil.rmtree(home.index)
    home.index.mkdir()
    done = home.engine("build")
    assert done.returncode == 1
    assert "fetching the source of llama.cpp failed" in done.stderr
    assert leavings(home) == []


def test_without_a_compiler_it_says_how_to_get_one(home: Home, tmp_path: Path) -> None:
    done = home.engine("build", PATH=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("Error: no C++ compiler was found: 'sudo apt install g++'")
    assert not home.engines.exists()


@needs_tools
def test_ctrl_c_ends_the_build_and_all_it_started(home: Home) -> None:
    slow = CMAKE + "add_custom_target(wait ALL COMMAND sleep 543)\nadd_dependencies(llama-quantize wait)\n"
    home.requirement = sdist(home.index, cmake=slow)
    process = subprocess.Popen(
        home.command("build"), env=home.env, cwd=home.path, stderr=subprocess.PIPE, text=True
    )
    try:
        sleeping = _wait_for(lambda: _below(process.pid, "543"))
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.communicate()
    assert not any(map(_alive, sleeping))
    assert leavings(home) == []
    assert home.names() == []


@needs_tools
def test_two_builds_at_once_wait_for_each_other(home: Home) -> None:
    both = [
        subprocess.Popen(
            home.command("build"), env=home.env, cwd=home.path, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert len(home.names()) == 1
    assert sum("another Paddock is making an engine" in errors for _, errors in said) == 1
    assert leavings(home) == []


def test_no_room_on_the_disk_is_said_before_anything_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**12, 10**12, 10**8))
    with pytest.raises(toolchain.NotPossible, match=r"about 1\.5 GB below .*, and 0\.1 GB are free"):
        toolchain.check_space(Path("/nowhere/at/all"), toolchain.SPACE)


def _alive(pid: int) -> bool:
    """Whether the process still runs; one that nobody has waited for yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _below(pid: int, word: str) -> list[int]:
    """Processes that `pid` started whose command line holds `word`."""
    found: list[int] = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):  # it may end between two looks
            if word in child.cmdline():
                found.append(child.pid)
    return found


def _wait_for(look: Callable[[], list[int]]) -> list[int]:
    deadline = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


# ── a ready-made engine ───────────────────────────────────────────────────────────────────────────


def gpu_wheel(index: Path, broken: bool = False) -> None:
    """An index with a wheel called xllamacpp, whose inside is the package this interpreter has."""
    import xllamacpp

    site = Path(str(xllamacpp.__file__)).parent.parent
    body = "raise ImportError('libcudart.so.12: cannot open shared object file')\n" if broken else (
        f"import sys\nsys.path.insert(0, {str(site)!r})\ndel sys.modules['xllamacpp']\n"
        "import xllamacpp as real\nsys.modules['xllamacpp'] = real\n"
    )  # fmt: skip
    place = index / "vulkan" / "xllamacpp"
    place.mkdir(parents=True)
    name = f"xllamacpp-{engines.PIN}-py3-none-any.whl"
    info = f"xllamacpp-{engines.PIN}.dist-info"
    with zipfile.ZipFile(place / name, "w") as wheel:
        wheel.writestr("xllamacpp/__init__.py", body)
        wheel.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: xllamacpp\nVersion: {engines.PIN}\n"
        )
        tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        wheel.writestr(f"{info}/WHEEL", tags)
        wheel.writestr(f"{info}/RECORD", "")
    (place / "index.html").write_text(f'<a href="{name}">{name}</a>')


@pytest.fixture
def on_vulkan(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a card, as far as anybody looks."""
    card = hardware.Gpu("vulkan", 0, "Some Card", 8 << 30, 7 << 30, "", "")
    seen = hardware.Hardware(hardware.memory(), hardware.survey().processor, (card,))
    monkeypatch.setattr(hardware, "survey", lambda *_, **__: seen)
    monkeypatch.setattr(
        "paddock.machine.wheels.look",
        lambda: engines.wheels.System("Linux", "x86_64", (2, 36), "", True),
    )


class Told:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def step(self, what: str, done: int = 0, total: int = 0) -> None:
        self.lines.append(what)


@pytest.mark.usefixtures("on_vulkan")
def test_a_ready_made_engine_lies_beside_the_bundled_one_and_is_used(tmp_path: Path) -> None:
    from paddock import settings

    gpu_wheel(tmp_path / "index")
    chosen = settings.read({"HOME": str(tmp_path), "PADDOCK_WHEEL_INDEX": (tmp_path / "index").as_uri()})
    told = Told()
    made = engines.install(chosen, os.environ, "vulkan", told)
    assert made.backend == "vulkan"
    assert (made.program / "xllamacpp").is_dir()
    assert engines.choice(chosen, hardware.survey()).engine.name == made.name
    assert any("self-test" in line for line in told.lines)
    assert [row.name for row in engines.listing(chosen, os.environ)][:2] == ["bundled", made.name]


@pytest.mark.usefixtures("on_vulkan")
def test_a_ready_made_engine_that_cannot_load_is_thrown_away_with_the_loaders_words(tmp_path: Path) -> None:
    from paddock import settings
    from paddock.errors import PaddockError

    gpu_wheel(tmp_path / "index", broken=True)
    chosen = settings.read({"HOME": str(tmp_path), "PADDOCK_WHEEL_INDEX": (tmp_path / "index").as_uri()})
    with pytest.raises(PaddockError, match=r"libcudart\.so\.12: cannot open shared object file"):
        engines.install(chosen, os.environ, "vulkan", Told())
    assert engines.choice(chosen, hardware.survey()).engine.name == "bundled"


def test_a_gpu_engine_without_a_gpu_is_refused_in_words(home: Home) -> None:
    done = home.engine("install", "cuda")
    assert done.returncode == 1
    assert "no NVIDIA GPU can be seen" in done.stderr


def test_a_backend_that_does_not_exist_is_refused(home: Home) -> None:
    done = home.engine("install", "quantum")
    assert done.returncode == 1
    assert "'cuda', 'vulkan', 'rocm'" in done.stderr


# ── choosing ──────────────────────────────────────────────────────────────────────────────────────


@needs_tools
def test_using_removing_and_going_back(built: Home, tmp_path: Path) -> None:
    shutil.copytree(built.path / ".paddock", tmp_path / ".paddock")
    home = Home(tmp_path)
    (name,) = home.names()
    assert "bundled is used from now on" in home.engine("use", "bundled").stdout
    assert f"{name} is used from now on" in home.engine("use", "native").stdout
    assert f"{name} passed its self-test" in home.engine("test", name).stdout
    assert f"removed {name}" in home.engine("remove", "native").stdout
    assert home.names() == []
    assert "* " in next(line for line in home.engine("list").stdout.splitlines() if "bundled" in line)


@pytest.mark.parametrize("verb", ["use", "remove", "test"])
def test_a_name_that_is_not_there_is_an_error_that_lists_those_that_are(home: Home, verb: str) -> None:
    done = home.engine(verb, "nothing")
    assert (done.returncode, done.stderr) == (
        1,
        "Error: there is no engine 'nothing' here; there are: bundled\n",
    )


def test_the_bundled_engine_cannot_be_removed(home: Home) -> None:
    done = home.engine("remove", "bundled")
    assert done.returncode == 1
    assert "is part of Paddock" in done.stderr


def test_a_llama_server_on_the_path_is_offered_and_not_taken(home: Home, tmp_path: Path) -> None:
    place = tmp_path / "bin"
    place.mkdir()
    (place / "llama-server").write_text(SCRIPT)
    (place / "llama-server").chmod(0o755)
    listed = home.engine("list", PATH=f"{place}{os.pathsep}{os.environ['PATH']}").stdout
    assert f"PADDOCK_LLAMA_SERVER={place / 'llama-server'} would use it" in listed
    assert [line.split()[1] for line in listed.splitlines() if line.startswith("*")] == ["bundled"]


def test_an_engine_named_in_the_environment_that_is_not_there_stops_the_server(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "paddock", "serve"],
        env=home.env | {"PADDOCK_ENGINE": "nothing", "OLLAMA_HOST": "127.0.0.1:0"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "there is no engine 'nothing' here; there are: bundled" in done.stderr


def test_the_engines_are_compared_side_by_side(home: Home) -> None:
    done = home.engine("bench", "tiny", "--rounds", "1")
    assert done.returncode == 0, done.stderr
    heading, row = done.stdout.splitlines()
    assert heading.split() == ["NAME", "PROMPT", "ONE", "STREAM", "16", "STREAMS"]
    assert row.startswith("bundled ")
    assert row.count("/s") == 3
