"""Installs a ready-made GPU engine: the xllamacpp wheel its authors publish for CUDA, ROCm or Vulkan.

Such a wheel has the same name as the one Paddock comes with, so it goes into a directory of its own and the
two never meet. What it needs of the system is looked at first, because a missing driver or an old C library
would only show itself as a loader's riddle later.
"""

from __future__ import annotations

import ctypes.util
import hashlib
import platform
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from paddock.engines.hardware import Gpu
from paddock.engines.installed import Installed
from paddock.machine import commands, toolchain
from paddock.machine.compiling import PIP
from paddock.machine.making import Bench, SelfTest, Watcher, finish
from paddock.machine.toolchain import NotPossible

#: Where the authors of xllamacpp publish them (their README names the directories).
INDEX = "https://xorbitsai.github.io/xllamacpp/whl"
BACKENDS = ("cuda", "vulkan", "rocm")
#: Bytes: the wheels with CUDA's and ROCm's own libraries are large.
_SPACE = {"cuda": 2_500_000_000, "rocm": 4_000_000_000, "vulkan": 500_000_000}
_OLDEST_GLIBC = (2, 35)
#: Machine code for these is in the wheels; every other card compiles at first start, and its driver must know
#: the wheel's own CUDA version for that (docs.nvidia.com/deploy/cuda-compatibility).
_COMPILED = {"cu128": ("8.6", "8.9", "12.0"), "cu132": ("7.5", "8.6", "8.9", "12.0")}
_OLDEST_DRIVER = {"cu128": 525, "cu132": 580}
_OLDEST_DRIVER_TO_COMPILE = {"cu128": 570, "cu132": 595}


@dataclass(frozen=True, slots=True)
class System:
    """What a wheel leans on: the C library's version, the ROCm release (empty: none), a Vulkan loader."""

    system: str
    machine: str
    glibc: tuple[int, int] | None
    rocm: str
    vulkan: bool


def look(root: Path = Path("/")) -> System:
    """This machine's. `root` is where the file system begins."""
    name, version = platform.libc_ver()
    numbers = re.match(r"(\d+)\.(\d+)", version) if name == "glibc" else None
    try:
        rocm = (root / "opt/rocm/.info/version").read_text(encoding="utf-8").strip()
    except OSError:
        rocm = ""
    return System(
        platform.system(),
        platform.machine().lower(),
        (int(numbers[1]), int(numbers[2])) if numbers else None,
        rocm,
        ctypes.util.find_library("vulkan") is not None,
    )


def variant(backend: str, gpus: Sequence[Gpu], here: System) -> str:
    """The directory of the index that fits this machine. Raises NotPossible, naming what is missing."""
    if here.system != "Linux" or here.machine not in ("x86_64", "amd64"):
        what = f"{here.system} on {here.machine}"
        raise NotPossible("platform", f"ready-made GPU engines exist for Linux on x86-64; this is {what}")
    if backend in ("cuda", "rocm") and (here.glibc is None or here.glibc < _OLDEST_GLIBC):
        seen = ".".join(map(str, here.glibc)) if here.glibc else "another C library"
        raise NotPossible(
            "glibc",
            f"the {backend} engine needs glibc 2.35 or newer (Debian 12, Ubuntu 22.04), and this system has "
            f"{seen}; 'paddock engine build' compiles one that fits",
        )
    return {"cuda": _cuda, "rocm": _rocm, "vulkan": _vulkan}[backend](gpus, here)


def _cuda(gpus: Sequence[Gpu], here: System) -> str:
    cards = [gpu for gpu in gpus if gpu.backend == "cuda"]
    if not cards:
        raise NotPossible(
            "device",
            "no NVIDIA GPU can be seen: its driver is missing (the command nvidia-smi would list the card), "
            "or this container was started without it (docker run --gpus all)",
        )
    kinds = {card.capability for card in cards}
    chosen = "cu132" if "7.5" in kinds else "cu128"
    compiled = all(kind in _COMPILED[chosen] for kind in kinds)
    oldest = (_OLDEST_DRIVER if compiled else _OLDEST_DRIVER_TO_COMPILE)[chosen]
    driver = cards[0].driver
    major = re.match(r"\d+", driver)
    if major is None or int(major[0]) < oldest:
        raise NotPossible(
            "driver",
            f"the NVIDIA driver here is {driver or 'of an unknown version'}, and this engine needs {oldest} "
            f"or newer on {cards[0].name}: update the driver",
        )
    return chosen


def _rocm(gpus: Sequence[Gpu], here: System) -> str:
    if not any(gpu.backend == "rocm" for gpu in gpus):
        raise NotPossible("device", "no AMD GPU can be seen: its driver (amdgpu) is missing or not loaded")
    if not here.rocm:
        raise NotPossible(
            "rocm", "ROCm is not installed (/opt/rocm is missing); 'paddock engine install vulkan' needs none"
        )
    return "rocm-6.4.1" if here.rocm.startswith(("5.", "6.")) else "rocm-7.2.4"


def _vulkan(gpus: Sequence[Gpu], here: System) -> str:
    if not here.vulkan:
        raise NotPossible(
            "vulkan", "the Vulkan loader is missing: 'sudo apt install libvulkan1' brings it, and the "
            "driver of the card (mesa-vulkan-drivers, or NVIDIA's own) has to be there as well",
        )  # fmt: skip
    if not any(gpu.backend == "vulkan" for gpu in gpus):
        raise NotPossible(
            "device", "no GPU with Vulkan can be seen: its driver is missing (mesa-vulkan-drivers for AMD "
            "and Intel, NVIDIA's own for theirs)",
        )  # fmt: skip
    return "vulkan"


def name(backend: str, version: str, directory: str) -> str:
    """What the engine is called: the same for the same wheel."""
    return f"{backend}-{version}-{hashlib.sha256(directory.encode()).hexdigest()[:8]}"


def install(
    bench: Bench,
    home: Path,
    backend: str,
    version: str,
    url: str,
    environ: Mapping[str, str],
    test: SelfTest,
    watch: Watcher,
) -> Installed:
    """Fetch the wheel of `version` from the index at `url`, test it, keep it.

    Raises NotPossible, commands.StepFailed, or what `test` raises; then nothing has changed.
    """
    toolchain.check_space(bench.work, _SPACE[backend])
    watch.step(f"fetching the {backend} engine")
    site = bench.stage / "site"
    command = [*PIP, "install", "--target", str(site), "--no-deps", "--only-binary", ":all:"]
    # The index is named outright: a user's extra index may not slip in another file of this name.
    command += ["--isolated", "--index-url", url, f"xllamacpp=={version}", *_transport(environ)]
    commands.run(f"fetching the {backend} engine from {url}", command, environ, bench.log, _reporting(watch))
    made = Installed(bench.stage.name, "wheel", version, backend, bench.stage)
    test(made)
    return finish(home, bench.stage, made)


def _transport(environ: Mapping[str, str]) -> list[str]:
    """How to get out of here, which `--isolated` would forget: the user's proxy and certificates."""
    told = (("PIP_PROXY", "--proxy"), ("PIP_CERT", "--cert"), ("PIP_TRUSTED_HOST", "--trusted-host"))
    return [word for variable, flag in told if environ.get(variable) for word in (flag, environ[variable])]


def _reporting(watch: Watcher) -> Callable[[str], None]:
    def seen(line: str) -> None:
        if line.startswith(("Downloading ", "  Downloading ")):
            watch.step(line.strip().lower())

    return seen
