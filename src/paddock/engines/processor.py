"""The processor: its name, the cores this process may really use, and what it can compute.

Features are called what Linux calls them in /proc/cpuinfo (`avx2`, `avx512_vnni`, `amx_tile`); macOS has
other names for the same things, and they are translated. A core counts once however many threads it
offers, because an engine's threads gain nothing from sharing one.

Source: cpuinfo as arch/x86 and arch/arm64 of the kernel write it; the sysctl names of Apple's "Determining
Instruction Set Characteristics".
"""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from paddock.engines.cgroups import Group, groups
from paddock.engines.kernel import number, read
from paddock.engines.probe import ask

#: What the wheels of the bundled engine leave unused: they are built for AVX2, and for plain ARMv8.
_BEYOND_BUNDLED = {
    "x86_64": (("AVX-512", {"avx512f"}), ("AVX-VNNI", {"avx_vnni"}), ("AMX", {"amx_tile", "amx_int8"})),
    "aarch64": (("dot products", {"asimddp"}), ("I8MM", {"i8mm"}), ("SVE", {"sve"})),
}
_X86 = re.compile(r"(?i)amd64|x86_64|x64")
_APPLE_ARM = {
    "FEAT_DotProd": "asimddp", "FEAT_I8MM": "i8mm", "FEAT_BF16": "bf16", "FEAT_FP16": "asimdhp",
    "FEAT_FHM": "asimdfhm", "FEAT_SME": "sme", "FEAT_SME2": "sme2",
}  # fmt: skip
#: Where Apple and Intel write one word, Linux writes two.
_AVX512_PARTS = re.compile(r"avx512(vnni|bf16|fp16|vbmi2|bitalg|vpopcntdq)$")


@dataclass(frozen=True, slots=True)
class Processor:
    """`cores` are the real ones this process may use, `installed` those of the whole machine."""

    name: str
    architecture: str
    cores: int
    installed: int
    features: frozenset[str] = frozenset()

    @property
    def beyond_bundled(self) -> tuple[str, ...]:
        """What this processor has that the bundled engine does not use, in words for people.

        An engine compiled for this machine would use it. Empty where there is nothing to gain, and on a
        Mac, whose bundled engine computes with Metal.
        """
        known = _BEYOND_BUNDLED.get(self.architecture, ())
        return tuple(word for word, features in known if features & self.features)


def look(root: Path = Path("/"), system: str = sys.platform) -> Processor:
    """Look at the processor. Never fails: what cannot be found out is "" or empty, and there is a core."""
    architecture = "x86_64" if _X86.fullmatch(platform.machine()) else platform.machine()
    if system == "darwin":
        return apple(sysctl("machdep.cpu", "hw"), architecture)
    if system != "linux":
        cores = psutil.cpu_count(logical=False) or 1
        return Processor(platform.processor(), architecture, cores, cores)
    name, features = described(read(root / "proc/cpuinfo"))
    return Processor(
        name=name,
        architecture=architecture,
        cores=limited(cores_of(os.sched_getaffinity(0), root), groups("cpu", root)),
        installed=cores_of(_every_cpu(root), root),
        features=features,
    )


def described(cpuinfo: str) -> tuple[str, frozenset[str]]:
    """Name and features from the text of /proc/cpuinfo."""
    facts: dict[str, str] = {}
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())  # of several processors the first speaks for all
    features = facts.get("flags") or facts.get("Features") or ""
    return facts.get("model name") or facts.get("Model") or "", frozenset(features.split())


def cores_of(cpus: Iterable[int], root: Path = Path("/")) -> int:
    """How many real cores these logical processors stand on."""
    return max(len(set(_siblings(cpus, root))), 1)


def _siblings(cpus: Iterable[int], root: Path) -> Iterator[str]:
    """For each logical processor the list of those that share its core, as the kernel spells it."""
    for cpu in cpus:
        topology = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
        # The first file is the newer name of the second.
        shared = read(topology / "core_cpus_list") or read(topology / "thread_siblings_list")
        yield shared.strip() or str(cpu)


def _every_cpu(root: Path) -> Iterator[int]:
    """The logical processors that are on, from a list like `0-3,8`."""
    online = read(root / "sys/devices/system/cpu/online")
    if not online:
        yield from range(os.cpu_count() or 1)
    for part in online.split(","):
        first, _, last = part.partition("-")
        begin, end = number(first), number(last or first)
        if begin is not None and end is not None:
            yield from range(begin, end + 1)


def limited(cores: int, within: Iterable[Group]) -> int:
    """`cores`, or fewer where a control group grants less processor time, rounded up."""
    for group in within:
        if group.unified:
            quota, _, period = read(group.path / "cpu.max").partition(" ")
        else:
            quota, period = (read(group.path / f"cpu.cfs_{part}_us") for part in ("quota", "period"))
        granted, of = number(quota), number(period)
        if granted is not None and of:
            cores = min(cores, -(-granted // of))
    return max(cores, 1)


def sysctl(*names: str) -> Mapping[str, str]:
    """What macOS says of itself under these names; a name may be a whole branch."""
    return parse_sysctl("".join(ask(*(("/usr/sbin/sysctl", name) for name in names))))


def parse_sysctl(text: str) -> Mapping[str, str]:
    """`name: value` a line; lines without a value are dropped."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {name.strip(): value.strip() for name, _, value in pairs if value.strip()}


def apple(facts: Mapping[str, str], architecture: str) -> Processor:
    """The processor of a Mac from its sysctl facts."""
    cores = number(facts.get("hw.physicalcpu", "")) or 1
    arm = {linux for name, linux in _APPLE_ARM.items() if facts.get(f"hw.optional.arm.{name}") == "1"}
    words = f"{facts.get('machdep.cpu.features', '')} {facts.get('machdep.cpu.leaf7_features', '')}"
    intel = {_AVX512_PARTS.sub(r"avx512_\1", word) for word in words.lower().split()}
    features = arm | {"avx" if word == "avx1.0" else word for word in intel}
    return Processor(
        facts.get("machdep.cpu.brand_string", ""), architecture, cores, cores, frozenset(features)
    )
