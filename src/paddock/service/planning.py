"""From a model's header and the options of a request to the plan of its engine: a pure function."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from paddock.engines.estimate import Shape, memory
from paddock.engines.hardware import Hardware
from paddock.engines.launch import Plan
from paddock.errors import Unsupported
from paddock.formats.gguf import Header
from paddock.options import LoadOptions
from paddock.scheduler.policy import Key, Wish
from paddock.settings import Settings
from paddock.store.models import Model

#: Tokens of context where nobody says: Ollama's figure for a machine without a large GPU.
DEFAULT_WINDOW = 4096
#: Prompt tokens read in one step. Larger steps are no faster on a CPU, and while one is read every other
#: stream of the model stands still.
CPU_BATCH = 128
#: An embedding is computed in one step, so this bounds the tokens of a text to embed.
_LARGEST_EMBEDDING_STEP = 8192
_SLOTS = 4
_SLOTS_WHEN_SHORT_OF_MEMORY = 2


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What every plan depends on besides the model."""

    settings: Settings
    hardware: Hardware


def wish(
    model: Model,
    header: Header,
    options: LoadOptions,
    shift: bool | None,
    embedding: bool,
    here: Circumstances,
) -> Wish:
    """What to ask the pool for, so that `model` can serve a request with these options."""
    weights = model.weights
    if weights is None:
        raise Unsupported(f"{model.name.short} has no GGUF weights that could be run here", "completion")
    window = _window(header, options, here.settings)
    if embedding:
        window = min(window, _LARGEST_EMBEDDING_STEP)
    shape = _shape(header, (weights, *model.projectors, *model.adapters))

    def plan(slots: int) -> Plan:
        return Plan(
            weights=weights,
            window=window,
            slots=slots,
            batch=window if embedding else _batch(options),
            threads=options.num_thread,
            gpu_layers=options.num_gpu,
            main_gpu=None if (options.main_gpu or 0) < 0 else options.main_gpu,
            mmap=options.use_mmap,
            shift=header.architecture != "deepseek2" if shift is None else shift,
            embedding=embedding,
            pooling="mean" if embedding and header.pooling_type is None else "",
            flash_attention=here.settings.flash_attention,
            kv_type=here.settings.kv_cache_type,
            projectors=model.projectors,
            adapters=model.adapters,
        )

    chosen = plan(here.settings.num_parallel or _SLOTS)
    if not here.settings.num_parallel and memory(shape, chosen) - shape.weights > here.hardware.memory // 4:
        chosen = plan(_SLOTS_WHEN_SHORT_OF_MEMORY)
    return Wish(Key(weights.name, embedding), chosen, memory(shape, chosen))


def _window(header: Header, options: LoadOptions, settings: Settings) -> int:
    asked = options.num_ctx or settings.context_length or DEFAULT_WINDOW
    return max(4, min(asked, header.context_length or asked))


def _batch(options: LoadOptions) -> int:
    asked = options.num_batch or 0
    return asked if asked > 0 else CPU_BATCH


def _shape(header: Header, files: tuple[Path, ...]) -> Shape:
    heads = header.head_counts_kv
    in_all = heads[0] * header.block_count if len(heads) == 1 else sum(heads)
    return Shape(
        weights=sum(path.stat().st_size for path in files),
        kv_width=in_all * (header.key_length + header.value_length),
        embedding=header.embedding_length,
        vocabulary=header.vocabulary,
    )
