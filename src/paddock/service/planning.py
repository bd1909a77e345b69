"""From a model's header and the options of a request to the plan of its engine: a pure function."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from paddock.engines.estimate import Layer, Shape, demand, memory
from paddock.engines.gpus import Gpu, usable
from paddock.engines.hardware import Hardware
from paddock.engines.launch import Plan
from paddock.engines.placement import moved, placed
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
#: A GPU reads 512 as quickly as it reads 128, and needs that many to be busy.
GPU_BATCH = 512
#: An embedding is computed in one step, so this bounds the tokens of a text to embed.
_LARGEST_EMBEDDING_STEP = 8192
#: A picture has hundreds of tokens, so a smaller window would seldom hold one (Ollama's figure).
_LEAST_WINDOW_FOR_MEDIA = 2048
#: Projectors whose pictures are read in one step, every token seeing all the others, and the most tokens a
#: picture can have: read in several steps it would be seen in pieces.
_AT_ONCE = {"gemma3": 256, "gemma4v": 1120, "gemma4uv": 1120, "deepseek4v": 384}
_SLOTS = 4
#: More threads than ggml can count and more layers than any model has are not worth a failed load.
_MOST_THREADS = 512
_MOST_LAYERS = 10_000
_SLOTS_WHEN_SHORT_OF_MEMORY = 2
_BLOCK = re.compile(r"(?:enc\.|dec\.)?blk\.([0-9]{1,6})\.")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What every plan depends on besides the model. `backend` is what the engine computes with: `cpu`, or
    one of those that GPUs have."""

    settings: Settings
    hardware: Hardware
    backend: str = "cpu"


def wish(
    model: Model,
    header: Header,
    shape: Shape,
    options: LoadOptions,
    shift: bool | None,
    embedding: bool,
    here: Circumstances,
    projectors: Sequence[Header] = (),
) -> Wish:
    """What to ask the pool for, so that `model` can serve a request with these options. `shape` is that of
    `shape_of`, which every request would otherwise work out anew; `projectors` are the headers of its.

    The memory of the wish is what the machine's own memory has to hold: what a GPU takes off it is not
    counted, as far as the GPUs had room when `here` was looked at. How full they are when the model is
    loaded is for `placement.placed` to say; models do not yet make way for each other on GPUs.

    Raises Unsupported, and BadOption where main_gpu names a GPU that is not there.
    """
    weights = model.weights
    if weights is None:
        raise Unsupported(f"{model.name.short} has no GGUF weights that could be run here", "completion")
    least = _LEAST_WINDOW_FOR_MEDIA if model.projectors and not embedding else 4
    window = _window(header, options, here.settings, least)
    if embedding:
        window = min(window, _LARGEST_EMBEDDING_STEP)
    gpus = usable(here.hardware.gpus, here.backend) if options.num_gpu else ()
    at_once = max((_AT_ONCE.get(projector.sight, 0) for projector in projectors), default=0)

    def plan(slots: int) -> Plan:
        return Plan(
            weights=weights,
            window=window,
            slots=slots,
            # In one step every slot may write a token; an engine with less room than that aborts.
            batch=max(window if embedding else max(_batch(options, gpus, window), at_once), slots),
            threads=_threads(options, here.hardware),
            gpu_layers=max(min(options.num_gpu, _MOST_LAYERS), -1),
            main_gpu=None if (options.main_gpu or 0) < 0 else options.main_gpu,
            mmap=options.use_mmap,
            shift=header.architecture != "deepseek2" if shift is None else shift,
            embedding=embedding,
            pooling="mean" if embedding and header.pooling_type is None else "",
            flash_attention=here.settings.flash_attention,
            kv_type=here.settings.kv_cache_type,
            projectors=() if embedding else model.projectors,
            adapters=model.adapters,
        )

    chosen = plan(here.settings.num_parallel or _SLOTS)
    in_all = sum(gpu.total for gpu in gpus) or here.hardware.memory.total
    if not here.settings.num_parallel and memory(shape, chosen) - shape.weights > in_all // 4:
        chosen = plan(_SLOTS_WHEN_SHORT_OF_MEMORY)
    if gpus:
        chosen = replace(chosen, demand=demand(shape, chosen, here.settings.sched_spread))
    return Wish(Key(weights.name, embedding), chosen, memory(shape, chosen) - _elsewhere(chosen, gpus))


def _elsewhere(plan: Plan, gpus: Sequence[Gpu]) -> int:
    """Bytes of the model that the machine's own memory does not hold."""
    return 0 if any(gpu.unified for gpu in gpus) else moved(placed(plan, gpus))


def _threads(options: LoadOptions, hardware: Hardware) -> int:
    """As many as were asked for, or as there are cores, where an engine that counts by itself would count
    too many: it sees neither the quota of a container nor an affinity. 0: let it count."""
    if options.num_thread > 0:
        return min(options.num_thread, _MOST_THREADS)
    processor = hardware.processor
    return processor.cores if processor.cores < processor.installed else 0


def _window(header: Header, options: LoadOptions, settings: Settings, least: int) -> int:
    asked = max(options.num_ctx or settings.context_length or DEFAULT_WINDOW, least)
    return max(4, min(asked, header.context_length or asked))


def _batch(options: LoadOptions, gpus: Sequence[Gpu], window: int) -> int:
    asked = options.num_batch or 0
    return min(asked if asked > 0 else GPU_BATCH if gpus else CPU_BATCH, window)


def shape_of(model: Model, header: Header) -> Shape:
    """The figures of a model that memory depends on, from its header and the sizes of its files."""
    weights, companions = (
        sum(path.stat().st_size for path in files)
        for files in ((model.weights,) if model.weights else (), (*model.projectors, *model.adapters))
    )
    heads, width = header.head_counts_kv, header.key_length + header.value_length
    blocks, others = Counter[int](), Counter[str]()
    for tensor, size in header.sizes():
        if found := _BLOCK.match(tensor.name):
            blocks[int(found[1])] += size
        else:
            others[tensor.name.partition(".")[0]] += size

    def kv(block: int) -> int:
        return width * (heads[block] if block < len(heads) else heads[0] if len(heads) == 1 else 0)

    return Shape(
        weights=weights + companions,
        kv_width=width * (heads[0] * header.block_count if len(heads) == 1 else sum(heads)),
        embedding=header.embedding_length,
        vocabulary=header.vocabulary,
        layers=tuple(Layer(blocks[block], kv(block)) for block in sorted(blocks)),
        output=others["output"] + others["output_norm"],
        # A model without an output of its own uses the table of its input once more.
        tied=0 if others["output"] else others["token_embd"],
        companions=companions,
    )
