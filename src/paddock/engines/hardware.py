"""What this machine offers: memory, processor and GPUs, container limits included.

Looking is the only thing done here: values are frozen, importing touches nothing, and every probe below
ends in bounded time and finds nothing rather than raise. `survey` looks at everything once. `memory` and
`devices` are for those who must ask again: the first is cheap, the second starts child programs where
there are GPUs.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from paddock.engines import amd, gpus, launch, processor
from paddock.engines.cgroups import Group, groups
from paddock.engines.gpus import Gpu
from paddock.engines.kernel import number, read
from paddock.engines.probe import ask
from paddock.engines.processor import Processor, sysctl

__all__ = ["Gpu", "Hardware", "Memory", "Processor", "devices", "memory", "survey", "within_limits"]

_DRIVERS = Path(__file__).with_name("drivers.py")
#: A driver is asked only where one of these is, below the root: starting a child costs 50 ms.
_DEVICE_FILES = {
    "nvml": ("dev/nvidiactl", "dev/dxg", "dev/nvhost-ctrl-gpu"),
    "vulkan": ("dev/dri", "dev/nvidiactl", "dev/dxg", "dev/kgsl-3d0", "dev/mali0"),
}


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes of memory this process may use in all, and bytes to be had now."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Hardware:
    """The machine at the moment it was looked at. A GPU that two backends see is in `gpus` twice."""

    memory: Memory
    processor: Processor
    gpus: tuple[Gpu, ...] = ()


def survey(environ: Mapping[str, str] | None = None, root: Path = Path("/")) -> Hardware:
    """Look at the whole machine now: milliseconds where no GPU is, at most 10 s where a driver hangs.

    `environ` is what an engine would inherit, because CUDA_VISIBLE_DEVICES and its like decide which GPUs
    it sees. `root` is where the file system begins.
    """
    return Hardware(memory(root), processor.look(root), devices(environ, root))


def devices(
    environ: Mapping[str, str] | None = None, root: Path = Path("/"), system: str = sys.platform
) -> tuple[Gpu, ...]:
    """The GPUs of every backend, with what is free on each now. Children are started where a driver is."""
    environ = os.environ if environ is None else environ
    if system == "darwin":
        facts = sysctl("machdep.cpu", "hw.memsize", "iogpu", "kern.osproductversion")
        found = gpus.from_sysctl(facts, platform.machine())
    else:
        reports = _reports(environ, root, system)
        found = (
            *_cuda(reports.get("nvml"), environ),
            *amd.look(environ, root),
            *gpus.from_vulkan(reports.get("vulkan", ""), environ.get("GGML_VK_VISIBLE_DEVICES")),
        )
    return tuple(_within(gpu, memory(root)) for gpu in found)


def _reports(environ: Mapping[str, str], root: Path, system: str) -> dict[str, str]:
    """What the drivers say whose devices are here. Where there are none, nothing is started."""
    here = [
        driver
        for driver, files in _DEVICE_FILES.items()
        if system == "win32" or any((root / file).exists() for file in files)
    ]
    # A driver may keep its settings, and the list of drivers itself, below HOME.
    seen = launch.inherited(environ) | {n: environ[n] for n in ("HOME", "USERPROFILE") if n in environ}
    commands = [(sys.executable, "-I", "-S", str(_DRIVERS), driver) for driver in here]
    return dict(zip(here, ask(*commands, environ=seen), strict=True))


def _cuda(report: str | None, environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    if not report:  # no device, or a driver that does not answer: nvidia-smi would wait for the same one
        return ()
    mask = environ.get("CUDA_VISIBLE_DEVICES")
    found = gpus.from_nvml(report, mask)
    program = shutil.which("nvidia-smi", path=environ.get("PATH"))
    if found is not None or program is None:
        return found or ()
    query = (program, f"--query-gpu={','.join(gpus.SMI_COLUMNS)}", "--format=csv,noheader,nounits")
    return gpus.from_smi(ask(query, environ=launch.inherited(environ))[0], mask)


def _within(gpu: Gpu, here: Memory) -> Gpu:
    """A GPU that computes in the machine's own memory has no more of it than the machine."""
    if not gpu.unified:
        return gpu
    total = min(gpu.total or here.total, here.total)
    return replace(gpu, total=total, free=min(total if gpu.free is None else gpu.free, here.available))


def memory(root: Path = Path("/")) -> Memory:
    """Look at the memory now, the limits of the control groups we are in included.

    Takes 0.16 ms in a tree of three groups, half of it to find them: the pool may ask before every load.
    """
    found = psutil.virtual_memory()
    return within_limits(Memory(found.total, found.available), groups("memory", root))


def within_limits(machine: Memory, limited: Iterable[Group]) -> Memory:
    """What of the machine's memory is left to a process in these groups, each of which may have a limit."""
    total, available = machine.total, machine.available
    for group in limited:
        limit = _limit(group)
        if limit is not None and limit < machine.total:
            total = min(total, limit)
            available = min(available, max(limit - _used(group), 0))
    return Memory(total, available)


def _limit(group: Group) -> int | None:
    if not group.unified:
        return group.number("memory.limit_in_bytes")  # without a limit: a number beyond any machine
    # Past `high` the kernel takes pages back as fast as they are touched: as good as a limit.
    limits = [group.number("memory.max"), group.number("memory.high")]
    return min((limit for limit in limits if limit is not None), default=None)


def _used(group: Group) -> int:
    """Bytes in use in this group and below, less the page cache that the kernel would give up first."""
    name, cached = ("memory.usage_in_bytes", "total_inactive_file")
    if group.unified:
        name, cached = ("memory.current", "inactive_file")
    used = group.number(name) or 0
    for line in read(group.path / "memory.stat").splitlines():
        if line.startswith(cached + " "):
            return max(used - (number(line.rpartition(" ")[2]) or 0), 0)
    return used
