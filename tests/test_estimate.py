"""How large a window, how many slots, how much memory: from a header and the wishes to a plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ggufs
from paddock.engines.estimate import Shape, memory
from paddock.engines.hardware import Hardware, Memory
from paddock.engines.launch import Plan
from paddock.engines.processor import Processor
from paddock.errors import Unsupported
from paddock.formats import gguf
from paddock.formats.gguf import Header
from paddock.names import ModelName
from paddock.options import LoadOptions
from paddock.scheduler.policy import Wish
from paddock.service.planning import DEFAULT_WINDOW, Circumstances, shape_of, wish
from paddock.settings import Settings
from paddock.store.models import Model, ModelStore
from stores import Shelf

GB = 1 << 30
SHAPE = Shape(weights=1000, kv_width=64, embedding=8, vocabulary=100)
PLAN = Plan(Path("w"), window=256, slots=2, batch=16)
PROCESSOR = Processor("Some processor", "x86_64", cores=4, installed=4)


# ── memory ────────────────────────────────────────────────────────────────────────────────────────


def test_memory_is_weights_cache_and_working_buffers() -> None:
    empty = memory(replace(SHAPE, kv_width=0, embedding=0, vocabulary=0), PLAN)
    assert empty - SHAPE.weights == 64 << 20
    assert memory(replace(SHAPE, embedding=0, vocabulary=0), PLAN) - empty == 64 * 512 * 2
    assert memory(replace(SHAPE, kv_width=0, embedding=0), PLAN) - empty == 16 * 100 * 4


@pytest.mark.parametrize(
    ("kind", "bits"),
    [("", 16), ("f16", 16), ("f32", 32), ("bf16", 16), ("q8_0", 8.5), ("q5_1", 6), ("q5_0", 5.5), ("q4_1", 5),
     ("q4_0", 4.5)],
)  # fmt: skip
def test_a_smaller_kind_of_cache_wants_less(kind: str, bits: float) -> None:
    without = memory(replace(SHAPE, kv_width=0), PLAN)
    assert memory(SHAPE, replace(PLAN, kv_type=kind)) - without == 64 * 512 * bits / 8


@settings(max_examples=50)
@given(st.integers(4, 1 << 20), st.integers(1, 16), st.integers(1, 4096))
def test_more_of_anything_never_wants_less_memory(window: int, slots: int, batch: int) -> None:
    plan = Plan(Path("w"), window=window, slots=slots, batch=batch)
    here = memory(SHAPE, plan)
    for more in (
        replace(plan, window=window + 1),
        replace(plan, slots=slots + 1),
        replace(plan, batch=batch + 1),
        replace(plan, kv_type="f32"),
    ):
        assert memory(SHAPE, more) > here


# ── plans ─────────────────────────────────────────────────────────────────────────────────────────


def installed(root: Path, **extra: object) -> tuple[Model, Header]:
    shelf = Shelf(root)
    shelf.add("m", ("model", ggufs.model(**extra)))
    model = ModelStore(root).find(ModelName.parse("m"))
    assert model.weights is not None
    return model, gguf.read(model.weights)


@pytest.fixture
def subject(tmp_path: Path) -> tuple[Model, Header]:
    """A model trained for 2048 tokens: 2 blocks, 4 KV heads of width 8."""
    return installed(tmp_path)


def planned(
    subject: tuple[Model, Header],
    *,
    shift: bool | None = None,
    embedding: bool = False,
    chosen: Settings = Settings(),  # noqa: B008  # frozen
    ram: int = 64 * GB,
    processor: Processor = PROCESSOR,
    **options: int | bool,
) -> Wish:
    here = Circumstances(chosen, Hardware(Memory(ram, ram), processor))
    return wish(*subject, shape_of(*subject), LoadOptions(**options), shift, embedding, here)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("trained", "asked", "environment", "window"),
    [
        (2048, 512, 0, 512),
        (2048, 2048, 0, 2048),
        (2048, 2049, 0, 2048),
        (2048, 0, 0, 2048),
        (131072, 0, 0, DEFAULT_WINDOW),
        (131072, 0, 8192, 8192),
        (131072, 16384, 8192, 16384),
        (131072, 1 << 40, 8192, 131072),
        (2048, 1, 0, 4),
        (2048, -5, 0, 4),
        (2048, 0, 1, 4),
        (2, 512, 0, 4),
        (0, 512, 0, 512),
        (0, 0, 0, DEFAULT_WINDOW),
    ],
)
def test_the_window_is_what_was_asked_but_no_longer_than_trained_and_at_least_four(
    tmp_path: Path, trained: int, asked: int, environment: int, window: int
) -> None:
    subject = installed(tmp_path, llama__context_length=trained)
    found = planned(subject, chosen=Settings(context_length=environment), num_ctx=asked)
    assert found.plan.window == window


@pytest.mark.parametrize(
    ("kind", "options", "window", "batch"),
    [
        ("mlp", {}, DEFAULT_WINDOW, 128),
        ("mlp", {"num_ctx": 512, "num_batch": 64}, 2048, 64),
        ("gemma3", {"num_ctx": 8192}, 8192, 256),
        ("gemma4v", {"num_batch": 2000}, DEFAULT_WINDOW, 2000),
    ],
)
def test_a_model_that_sees_has_room_for_a_picture(
    tmp_path: Path, kind: str, options: dict[str, int], window: int, batch: int
) -> None:
    projector = ggufs.build({"general.architecture": "clip", "clip.projector_type": kind})
    weights = ggufs.model(llama__context_length=131072)
    Shelf(tmp_path).add("m", ("model", weights), ("projector", projector))
    model = ModelStore(tmp_path).find(ModelName.parse("m"))
    assert model.weights is not None
    header, seen = gguf.read(model.weights), (gguf.read(model.projectors[0]),)
    here = Circumstances(Settings(), Hardware(Memory(64 * GB, 64 * GB), PROCESSOR))
    chosen = (shape_of(model, header), LoadOptions(**options), None)
    plan = wish(model, header, *chosen, False, here, seen).plan
    assert (plan.window, plan.batch, plan.projectors) == (window, batch, model.projectors)
    assert wish(model, header, *chosen, True, here, seen).plan.projectors == ()  # to embed texts


def test_four_requests_share_an_engine_where_nobody_says_how_many(subject: tuple[Model, Header]) -> None:
    assert planned(subject).plan.slots == 4


def test_two_do_where_memory_is_short(subject: tuple[Model, Header]) -> None:
    four = planned(subject)
    beside_weights = four.memory - subject[1].file_size
    assert planned(subject, ram=beside_weights * 4).plan.slots == 4
    short = planned(subject, ram=beside_weights * 4 - 4)
    assert short.plan.slots == 2
    assert short.memory < four.memory


@pytest.mark.parametrize("asked", [1, 3, 16])
def test_the_user_has_the_last_word_on_slots_however_short_memory_is(
    subject: tuple[Model, Header], asked: int
) -> None:
    assert planned(subject, chosen=Settings(num_parallel=asked), ram=1).plan.slots == asked


def test_the_options_of_a_request_and_the_settings_reach_the_plan(subject: tuple[Model, Header]) -> None:
    plan = planned(
        subject,
        chosen=Settings(flash_attention=False, kv_cache_type="q8_0"),
        shift=False,
        num_batch=32,
        num_gpu=5,
        main_gpu=1,
        use_mmap=False,
        num_thread=3,
    ).plan
    assert (plan.batch, plan.gpu_layers, plan.main_gpu, plan.mmap, plan.threads) == (32, 5, 1, False, 3)
    assert (plan.flash_attention, plan.kv_type, plan.shift) == (False, "q8_0", False)
    assert plan.weights == subject[0].weights


@pytest.mark.parametrize("asked", [0, -1])
def test_a_batch_that_is_no_number_of_tokens_counts_as_unsaid(
    subject: tuple[Model, Header], asked: int
) -> None:
    assert planned(subject, num_batch=asked).plan.batch == planned(subject).plan.batch > 0


@pytest.mark.parametrize(
    ("cores", "asked", "threads"), [(4, 0, 0), (3, 0, 3), (1, 0, 1), (3, 8, 8), (4, 2, 2)]
)
def test_an_engine_that_may_not_use_every_core_is_told_how_many_it_has(
    subject: tuple[Model, Header], cores: int, asked: int, threads: int
) -> None:
    within = replace(PROCESSOR, cores=cores)
    assert planned(subject, processor=within, num_thread=asked).plan.threads == threads


@pytest.mark.parametrize("asked", [-1, -2, -99])
def test_any_negative_number_of_layers_means_as_many_as_fit(
    subject: tuple[Model, Header], asked: int
) -> None:
    assert planned(subject, num_gpu=asked).plan.gpu_layers == -1


def test_a_model_of_deepseek2_is_not_shifted_unless_somebody_insists(tmp_path: Path) -> None:
    deepseek = installed(tmp_path / "d", general__architecture="deepseek2", deepseek2__context_length=2048)
    llama = installed(tmp_path / "l")
    assert planned(llama).plan.shift is True
    assert planned(deepseek).plan.shift is False
    assert planned(deepseek, shift=True).plan.shift is True


def test_an_embedding_is_computed_in_one_step_and_has_a_runner_of_its_own(
    subject: tuple[Model, Header],
) -> None:
    asked, chat = planned(subject, embedding=True), planned(subject)
    assert asked.plan.embedding
    assert asked.plan.batch == asked.plan.window == 2048
    assert asked.key != chat.key
    assert (asked.key.weights, asked.key.embedding, chat.key.embedding) == (chat.key.weights, True, False)


def test_the_step_of_an_embedding_is_bounded(tmp_path: Path) -> None:
    long = installed(tmp_path, llama__context_length=131072)
    assert planned(long, embedding=True, num_ctx=100_000).plan.window == 8192
    assert planned(long, num_ctx=100_000).plan.window == 100_000


def test_a_model_that_is_no_embedder_gives_the_mean(tmp_path: Path) -> None:
    chat_model = installed(tmp_path / "c")
    embedder = installed(tmp_path / "e", llama__pooling_type=2)
    assert planned(chat_model, embedding=True).plan.pooling == "mean"
    assert planned(embedder, embedding=True).plan.pooling == ""
    assert planned(chat_model).plan.pooling == ""


def test_the_estimate_is_that_of_the_plan_with_every_file_of_the_model(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.add("m", ("model", ggufs.model()), ("adapter", b"a" * 1000))
    model = ModelStore(tmp_path).find(ModelName.parse("m"))
    assert model.weights is not None
    header = gguf.read(model.weights)
    found = planned((model, header))
    shape = Shape(header.file_size + 1000, 2 * 4 * (8 + 8), 64, 600)
    assert found.memory == memory(shape, found.plan)
    assert [path.stat().st_size for path in found.plan.adapters] == [1000]


def test_layers_with_unequal_heads_are_counted_one_by_one(tmp_path: Path) -> None:
    even = installed(tmp_path / "e")
    uneven = installed(tmp_path / "u", llama__attention__head_count_kv=[4, 1])
    less = planned(even).memory - planned(uneven).memory
    assert less >= 3 * (8 + 8) * planned(even).plan.capacity * 2 - 64  # the headers differ by some bytes


def test_a_model_without_weights_is_refused(tmp_path: Path) -> None:
    Shelf(tmp_path).add("m", ("params", b"{}"))
    model = ModelStore(tmp_path).find(ModelName.parse("m"))
    header = Header(3, {}, (), 0, 0)
    with pytest.raises(Unsupported, match="m:latest has no GGUF weights"):
        planned((model, header))
