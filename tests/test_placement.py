"""Layers on GPUs: how many, on which, in which proportion, and what is left to the machine's own memory."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ggufs
from paddock.engines.gpus import Gpu
from paddock.engines.hardware import Hardware, Memory
from paddock.engines.launch import Demand, Plan
from paddock.engines.placement import Placement, moved, place, placed, resident
from paddock.engines.processor import Processor
from paddock.errors import BadOption
from paddock.formats import gguf
from paddock.names import ModelName
from paddock.options import LoadOptions
from paddock.scheduler.policy import Wish
from paddock.service.planning import Circumstances, shape_of, wish
from paddock.settings import Settings
from paddock.store.models import Model, ModelStore
from stores import Shelf

MB = 1 << 20
GB = 1 << 30
CONTEXT = 512 * MB
#: 32 layers of 150 MiB, an output of 400 MiB, 100 MiB besides: 5.2 GiB of layers.
EIGHT_B = Demand(layers=(150 * MB,) * 32, output=400 * MB, copied=0, besides=100 * MB)
ALL = 33


def cards(*free: float, backend: str = "cuda") -> tuple[Gpu, ...]:
    """GPUs with this much free, in GiB."""
    return tuple(Gpu(backend, n, f"card {n}", 80 * GB, int(gib * GB)) for n, gib in enumerate(free))


# ── one GPU ───────────────────────────────────────────────────────────────────────────────────────


def test_everything_goes_on_a_gpu_with_room() -> None:
    assert place(EIGHT_B, cards(24), -1, None) == Placement(ALL)


def test_what_does_not_fit_stays_with_the_processor() -> None:
    # 5 % stay free, 612 MiB go to context and buffers, 400 to the output: 15 layers of 150 fit in the rest.
    room = int(3.5 * GB * 0.95) - 612 * MB
    fit = 1 + (room - 400 * MB) // (150 * MB)
    assert place(EIGHT_B, cards(3.5), -1, None) == Placement(fit)
    assert 1 < fit < ALL


@pytest.mark.parametrize("free", [0, 0.2, 0.6, 0.9])
def test_a_gpu_without_room_for_the_output_gets_nothing(free: float) -> None:
    assert place(EIGHT_B, cards(free), -1, None) == Placement(0)


@pytest.mark.parametrize(("asked", "layers"), [(0, 0), (1, 1), (7, 7), (33, 33), (34, 33), (999, 33)])
def test_no_more_layers_are_placed_than_were_asked_for(asked: int, layers: int) -> None:
    assert place(EIGHT_B, cards(24), asked, None).layers == layers


def test_whoever_asks_for_layers_gets_what_would_otherwise_stay_free() -> None:
    exactly = (sum(EIGHT_B.layers) + EIGHT_B.output + EIGHT_B.besides + CONTEXT) / GB
    assert place(EIGHT_B, cards(exactly), ALL, None).layers == ALL
    assert place(EIGHT_B, cards(exactly), -1, None).layers < ALL
    assert place(EIGHT_B, cards(exactly - 0.01), ALL, None).layers < ALL


def test_what_nobody_knows_to_be_free_is_taken_to_be() -> None:
    unknown = replace(cards(0)[0], total=24 * GB, free=None)
    assert place(EIGHT_B, (unknown,), -1, None).layers == ALL


# ── several ───────────────────────────────────────────────────────────────────────────────────────


def test_of_several_gpus_the_one_with_most_room_is_taken() -> None:
    assert place(EIGHT_B, cards(8, 24, 12), -1, None) == Placement(ALL, main_gpu=1)
    assert place(EIGHT_B, cards(8, 24, 12), 5, None) == Placement(5, main_gpu=1)


def test_the_user_may_say_which_one() -> None:
    assert place(EIGHT_B, cards(8, 24, 12), -1, 2) == Placement(ALL, main_gpu=2)
    assert place(EIGHT_B, cards(3.5, 24), -1, 0).layers < ALL
    assert place(replace(EIGHT_B, spread=True), cards(24, 24), -1, 1) == Placement(ALL, main_gpu=1)
    assert place(EIGHT_B, cards(0.1, 24), -1, 0) == Placement(0)


@pytest.mark.parametrize("asked", [2, 3, 1 << 40])
def test_a_gpu_that_is_not_there_is_refused_with_the_option(asked: int) -> None:
    with pytest.raises(BadOption, match='option "main_gpu" must be below 2, the number of GPUs') as caught:
        place(EIGHT_B, cards(24, 24), -1, asked)
    assert caught.value.option == "main_gpu"


def test_what_no_single_gpu_can_hold_goes_on_all_of_them() -> None:
    found = place(EIGHT_B, cards(4, 4), -1, None)
    assert found.layers == ALL
    assert found.main_gpu is None
    # The output weighs as much as three layers.
    assert found.split in {(17, 16), (18, 15)}


def test_a_spread_model_is_shared_in_proportion_to_room() -> None:
    spread = replace(EIGHT_B, spread=True)
    found = place(spread, cards(40, 20), -1, None)
    assert found.layers == sum(found.split) == ALL
    assert 22 <= found.split[0] <= 25
    even = place(spread, cards(24, 24, 24, 24), -1, None)
    assert max(even.split) - min(even.split) <= 3


def test_a_full_gpu_gets_no_part() -> None:
    found = place(replace(EIGHT_B, spread=True), cards(24, 0.3, 24), -1, None)
    assert found.split[1] == 0
    assert found.layers == ALL
    assert place(EIGHT_B, cards(0.3, 3.5, 0.3), -1, None).main_gpu == 1  # what is left is no split


def test_what_not_even_all_can_hold_is_placed_in_part() -> None:
    found = place(EIGHT_B, cards(2, 2), -1, None)
    assert 1 < found.layers < ALL
    assert sum(found.split) == found.layers


def test_where_nothing_fits_anywhere_nothing_is_placed() -> None:
    assert place(EIGHT_B, cards(0.1, 0.2), -1, None) == Placement(0)


SIZES = st.integers(0, 3000).map(lambda mib: mib * MB)
DEMANDS = st.builds(
    Demand,
    layers=st.lists(SIZES, max_size=40).map(tuple),
    output=SIZES,
    copied=st.just(0),
    besides=st.integers(0, 600).map(lambda mib: mib * MB),
    spread=st.booleans(),
)
FREE = st.lists(st.integers(0, 40 * 1024).map(lambda mib: mib / 1024), min_size=1, max_size=6)


def as_the_engine_does(sizes: Sequence[int], split: Sequence[int]) -> list[int]:
    """Bytes each GPU gets, computed as llama.cpp computes it: in the floats of C, from sums of shares."""

    def single(value: float) -> float:
        return float(struct.unpack("f", struct.pack("f", value))[0])

    whole = single(sum(split))
    ends = [single(single(end) / whole) for end in accumulate(split)]
    given = [0] * len(split)
    for place_of, size in enumerate(sizes):
        share = single(single(place_of) / single(len(sizes)))
        given[next(gpu for gpu, end in enumerate(ends) if end > share)] += size
    return given


@settings(max_examples=300)
@given(DEMANDS, FREE, st.integers(-1, 45))
def test_no_gpu_is_ever_given_more_than_it_has(demand: Demand, free: list[float], asked: int) -> None:
    gpus = cards(*free)
    found = place(demand, gpus, asked, None)
    backwards = [demand.output, *reversed(demand.layers)]
    assert 0 <= found.layers <= (len(backwards) if asked < 0 else min(asked, len(backwards)))
    if not found.layers:
        return
    sizes = list(reversed(backwards[: found.layers]))
    if found.split:
        assert len(found.split) == len(gpus)
        assert sum(found.split) == found.layers
        given = as_the_engine_does(sizes, found.split)
    else:
        assert found.main_gpu is not None or len(gpus) == 1
        given = [0] * len(gpus)
        given[found.main_gpu or 0] = sum(sizes)
    for gpu, bytes_given in zip(gpus, given, strict=True):
        assert gpu.free is not None
        if bytes_given:
            assert bytes_given + demand.besides + CONTEXT <= gpu.free


@settings(max_examples=100)
@given(DEMANDS, FREE, st.integers(0, 5))
def test_more_room_never_means_fewer_layers(demand: Demand, free: list[float], which: int) -> None:
    more = [gib + 4 if gpu == which else gib for gpu, gib in enumerate(free)]
    before, after = (place(demand, cards(*each), -1, None).layers for each in (free, more))
    assert after >= before


# ── plans ─────────────────────────────────────────────────────────────────────────────────────────

PLAN = Plan(Path("w"), window=512, demand=EIGHT_B)


def test_a_plan_is_placed_by_what_is_free_when_it_is_loaded() -> None:
    assert placed(PLAN, cards(24)).gpu_layers == ALL
    assert placed(PLAN, cards(24)).main_gpu is None
    assert placed(PLAN, cards(8, 24)).main_gpu == 1
    split = placed(PLAN, cards(4, 4))
    assert (split.gpu_layers, sum(split.tensor_split)) == (ALL, ALL)
    assert placed(PLAN, cards(0.1)).gpu_layers == 0


def test_where_no_gpu_is_known_the_engine_decides() -> None:
    assert placed(PLAN, ()) is PLAN
    bare = replace(PLAN, demand=None)
    assert placed(bare, cards(24)) is bare


def test_two_requests_that_ask_the_same_have_the_same_plan() -> None:
    """However full the GPUs are meanwhile, or a model would be loaded anew because it was loaded."""
    other = replace(PLAN, demand=replace(EIGHT_B, besides=1))
    assert other == PLAN
    assert hash(other) == hash(PLAN)
    assert placed(PLAN, cards(24)) != PLAN


def test_what_lies_on_gpus_is_known_of_a_placed_plan() -> None:
    tied = replace(PLAN, demand=replace(EIGHT_B, copied=400 * MB))
    everything = placed(tied, cards(24))
    assert moved(everything) == 32 * 150 * MB  # the output is a copy of what the machine keeps
    assert resident(everything) == 32 * 150 * MB + 400 * MB + 100 * MB
    assert resident(placed(PLAN, cards(4, 4))) == 32 * 150 * MB + 400 * MB + 2 * 100 * MB
    for nothing in (PLAN, placed(PLAN, cards(0.1)), replace(PLAN, demand=None, gpu_layers=9)):
        assert moved(nothing) == resident(nothing) == 0


# ── from a model to a plan ────────────────────────────────────────────────────────────────────────

BLOCK = 64 * 64 * 4  # bytes of one tensor of a block below


def installed(root: Path, *, tied: bool = False, heads: object = 4) -> tuple[Model, gguf.Header]:
    """Four blocks of one tensor each, an input, a norm and, unless `tied`, an output of its own."""
    names = ["token_embd.weight", *(f"blk.{n}.attn_q.weight" for n in range(4)), "output_norm.weight"]
    names += [] if tied else ["output.weight"]
    tensors = [ggufs.tensor(name, (64, 64), 0, BLOCK * n) for n, name in enumerate(names)]
    metadata = {**ggufs.LLAMA, "llama.block_count": 4, "llama.attention.head_count_kv": heads}
    shelf = Shelf(root)
    shelf.add("m", ("model", ggufs.build(metadata, tensors, bytes(BLOCK * len(names)))))
    model = ModelStore(root).find(ModelName.parse("m"))
    assert model.weights is not None
    return model, gguf.read(model.weights)


def asked(
    subject: tuple[Model, gguf.Header],
    gpus: tuple[Gpu, ...],
    backend: str = "cuda",
    chosen: Settings = Settings(),  # noqa: B008  # frozen
    **options: int,
) -> Wish:
    machine = Hardware(Memory(64 * GB, 64 * GB), Processor("", "x86_64", 4, 4), gpus)
    here = Circumstances(chosen, machine, backend)
    return wish(*subject, shape_of(*subject), LoadOptions(**options), None, False, here)  # type: ignore[arg-type]


def test_the_demand_of_a_model_is_read_from_its_table_of_tensors(tmp_path: Path) -> None:
    found = asked(installed(tmp_path), cards(24)).plan
    assert found.demand is not None
    kv = 4 * (8 + 8) * found.capacity * 2  # heads, key and value, tokens, bytes of one number
    assert found.demand.layers == (BLOCK + kv,) * 4
    assert (found.demand.output, found.demand.copied) == (2 * BLOCK, 0)
    assert found.demand.besides == 512 * (64 * 32 + 600 * 4)


def test_a_model_whose_output_is_its_input_needs_it_twice(tmp_path: Path) -> None:
    found = asked(installed(tmp_path, tied=True), cards(24)).plan
    assert found.demand is not None
    assert (found.demand.output, found.demand.copied) == (2 * BLOCK, BLOCK)


def test_layers_with_unequal_heads_want_unequal_room(tmp_path: Path) -> None:
    uneven = installed(tmp_path, heads=[4, 1, 1, 0])
    demand = asked(uneven, cards(24)).plan.demand
    assert demand is not None
    row = (8 + 8) * asked(uneven, cards(24)).plan.capacity * 2
    assert demand.layers == tuple(BLOCK + heads * row for heads in (4, 1, 1, 0))


@pytest.mark.parametrize(
    ("backend", "gpus", "options", "batch"),
    [
        ("cpu", cards(24), {}, 128),
        ("cuda", cards(24), {}, 512),
        ("vulkan", cards(24, backend="vulkan"), {}, 512),
        ("rocm", cards(24, backend="rocm"), {}, 512),
        ("cuda", cards(24), {"num_batch": 64}, 64),
        ("cuda", cards(24), {"num_gpu": 0}, 128),
        ("cuda", (), {}, 128),
        ("rocm", cards(24), {}, 128),
    ],
)
def test_a_gpu_reads_more_of_a_prompt_at_once(
    tmp_path: Path, backend: str, gpus: tuple[Gpu, ...], options: dict[str, int], batch: int
) -> None:
    assert asked(installed(tmp_path), gpus, backend, **options).plan.batch == batch  # type: ignore[arg-type]


def test_a_plan_holds_what_was_asked_not_where_it_went(tmp_path: Path) -> None:
    subject = installed(tmp_path)
    for free in (24, 0.1):
        found = asked(subject, cards(free), num_gpu=3).plan
        assert (found.gpu_layers, found.main_gpu, found.tensor_split) == (3, None, ())
    assert asked(subject, cards(24)).plan == asked(subject, cards(1)).plan
    assert asked(subject, cards(24, 24), main_gpu=1).plan.main_gpu == 1


def test_the_processor_alone_has_no_demand_of_gpus(tmp_path: Path) -> None:
    subject = installed(tmp_path)
    for found in (asked(subject, cards(24), "cpu"), asked(subject, cards(24), num_gpu=0), asked(subject, ())):
        assert found.plan.demand is None
    assert asked(subject, cards(24), num_gpu=0).plan.gpu_layers == 0


def test_the_memory_of_a_wish_leaves_out_what_gpus_hold(tmp_path: Path) -> None:
    subject = installed(tmp_path)
    alone = asked(subject, (), num_batch=512).memory
    whole, part = asked(subject, cards(24)), asked(subject, cards(24), num_gpu=3)
    demand = whole.plan.demand
    assert demand is not None
    assert alone - whole.memory == sum(demand.layers) + demand.output
    assert alone - part.memory == sum(demand.layers[-2:]) + demand.output
    assert asked(subject, cards(0.1)).memory == alone


def test_a_gpu_in_the_machines_memory_takes_nothing_off_it(tmp_path: Path) -> None:
    subject = installed(tmp_path)
    shared = tuple(replace(gpu, unified=True) for gpu in cards(24, backend="metal"))
    assert asked(subject, shared, "metal").memory == asked(subject, (), num_batch=512).memory
    assert asked(subject, shared, "metal").plan.demand is not None


def test_the_setting_to_spread_reaches_the_demand(tmp_path: Path) -> None:
    subject = installed(tmp_path)
    together, apart = (asked(subject, cards(24, 24), chosen=Settings(sched_spread=s)) for s in (False, True))
    assert placed(together.plan, cards(24, 24)).main_gpu is not None
    assert all(placed(apart.plan, cards(24, 24)).tensor_split)


def test_a_gpu_that_is_not_there_is_refused_before_anything_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="main_gpu"):
        asked(installed(tmp_path), cards(24), main_gpu=4)
    # Where nothing is known of GPUs, the engine decides.
    assert asked(installed(tmp_path), (), main_gpu=4).plan.main_gpu == 4


def test_two_slots_do_where_gpus_are_short_of_memory(tmp_path: Path) -> None:
    subject = installed(tmp_path)
    small = tuple(replace(gpu, total=2 * MB) for gpu in cards(24))
    assert asked(subject, small).plan.slots == 2
    assert asked(subject, cards(24)).plan.slots == 4
