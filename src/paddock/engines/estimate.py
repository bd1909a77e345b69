"""How much memory a loaded model will want, from its header and its plan.

Weights as they lie in the file, a key and a value row a token, layer and KV head, and working buffers.
Good enough to decide who stays beside whom; the engine's own figures come with a later issue.
"""

from __future__ import annotations

from dataclasses import dataclass

from paddock.engines.launch import Plan

_BYTES = {"f32": 4.0, "f16": 2.0, "bf16": 2.0, "q8_0": 1.0625, "q5_1": 0.75, "q5_0": 0.6875, "q4_1": 0.625}
_BYTES |= {"q4_0": 0.5625}
#: What an engine's process takes before any model: code, vocabulary, HTTP threads.
_PROCESS = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Shape:
    """The figures of a model that memory depends on. `weights` are bytes; `kv_width` is the elements of
    one key and one value row together, summed over all layers."""

    weights: int
    kv_width: int
    embedding: int
    vocabulary: int


def memory(shape: Shape, plan: Plan) -> int:
    """Bytes a runner of this plan is expected to take."""
    kv = shape.kv_width * plan.capacity * _BYTES.get(plan.kv_type or "f16", 2.0)
    # One step computes `batch` rows of activations and, at worst, as many rows of logits.
    working = plan.batch * (shape.embedding * 32 + shape.vocabulary * 4)
    return int(shape.weights + kv + working + _PROCESS)
