"""How much memory a loaded model will want, from its header and its plan.

Weights as they lie in the file, a key and a value row a token, layer and KV head, and working buffers.
Good enough to decide who stays beside whom, and how many layers go on a GPU; the engine's own figures
come with a later issue.
"""

from __future__ import annotations

from dataclasses import dataclass

from paddock.engines.launch import Demand, Plan

_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.0625, "q5_1": 0.75, "q5_0": 0.6875, "q4_1": 0.625}
_BYTES |= {"q4_0": 0.5625}
#: What an engine's process takes before any model: code, vocabulary, HTTP threads.
_PROCESS = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Layer:
    """One transformer block: bytes of weights, and elements of one key and one value row together."""

    weights: int
    kv_width: int


@dataclass(frozen=True, slots=True)
class Shape:
    """The figures of a model that memory depends on. `weights` are bytes; `kv_width` is the elements of
    one key and one value row together, summed over all layers.

    The rest matters where there are GPUs: the layers one by one, the bytes of the output layer, those it
    shares with the input (`tied`), which the machine's memory holds too, and those of `companions`:
    projectors and adapters.
    """

    weights: int
    kv_width: int
    embedding: int
    vocabulary: int
    layers: tuple[Layer, ...] = ()
    output: int = 0
    tied: int = 0
    companions: int = 0


def memory(shape: Shape, plan: Plan) -> int:
    """Bytes a runner of this plan is expected to take, on the machine and on GPUs together."""
    kv = shape.kv_width * plan.capacity * _element(plan)
    return int(shape.weights + kv) + _working(shape, plan) + _PROCESS


def demand(shape: Shape, plan: Plan, spread: bool) -> Demand:
    """The same by its parts, as far as they can go on a GPU."""
    tokens = _element(plan) * plan.capacity
    return Demand(
        layers=tuple(int(layer.weights + layer.kv_width * tokens) for layer in shape.layers),
        output=shape.output + shape.tied,
        copied=shape.tied,
        besides=_working(shape, plan) + shape.companions,
        spread=spread,
    )


def _element(plan: Plan) -> float:
    """Bytes of one number in the cache of keys and values."""
    return _BYTES.get(plan.kv_type or "f16", 2.0)


def _working(shape: Shape, plan: Plan) -> int:
    # One step computes `batch` rows of activations and, at worst, as many rows of logits.
    return plan.batch * (shape.embedding * 32 + shape.vocabulary * 4)
