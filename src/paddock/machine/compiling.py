"""Compiles llama.cpp for this machine: fetch, unpack, configure, compile, test, keep.

pip fetches the source, so the user's own mirrors, proxies and certificates are used, and the tools that are
missing, except a compiler. Only llama.cpp's own tree is unpacked, and only the two programs are compiled.
"""

from __future__ import annotations

import re
import shutil
import sys
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

from paddock.engines.hardware import Hardware
from paddock.engines.installed import Installed
from paddock.machine import commands, toolchain
from paddock.machine.making import Bench, SelfTest, Watcher, finish
from paddock.machine.toolchain import NotPossible, Recipe, Toolchain

_TREE = "vendor/llama.cpp/"
_NINJA_LINE = re.compile(r"^\[(\d+)/(\d+)\] ")
_PROGRAMS = ("llama-server", "llama-quantize")
#: Bytes that may come out of the package: it holds 180 MB of this tree today.
_LARGEST_TREE = 1_000_000_000


def compile_engine(
    bench: Bench,
    home: Path,
    recipe: Recipe,
    tools: Toolchain,
    machine: Hardware,
    environ: Mapping[str, str],
    test: SelfTest,
    watch: Watcher,
) -> Installed:
    """Make the engine of `recipe` on `bench` and put it in its place.

    Raises commands.StepFailed, NotPossible, or what `test` raises; then nothing has changed.
    """
    toolchain.check_space(bench.work, toolchain.SPACE_CUDA if recipe.backend == "cuda" else toolchain.SPACE)
    watch.step("fetching llama.cpp")
    package = fetch(bench, recipe, environ)
    tools, environ = with_tools(tools, bench, environ, watch)
    source = unpack(package, bench.work / "source")
    build = bench.work / "build"
    watch.step("looking at the compiler")
    commands.run(
        "preparing the build", toolchain.configure(tools, recipe.flags, source, build), environ, bench.log
    )
    command = toolchain.compile_(tools, build, toolchain.jobs(machine))
    commands.run("compiling llama.cpp", command, environ, bench.log, _counting(watch))
    (bench.stage / "bin").mkdir()
    for program in _PROGRAMS:
        shutil.move(build / "bin" / program, bench.stage / "bin" / program)
    made = Installed(recipe.name, "native", recipe.version, recipe.backend, bench.stage, recipe.processor)
    test(made)
    return finish(home, bench.stage, made)


def fetch(bench: Bench, recipe: Recipe, environ: Mapping[str, str]) -> Path:
    """The source package, as pip finds and checks it."""
    if find_spec("pip") is None:
        raise NotPossible(
            "pip",
            f"pip is missing from {sys.prefix}, and it fetches the source: "
            f"'{sys.executable} -m ensurepip' brings it",
        )
    wanted = bench.work / "requirements.txt"
    wanted.write_text(recipe.requirement, encoding="utf-8")
    download = [*PIP, "download", "--no-deps", "--no-binary", "llama-cpp-python", "--require-hashes"]
    download += ["--requirement", str(wanted), "--dest", str(bench.work / "package")]
    commands.run("fetching the source of llama.cpp", download, environ, bench.log)
    return next((bench.work / "package").iterdir())


def with_tools(
    tools: Toolchain, bench: Bench, environ: Mapping[str, str], watch: Watcher
) -> tuple[Toolchain, Mapping[str, str]]:
    """The toolchain with what was missing fetched for this build, and the environment that finds it."""
    missing = [name for name, place in (("cmake", tools.cmake), ("ninja", tools.ninja)) if not place]
    if not missing:
        return tools, environ
    watch.step(f"fetching {' and '.join(missing)}")
    target = bench.work / "tools"
    commands.run(
        f"fetching {' and '.join(missing)}", [*PIP, "install", "--target", str(target), *missing],
        environ, bench.log,
    )  # fmt: skip
    # What pip puts into `bin` are Python programs that look for their package on this path.
    found = dict(environ) | {"PYTHONPATH": str(target)}
    places = {name: str(target / "bin" / name) for name in missing}
    return replace(tools, **places), found


def unpack(package: Path, target: Path) -> Path:
    """llama.cpp's tree out of the package, below `target`. Raises NotPossible where it holds none.

    Only plain files are taken, and only inside `target`: a package is bytes from outside.
    """
    size = 0
    with tarfile.open(package) as archive:
        for member in archive:
            _, inside, name = member.name.partition(_TREE)
            if not inside or not member.isfile():
                continue
            place = target / name
            size += member.size
            if ".." in Path(name).parts or Path(name).is_absolute() or size > _LARGEST_TREE:
                raise NotPossible("source", f"{package.name} is not the package it should be ({member.name})")
            place.parent.mkdir(parents=True, exist_ok=True)
            content = archive.extractfile(member)
            assert content is not None  # a plain file has content
            with content, place.open("wb") as out:
                shutil.copyfileobj(content, out)
    if not (target / "CMakeLists.txt").exists():
        raise NotPossible("source", f"{package.name} does not hold llama.cpp")
    return target


def _counting(watch: Watcher) -> Callable[[str], None]:
    """Turns ninja's `[12/345]` into steps."""

    def seen(line: str) -> None:
        if found := _NINJA_LINE.match(line):
            watch.step("compiling", int(found[1]), int(found[2]))

    return seen


PIP = (
    sys.executable, "-P", "-m", "pip", "--no-input", "--disable-pip-version-check", "--no-color",
    "--retries", "5",
)  # fmt: skip
