"""From texts to vectors: what an engine can take in, and what becomes of what it gives back."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence

from paddock.errors import EmbeddingNotFinite, InputTooLong
from paddock.messages import EmbedRequest
from paddock.scheduler.pool import Lease

log = logging.getLogger(__name__)


async def embeddable(tokens: tuple[int, ...], request: EmbedRequest, lease: Lease) -> tuple[int, ...]:
    """Of a text's tokens as many as can be embedded. Raises InputTooLong where cutting is forbidden."""
    # The engine refuses to embed nothing; a mark of the beginning stands for an empty text.
    tokens = tokens or await lease.runner.tokenize(lease.runner.abilities.bos)
    limit = lease.plan.window
    if len(tokens) <= limit:
        return tokens
    if not request.truncate:
        raise InputTooLong(len(tokens), limit)
    log.warning("%s: a text to embed was cut from %d to %d tokens", request.model, len(tokens), limit)
    return (*tokens[: limit - 1], tokens[-1])  # the last one may be the end mark the model was trained with


async def vectors(inputs: Sequence[tuple[int, ...]], lease: Lease, client: str) -> list[tuple[float, ...]]:
    """The vector of each text, in order: as many at a time as the engine has slots, so that a long list
    does not fill the queue all by itself."""
    left, found = iter(enumerate(inputs)), dict[int, tuple[float, ...]]()

    async def work() -> None:
        for number, tokens in left:
            async with lease.slot(len(tokens), client):
                found[number] = await lease.runner.embed(tokens)

    tasks = [asyncio.create_task(work()) for _ in range(lease.plan.slots)]
    try:
        await asyncio.gather(*tasks)
    finally:  # one failing text fails the call, and must not leave the others at work
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return [found[number] for number in range(len(inputs))]


def cut(vector: tuple[float, ...], dimensions: int) -> tuple[float, ...]:
    """The first `dimensions` of a vector, made a unit vector again; 0 leaves it whole. Raises
    EmbeddingNotFinite."""
    if not all(map(math.isfinite, vector)):
        raise EmbeddingNotFinite
    if not 0 < dimensions < len(vector):
        return vector
    kept = vector[:dimensions]
    length = math.sqrt(sum(x * x for x in kept)) or 1.0
    return tuple(x / length for x in kept)
