"""GPUs as values, and how the reports of drivers are read: pure functions.

One card may appear under several backends, because a CUDA engine and a Vulkan engine each see it by
themselves and number it in their own way; `usable` gives those of one backend, in the engine's order.
What a report does not say is "" or None, and a report that cannot be read has no GPUs.

Source: CUDA_VISIBLE_DEVICES in NVIDIA's CUDA programming guide ("environment variables");
GGML_VK_VISIBLE_DEVICES and which devices an engine takes in llama.cpp (`ggml-vulkan.cpp`, `llama.cpp`).
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paddock.engines.kernel import number

log = logging.getLogger(__name__)

#: What `nvidia-smi --query-gpu` is asked for. The name comes last, because it may hold a comma.
SMI_COLUMNS = ("index", "uuid", "driver_version", "compute_cap", "memory.total", "memory.free", "name")
_MIB = 1 << 20
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Gpu:
    """A GPU as one backend (`cuda`, `rocm`, `vulkan`, `metal`) sees it; sizes are bytes.

    `index` is the number the backend gives it. `free` is None where nobody knows. `capability` is the
    backend's word for what it can compute: `9.0`, `gfx1100`, Vulkan's version. `unified` means that it
    computes in the machine's own memory, so what is put there is missing elsewhere.
    """

    backend: str
    index: int
    name: str
    total: int
    free: int | None = None
    driver: str = ""
    capability: str = ""
    unified: bool = False


def usable(gpus: Iterable[Gpu], backend: str) -> tuple[Gpu, ...]:
    """The GPUs an engine with this backend computes on. Their place here is what it calls `main_gpu`.

    Like the engine, this takes integrated GPUs only where there is no other. None for `cpu`.
    """
    seen = tuple(gpu for gpu in gpus if gpu.backend == backend)
    return tuple(gpu for gpu in seen if not gpu.unified) or seen


# ── which ones the user lets an engine see ────────────────────────────────────────────────────────


def visible(identities: Sequence[str], mask: str | None) -> tuple[int, ...]:
    """The places in `identities` that a mask like CUDA_VISIBLE_DEVICES names, in its order.

    An entry is a number or the beginning of exactly one identity. As CUDA does, the first entry that is
    neither, or comes twice, ends the list. Without a mask all are visible, with an empty one none.
    """
    if mask is None:
        return tuple(range(len(identities)))
    chosen: list[int] = []
    for entry in mask.split(","):
        place = _named(identities, entry.strip())
        if place is None or place in chosen:
            break
        chosen.append(place)
    return tuple(chosen)


def _named(identities: Sequence[str], entry: str) -> int | None:
    if re.fullmatch("[0-9]{1,9}", entry):
        return int(entry) if int(entry) < len(identities) else None
    # Only something that begins as an identity does: an empty entry would be the beginning of them all.
    begins = [n for n, each in enumerate(identities) if len(entry) > 4 and each.startswith(entry)]
    return begins[0] if len(begins) == 1 else None


def numbered(gpus: Sequence[Gpu], places: Iterable[int]) -> tuple[Gpu, ...]:
    """The GPUs at these places, numbered anew: behind a mask the engine counts from zero."""
    return tuple(replace(gpus[place], index=index) for index, place in enumerate(places))


# ── CUDA ──────────────────────────────────────────────────────────────────────────────────────────


def from_nvml(report: str, mask: str | None) -> tuple[Gpu, ...] | None:
    """The CUDA devices in what `drivers.py nvml` printed. None: the library could not be asked."""
    listed = _listed(report)
    if listed is None:
        return None
    gpus = [_cuda(each, each["total"], each["free"]) for each in listed]
    return numbered(gpus, visible([each["uuid"] for each in listed], mask))


def from_smi(report: str, mask: str | None) -> tuple[Gpu, ...]:
    """The CUDA devices in the lines of `nvidia-smi --query-gpu`, asked for SMI_COLUMNS without units."""
    lines = [line.split(", ", len(SMI_COLUMNS) - 1) for line in report.splitlines()]
    listed = [dict(zip(SMI_COLUMNS, line, strict=True)) for line in lines if len(line) == len(SMI_COLUMNS)]
    gpus = []
    for each in listed:
        # `[N/A]` and the like count as none.
        total, free = ((number(each[f"memory.{part}"]) or 0) * _MIB for part in ("total", "free"))
        facts = {"driver": each["driver_version"], "capability": each["compute_cap"]}
        gpus.append(_cuda(each | facts, total, free))
    return numbered(gpus, visible([each["uuid"] for each in listed], mask))


def _cuda(facts: Mapping[str, Any], total: int, free: int) -> Gpu:
    # A GPU without memory of its own reports none (Jetson, GB10).
    return Gpu(
        backend="cuda",
        index=int(facts["index"]),
        name=facts["name"].strip(),
        total=total,
        free=free if total else None,
        driver=facts["driver"],
        capability=facts["capability"],
        unified=not total,
    )


def _listed(report: str) -> list[dict[str, Any]] | None:
    """The `gpus` of what `drivers.py` printed; other words may stand before it."""
    last = report.strip().rpartition("\n")[2]
    if not last:  # not asked, or no answer, of which the log knows
        return None
    try:
        found = json.loads(last)
    except ValueError:
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("gpus"), list):
        log.debug("no GPU found: %s", last[:300])
        return None
    return list(found["gpus"])


# ── Vulkan ────────────────────────────────────────────────────────────────────────────────────────


def from_vulkan(report: str, mask: str | None) -> tuple[Gpu, ...]:
    """The GPUs in what `drivers.py vulkan` printed. A processor that plays one (llvmpipe) is none."""
    listed = _listed(report) or []
    chosen = listed if mask is None else [listed[place] for place in _vulkan_places(mask, len(listed))]
    kinds = ("discrete", "integrated") if mask is None else ("discrete", "integrated", "virtual", "other")
    real = [each for each in chosen if each["type"] in kinds and each["supported"]]
    gpus = [
        Gpu(
            backend="vulkan",
            index=each["index"],
            name=each["name"],
            total=each["total"],
            free=each["free"],
            driver=each["driver"],
            capability=each["api"],
            unified=each["type"] == "integrated",
        )
        for each in (_one_of_each(real) if mask is None else real)
    ]
    return numbered(gpus, range(len(gpus)))


def _vulkan_places(mask: str, count: int) -> Iterator[int]:
    """What GGML_VK_VISIBLE_DEVICES names: numbers only, up to the first thing that is none."""
    for entry in mask.replace(",", " ").split():
        if not re.fullmatch("[0-9]{1,9}", entry) or int(entry) >= count:
            return
        yield int(entry)


def _one_of_each(listed: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Two drivers for one card are one GPU; the engine takes one of them too."""
    seen: set[str] = set()
    for each in listed:
        if each["uuid"] not in seen:
            seen.add(each["uuid"])
            yield each


# ── Metal ─────────────────────────────────────────────────────────────────────────────────────────


def from_sysctl(facts: Mapping[str, str], architecture: str) -> tuple[Gpu, ...]:
    """The GPU of a Mac with Apple's own chip; engines do not use those of older Macs.

    Metal lets one process use a part of the memory, its recommended working set: `iogpu.wired_limit_mb`
    where the user has set that, else two thirds, or three quarters above 32 GiB. Newer systems allow
    somewhat more, so this errs to the safe side. Seen: 21,845 MiB of 32 GiB (llama.cpp's pull request
    2011), 48 of 64 GiB (its issue 1870), 107.5 of 128 GiB (antirez/ds4, pull request 893).
    """
    total = number(facts.get("hw.memsize", ""))
    if architecture != "arm64" or not total:
        return ()
    share = total * 2 // 3 if total <= 32 * _GIB else total * 3 // 4
    if limit := number(facts.get("iogpu.wired_limit_mb", "")):
        share = min(limit * _MIB, total)
    name, system = facts.get("machdep.cpu.brand_string", "Apple GPU"), facts.get("kern.osproductversion", "")
    return (Gpu("metal", 0, name, share, driver=f"macOS {system}".strip(), unified=True),)
