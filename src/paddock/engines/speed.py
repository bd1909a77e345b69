"""How fast engines are, side by side: prompt tokens read a second, tokens written by one stream and by many.

The engines take turns, round after round, so that a machine that is busy for a while is busy for all of them;
of each figure the median is kept. Every prompt is new to the engine: nothing comes from its cache.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median

from paddock.engines.launch import Plan
from paddock.engines.launcher import Launcher
from paddock.engines.runner import Completion, End, Runner
from paddock.options import Sampling

STREAMS = 16
_PROMPT = 512
_WRITTEN = 64
_GREEDY = Sampling(temperature=0.0, top_k=1, seed=1)


@dataclass(frozen=True, slots=True)
class Speed:
    """Tokens a second: read, written by one stream, written by `STREAMS` together."""

    reading: float
    writing: float
    together: float


async def compare(
    launchers: Mapping[str, Launcher], weights: Path, rounds: int, say: Callable[[str], None]
) -> dict[str, Speed]:
    """Measure every engine with the model `weights`; raises what an engine raises."""
    plan = Plan(weights, window=1024, slots=STREAMS, shift=False)
    seen: dict[str, list[Speed]] = {name: [] for name in launchers}
    for turn in range(rounds):
        for name, launcher in launchers.items():
            say(f"round {turn + 1} of {rounds}: {name}")
            engine = await launcher.start(plan)
            try:
                seen[name].append(await measure(engine.runner, Random(f"speed {turn}")))
            finally:
                await engine.stop()
    return {name: _middle(speeds) for name, speeds in seen.items()}


async def measure(runner: Runner, rng: Random) -> Speed:
    """The three figures of one loaded engine."""
    vocabulary = await runner.tokenize(_WORDS, special=False)

    def prompt(length: int) -> tuple[int, ...]:
        return tuple(rng.choices(vocabulary, k=length))

    await _complete(runner, prompt(32), 4)  # the first answer warms what is warmed once
    long = await _complete(runner, prompt(_PROMPT), 1)
    alone = await _complete(runner, prompt(16), _WRITTEN)
    begun = time.monotonic()
    ends = await asyncio.gather(*(_complete(runner, prompt(16), _WRITTEN) for _ in range(STREAMS)))
    together = sum(end.output_tokens for end in ends) / (time.monotonic() - begun)
    return Speed(_rate(_PROMPT, long.prompt_ns), _rate(alone.output_tokens, alone.output_ns), together)


async def _complete(runner: Runner, tokens: tuple[int, ...], predict: int) -> End:
    ends = [
        piece.end
        async for piece in runner.complete(Completion(tokens, _GREEDY, predict, endless=True))
        if piece.end is not None
    ]
    return ends[0]


def _rate(tokens: int, nanoseconds: int) -> float:
    return tokens / nanoseconds * 1e9 if nanoseconds else 0.0


def _middle(speeds: Sequence[Speed]) -> Speed:
    return Speed(
        median(speed.reading for speed in speeds),
        median(speed.writing for speed in speeds),
        median(speed.together for speed in speeds),
    )


#: Something whose tokens any vocabulary has; the prompts are drawn from them.
_WORDS = (
    "the sea was calm and a small boat went out to look for fish while the people of the town slept and the "
    "wind turned slowly from north to west over hills that nobody had ever given a name"
)
