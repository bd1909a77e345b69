"""What compiling an engine takes: which tools are here, which are missing, and what will be compiled.

The source is the copy of llama.cpp inside the source package of `llama-cpp-python`, because any index or
mirror of PyPI carries it. It is pinned by version and hash: what is compiled is what was tried.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddock.engines.hardware import Hardware
from paddock.engines.installed import fingerprint
from paddock.errors import PaddockError

VERSION = "0.3.36"
REQUIREMENT = (
    f"llama-cpp-python=={VERSION} "
    "--hash=sha256:832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e\n"
)
#: Bytes on disk while compiling: the package, the unpacked tree, object files and programs.
SPACE = 1_500_000_000
SPACE_CUDA = 6_000_000_000
_OLDEST_CMAKE = (3, 18)
#: A C++ compiler at work on llama.cpp's largest files takes about this much memory.
_MEMORY_A_JOB = 1_500_000_000

#: Nothing is fetched while compiling (the web page would be), no TLS is needed on a private socket, and the
#: programs stand alone: one file each, no library path.
FLAGS = (
    "-DCMAKE_BUILD_TYPE=Release",
    "-DBUILD_SHARED_LIBS=OFF",
    "-DGGML_NATIVE=ON",
    "-DLLAMA_BUILD_TOOLS=ON",
    "-DLLAMA_BUILD_SERVER=ON",
    "-DLLAMA_BUILD_TESTS=OFF",
    "-DLLAMA_BUILD_EXAMPLES=OFF",
    "-DLLAMA_BUILD_APP=OFF",
    "-DLLAMA_BUILD_UI=OFF",
    "-DLLAMA_USE_PREBUILT_UI=OFF",
    "-DLLAMA_OPENSSL=OFF",
)


class NotPossible(PaddockError):
    """Something an engine cannot be made without is missing; the sentence says what and how to get it."""

    def __init__(self, missing: str, sentence: str) -> None:
        super().__init__(sentence)
        self.missing = missing


@dataclass(frozen=True, slots=True)
class Toolchain:
    """The programs found. An empty `cmake` or `ninja` is fetched for the build; a compiler cannot be."""

    compiler: str
    cmake: str = ""
    ninja: str = ""
    nvcc: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is compiled, how, and for which processor. Equal recipes make equal engines, and one name."""

    version: str
    backend: str
    flags: tuple[str, ...]
    processor: str
    requirement: str

    @property
    def name(self) -> str:
        told = " ".join((self.requirement, *self.flags, self.processor))
        kind = "native" if self.backend == "cpu" else self.backend
        return f"{kind}-{self.version}-{hashlib.sha256(told.encode()).hexdigest()[:8]}"


def found(environ: Mapping[str, str]) -> Toolchain:
    """The tools on the PATH. Raises NotPossible where there is no C++ compiler."""
    path = environ.get("PATH")

    def first(*names: str) -> str:
        return next((place for name in names if name and (place := shutil.which(name, path=path))), "")

    compiler = first(environ.get("CXX", ""), "c++", "g++", "clang++")
    if not compiler:
        raise NotPossible(
            "compiler",
            "no C++ compiler was found: 'sudo apt install g++' brings one on Debian and Ubuntu, "
            "'xcode-select --install' on a Mac",
        )
    cmake = first("cmake")
    return Toolchain(compiler, cmake if _recent(cmake) else "", first("ninja"), first("nvcc"))


def _recent(cmake: str) -> bool:
    if not cmake:
        return False
    try:
        said = subprocess.run([cmake, "--version"], capture_output=True, text=True, timeout=20).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    seen = re.search(r"version (\d+)\.(\d+)", said)
    return seen is not None and (int(seen[1]), int(seen[2])) >= _OLDEST_CMAKE


def recipe(machine: Hardware, tools: Toolchain, system: str) -> Recipe:
    """What to compile for this machine: its processor's own instructions, and its GPUs where tools allow.

    `system` is what `platform.system()` says. CUDA wants both `nvcc` and a device; only the architectures
    that are present are compiled, because each takes minutes.
    """
    processor = fingerprint(machine.processor)

    def of(backend: str, *more: str) -> Recipe:
        return Recipe(VERSION, backend, (*FLAGS, *more), processor, REQUIREMENT)

    architectures = sorted(
        {gpu.capability.replace(".", "") for gpu in machine.gpus if gpu.backend == "cuda" and gpu.capability}
    )
    if tools.nvcc and architectures:
        wanted = f"-DCMAKE_CUDA_ARCHITECTURES={';'.join(architectures)}"
        return of("cuda", "-DGGML_CUDA=ON", wanted, f"-DCMAKE_CUDA_COMPILER={tools.nvcc}")
    if system == "Darwin" and any(gpu.backend == "metal" for gpu in machine.gpus):
        return of("metal", "-DGGML_METAL=ON")
    return of("cpu")


def jobs(machine: Hardware) -> int:
    """How many compilers may run at once: the cores, unless memory holds fewer."""
    return max(1, min(machine.processor.cores, machine.memory.available // _MEMORY_A_JOB))


def check_space(directory: Path, needed: int) -> None:
    """Raises NotPossible when the disk that holds `directory` has less than `needed` bytes free."""
    place = next(parent for parent in (directory, *directory.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise NotPossible(
            "space",
            f"this takes about {needed / 1e9:.1f} GB below {directory}, and {free / 1e9:.1f} GB are free "
            "there (PADDOCK_HOME chooses another directory)",
        )


def configure(tools: Toolchain, flags: Sequence[str], source: Path, build: Path) -> list[str]:
    """The command that prepares the build directory."""
    ninja = f"-DCMAKE_MAKE_PROGRAM={tools.ninja}"
    return [tools.cmake, "-S", str(source), "-B", str(build), "-G", "Ninja", ninja, *flags]


def compile_(tools: Toolchain, build: Path, at_once: int) -> list[str]:
    """The command that compiles the two programs and nothing else."""
    return [tools.ninja, "-C", str(build), "-j", str(at_once), "llama-server", "llama-quantize"]
