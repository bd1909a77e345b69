"""Which layers go on which GPU: a pure function of what a model wants and what is free.

A plan says what was asked; `placed` turns that into what the engine is told, with the free memory of the
moment the model is loaded. So two requests that ask the same share a runner, however full the GPUs have
become since. Where no GPU is known, nothing is decided here, and the engine does as it likes.

An engine counts layers from the output backwards and hands them out to its GPUs in order, so a split in
whole layers is exact. Source: `load_tensors` in llama.cpp's `llama-model.cpp`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from paddock.engines.gpus import Gpu
from paddock.engines.launch import Demand, Plan
from paddock.errors import BadOption

#: Bytes a GPU needs before any layer: the driver's context, kernels, what is lost between buffers.
_CONTEXT = 512 << 20
#: Share of the free memory that stays free where nobody asked for a number of layers.
_MARGIN = 0.05


@dataclass(frozen=True, slots=True)
class Placement:
    """How many layers go on GPUs, the output being the first. On one GPU only where `main_gpu` says which,
    else as many on each as `split` says."""

    layers: int
    main_gpu: int | None = None
    split: tuple[int, ...] = ()


def placed(plan: Plan, gpus: Sequence[Gpu]) -> Plan:
    """What an engine is to be told that computes on `gpus` (`gpus.usable`), as full as they are now.

    Raises BadOption where main_gpu names a GPU that is not there.
    """
    if not gpus or plan.demand is None:
        return plan
    where = place(plan.demand, gpus, plan.gpu_layers, plan.main_gpu)
    return replace(plan, gpu_layers=where.layers, main_gpu=where.main_gpu, tensor_split=where.split)


def place(demand: Demand, gpus: Sequence[Gpu], asked: int, main_gpu: int | None) -> Placement:
    """Decide. `asked` is num_gpu: no more than that many layers, and as many as fit where it is negative.

    Everything goes on one GPU if it can, the one with most room, unless `demand.spread`; then on all,
    in proportion to their room; what is left over stays with the processor.
    """
    wanted = _backwards(demand)
    wanted = wanted if asked < 0 else wanted[:asked]
    rooms = [_room(gpu, demand, keep=_MARGIN if asked < 0 else 0.0) for gpu in gpus]
    if main_gpu is not None:
        if not 0 <= main_gpu < len(gpus):
            raise BadOption("main_gpu", f"below {len(gpus)}, the number of GPUs the engine uses")
        return _on_one(wanted, rooms[main_gpu], main_gpu)
    best = max(range(len(gpus)), key=rooms.__getitem__)
    if len(gpus) == 1 or (sum(wanted) <= rooms[best] and not demand.spread):
        return _on_one(wanted, rooms[best], best if len(gpus) > 1 else None)
    return _on_all(wanted, rooms)


def moved(plan: Plan) -> int:
    """Bytes that a placed plan takes off the machine's memory."""
    if plan.demand is None or plan.gpu_layers <= 0:
        return 0
    return sum(_backwards(plan.demand)[: plan.gpu_layers]) - plan.demand.copied


def resident(plan: Plan) -> int:
    """Bytes that a placed plan is expected to take on all GPUs together."""
    if plan.demand is None or plan.gpu_layers <= 0:
        return 0
    used = sum(layers > 0 for layers in plan.tensor_split) or 1
    return moved(plan) + plan.demand.copied + plan.demand.besides * used


def _backwards(demand: Demand) -> list[int]:
    """Bytes of the layers in the order in which an engine puts them on GPUs."""
    return [demand.output, *reversed(demand.layers)]


def _room(gpu: Gpu, demand: Demand, keep: float) -> int:
    """Bytes there are for layers."""
    free = gpu.total if gpu.free is None else gpu.free
    return int(free * (1 - keep)) - _CONTEXT - demand.besides


def _on_one(wanted: Sequence[int], room: int, gpu: int | None) -> Placement:
    layers = _that_fit(wanted, room)
    return Placement(layers, gpu if layers else None)


def _that_fit(sizes: Sequence[int], room: int) -> int:
    """How many of these fit, from the first on."""
    for count, size in enumerate(sizes):
        room -= size
        if room < 0:
            return count
    return len(sizes)


def _on_all(wanted: Sequence[int], rooms: Sequence[int]) -> Placement:
    for count in range(len(wanted), 0, -1):
        sizes = wanted[count - 1 :: -1]
        split = _shared(sizes, rooms) or _filled(sizes, rooms)
        if split is None:
            continue
        used = [gpu for gpu, layers in enumerate(split) if layers]
        return Placement(count, used[0]) if len(used) == 1 else Placement(count, None, split)
    return Placement(0)


def _shared(sizes: Sequence[int], rooms: Sequence[int]) -> tuple[int, ...] | None:
    """Layers a GPU, in proportion to their room; None where that does not fit."""
    room = sum(max(each, 0) for each in rooms)
    if sum(sizes) > room:
        return None
    split = [0] * len(rooms)
    done, taken, ends = 0, 0, 0.0
    for gpu, left in enumerate(rooms):
        ends += sum(sizes) * max(left, 0) / room if room else 0.0
        # A layer goes where the greater part of it would lie.
        while done < len(sizes) and sizes[done] <= left and taken + sizes[done] / 2 <= ends:
            left, taken = left - sizes[done], taken + sizes[done]
            done += 1
            split[gpu] += 1
    return tuple(split) if done == len(sizes) else None


def _filled(sizes: Sequence[int], rooms: Sequence[int]) -> tuple[int, ...] | None:
    """Layers a GPU, each filled before the next; None where that does not fit."""
    split, done = [], 0
    for room in rooms:
        split.append(_that_fit(sizes[done:], room))
        done += split[-1]
    return tuple(split) if done == len(sizes) else None
