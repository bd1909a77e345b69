"""The shape of the house: which area may import which. The arrows point down only.

The checker reads every module with `ast`, so imports inside functions and under TYPE_CHECKING count too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import paddock

HOUSE = Path(paddock.__file__).parent

WORDS = {"errors", "names", "messages", "options", "settings", "durations"}
#: What each area may import besides itself and the words.
BELOW: dict[str, set[str]] = {
    "words": set(),
    "formats": set(),
    "prompts": {"formats"},
    "store": {"formats"},
    "registry": {"formats"},
    "convert": {"formats"},
    "engines": {"formats"},
    "scheduler": {"engines", "formats"},
    "service": {"scheduler", "engines", "store", "registry", "convert", "prompts", "formats"},
    "api": {"service", "scheduler", "engines", "store", "registry", "convert", "prompts", "formats"},
    "cli": set(),
    "ui": set(),
    "machine": {"engines", "store", "formats"},
}
BELOW["serve"] = set(BELOW)  # the composition root knows everyone
BELOW["__main__"] = {"cli", "machine", "serve"}

LONGEST_MODULE = 450
SHAPELESS = {"util", "utils", "common", "manager", "managers", "helper", "helpers", "misc"}


def area_of(module: str) -> str:
    """`paddock.engines.launch` stands in `engines`, `paddock.errors` among the words."""
    parts = module.split(".")
    if len(parts) == 1:
        return "words"  # what the package itself says: its version
    return "words" if parts[1] in WORDS else parts[1]


def modules(house: Path) -> dict[str, Path]:
    """Every module below `house` by its dotted name."""
    found = {}
    for path in sorted(house.rglob("*.py")):
        parts = path.relative_to(house).with_suffix("").parts
        parts = parts[:-1] if parts[-1] == "__init__" else parts
        found[".".join([house.name, *parts])] = path
    return found


def imports(name: str, path: Path, known: set[str]) -> Iterator[str]:
    """The modules of the house that one module imports, however it spells that."""
    root = name.partition(".")[0]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Import(names=names):
                wanted = [alias.name for alias in names]
            case ast.ImportFrom(module=module, names=names, level=level):
                base = package.rsplit(".", level - 1)[0] if level else ""
                base = ".".join(part for part in (base, module) if part)
                wanted = [full if (full := f"{base}.{n.name}") in known else base for n in names]
            case ast.Constant(value=str(text)) if text in known and "." in text:
                wanted = [text]  # importlib.import_module("paddock.somewhere")
            case _:
                continue
        yield from (each for each in wanted if each.partition(".")[0] == root)


def wrong_arrows(house: Path) -> list[str]:
    """Every import that the drawing does not have, and every module that stands in no area of it."""
    known = modules(house)
    wrong = []
    for name, path in known.items():
        here = area_of(name)
        if here not in BELOW:
            wrong.append(f"{name} stands in no area of the drawing")
            continue
        for target in imports(name, path, set(known)):
            there = area_of(target)
            if there not in {here, "words", *BELOW[here]}:
                wrong.append(f"{name} imports {target}")
    return wrong


def test_imports_point_down_only() -> None:
    assert wrong_arrows(HOUSE) == []


def test_the_house_was_really_walked() -> None:
    known = modules(HOUSE)
    assert len(known) > 40
    seen = {area_of(t) for name, path in known.items() for t in imports(name, path, set(known))}
    assert seen >= {"words", "formats", "prompts", "store", "engines", "scheduler", "service", "api", "cli"}


def test_no_module_is_long() -> None:
    lengths = {name: len(path.read_text().splitlines()) for name, path in modules(HOUSE).items()}
    assert {name: lines for name, lines in lengths.items() if lines > LONGEST_MODULE} == {}


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [name for name in modules(HOUSE) if SHAPELESS & set(name.split("."))] == []


# ── the checker itself ────────────────────────────────────────────────────────────────────────────


def planted(root: Path, **files: str) -> Path:
    """A small house; `engines__launch` is engines/launch.py."""
    house = root / "paddock"
    house.mkdir()
    (house / "__init__.py").write_text("")
    for name, text in files.items():
        parts = [name] if name == "__main__" else name.split("__")
        path = house.joinpath(*parts).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return house


@pytest.mark.parametrize(
    "text",
    [
        "import paddock.api.app",
        "from paddock.api import app",
        "from paddock.api.app import build",
        "from ..api import app",
        "from ..api.app import build",
        "from .. import api",
        "def late():\n    import paddock.api.app",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from paddock.api.app import build",
        "import importlib\nimportlib.import_module('paddock.api.app')",
    ],
)
def test_an_arrow_that_points_up_is_found_however_it_is_spelt(tmp_path: Path, text: str) -> None:
    house = planted(tmp_path, engines__launch=text, api__app="build = 1")
    found = wrong_arrows(house)
    assert len(found) == 1
    assert found[0].startswith("paddock.engines.launch imports paddock.api")


def test_an_arrow_that_points_aside_is_found(tmp_path: Path) -> None:
    house = planted(tmp_path, store__blobs="from paddock.prompts import collate", prompts__collate="")
    assert wrong_arrows(house) == ["paddock.store.blobs imports paddock.prompts.collate"]


@pytest.mark.parametrize(
    "module", ["errors", "api__x", "cli__x", "ui__x", "machine__x", "service__x", "__main__"]
)
def test_nobody_but_the_entry_imports_the_composition_root(tmp_path: Path, module: str) -> None:
    house = planted(tmp_path, serve="def run(): ...", **{module: "from paddock.serve import run"})
    found = [f"paddock.{module.replace('__', '.')} imports paddock.serve"]
    assert wrong_arrows(house) == ([] if module == "__main__" else found)


def test_an_area_that_nobody_drew_is_found(tmp_path: Path) -> None:
    house = planted(tmp_path, cleverness__x="")
    assert [line.partition(" ")[2] for line in wrong_arrows(house)] == [
        "stands in no area of the drawing"
    ] * 2


def test_arrows_that_point_down_are_left_alone(tmp_path: Path) -> None:
    house = planted(
        tmp_path,
        errors="",
        formats__gguf="from paddock.errors import X\nfrom paddock import version\nimport os, ast",
        prompts__collate="from paddock.formats import gguf",
        service__inference="from paddock.prompts import collate\nfrom . import library",
        service__library="",
    )
    assert wrong_arrows(house) == []
