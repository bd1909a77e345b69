"""AMD's GPUs, from the files of their kernel drivers: amdgpu's below /sys/class/drm, KFD's beside it.

KFD is the part that ROCm computes through; it numbers the GPUs and knows their instruction set. Where it
is missing they are listed by their place on the bus: a Vulkan engine could still use them.

Source: "GPU memory usage information" and "UniqueID" in the kernel's amdgpu documentation; the property
names in `kfd_topology.c`; "GPU isolation techniques" of ROCm's documentation; which instruction sets
belong to processors with graphics in LLVM's "User Guide for AMDGPU Backend".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.engines.gpus import Gpu, numbered, visible
from paddock.engines.kernel import number, read

_VENDOR = "0x1002"
_HIP_MASKS = ("HIP_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL")
#: Instruction sets of chips whose GPU computes in the machine's own memory.
_INTEGRATED = {
    "gfx902", "gfx909", "gfx90c", "gfx1013", "gfx1033", "gfx1035", "gfx1036", "gfx1103", "gfx1150",
    "gfx1151", "gfx1152", "gfx1153",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Node:
    """What KFD says of a GPU: its place among the others, and its instruction set as in `gfx1100`."""

    place: int
    target: str


def look(environ: Mapping[str, str], root: Path = Path("/")) -> tuple[Gpu, ...]:
    """The GPUs that a ROCm engine started with `environ` would see, in its order."""
    nodes = dict(_nodes(root))
    cards = [card for card in (root / "sys/class/drm").glob("card*") if _is_gpu(card / "device")]
    cards.sort(key=lambda card: (_place(nodes, card), _slot(card)))
    driver = read(root / "sys/module/amdgpu/version").strip()
    gpus = [_gpu(card / "device", nodes.get(_render_minor(card)), driver, root) for card in cards]
    identities = [f"GPU-{read(card / 'device/unique_id').strip().removeprefix('0x')}" for card in cards]
    seen = visible(identities, environ.get("ROCR_VISIBLE_DEVICES"))
    # HIP takes the first of these that says something, and counts among those that ROCR leaves.
    mask = next(filter(None, map(environ.get, _HIP_MASKS)), None)
    return numbered(gpus, [seen[place] for place in visible([identities[n] for n in seen], mask)])


def _is_gpu(device: Path) -> bool:
    # Connectors are called card0-DP-1 and have no vendor; cards of the `radeon` driver have no such figures.
    return read(device / "vendor").strip() == _VENDOR and (device / "mem_info_vram_total").exists()


def _gpu(device: Path, node: _Node | None, driver: str, root: Path) -> Gpu:
    unified = node is not None and node.target in _INTEGRATED
    # Such a chip computes in what it set aside at start and in what it may map of the rest.
    parts = ("vram", "gtt") if unified else ("vram",)
    total, used = (
        sum(number(read(device / f"mem_info_{part}_{kind}")) or 0 for part in parts)
        for kind in ("total", "used")
    )
    return Gpu(
        backend="rocm",
        index=0,
        name=_name(device, root),
        total=total,
        free=max(total - used, 0),
        driver=driver,
        capability=node.target if node else "",
        unified=unified,
    )


def _name(device: Path, root: Path) -> str:
    """What the card calls itself, else what libdrm's table calls it, else its numbers."""
    if name := read(device / "product_name").strip():
        return name
    model, revision = (
        read(device / part).strip().removeprefix("0x").upper() for part in ("device", "revision")
    )
    for line in read(root / "usr/share/libdrm/amdgpu.ids").splitlines():
        found = [word.strip() for word in line.split(",", 2)]
        if found[:2] == [model, revision]:
            return found[-1]
    return f"AMD GPU {model}:{revision}"


def _nodes(root: Path) -> Iterator[tuple[int, _Node]]:
    """KFD's GPUs by the number of their render device, which amdgpu's cards have too."""
    folders = (root / "sys/class/kfd/kfd/topology/nodes").glob("[0-9]*")
    for place, folder in enumerate(sorted(folders, key=lambda folder: (len(folder.name), folder.name))):
        pairs = (line.partition(" ") for line in read(folder / "properties").splitlines())
        properties = {name: number(value) or 0 for name, _, value in pairs}
        version = properties.get("gfx_target_version", 0)
        if version:  # a processor has none
            target = f"gfx{version // 10000}{version // 100 % 100:x}{version % 100:x}"
            yield properties.get("drm_render_minor", -1), _Node(place, target)


def _render_minor(card: Path) -> int:
    for render in (card / "device/drm").glob("renderD*"):
        return number(render.name.removeprefix("renderD")) or -1
    return -1


def _place(nodes: Mapping[int, _Node], card: Path) -> float:
    node = nodes.get(_render_minor(card))
    return math.inf if node is None else node.place


def _slot(card: Path) -> str:
    """The place on the bus, as in `0000:03:00.0`."""
    for line in read(card / "device/uevent").splitlines():
        if line.startswith("PCI_SLOT_NAME="):
            return line.partition("=")[2]
    return card.name
