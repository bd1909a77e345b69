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
    """Tokens a second: read, written by one stream, written by `STREAMS` together. No figure of writing
    counts the time a prompt takes."""

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
    long = (await _complete(runner, prompt(_PROMPT), 1)).end
    alone = (await _complete(runner, prompt(16), _WRITTEN)).end
    crowd = await asyncio.gather(*(_complete(runner, prompt(16), _WRITTEN) for _ in range(STREAMS)))
    reading, writing = _rate(_PROMPT, long.prompt_ns), _rate(alone.output_tokens, alone.output_ns)
    return Speed(reading, writing, together(crowd))


@dataclass(frozen=True, slots=True)
class Stream:
    """A whole answer: the seconds on the clock at which its pieces came, and how it ended."""

    moments: tuple[float, ...]
    end: End


def together(streams: Sequence[Stream]) -> float:
    """Tokens a second while every stream was being written, as one stream's figure knows no prompt either:
    from when the last of them began until the first of them ended. 0 where they never ran side by side."""
    begun = max(stream.moments[0] for stream in streams)
    ended = min(stream.moments[-1] for stream in streams)
    if ended <= begun:
        return 0.0
    return sum(_within(stream, begun, ended) for stream in streams) / (ended - begun)


def _within(stream: Stream, begun: float, ended: float) -> float:
    """Its tokens after `begun` and up to `ended`. A piece may hold more than one: on the average as many."""
    pieces = sum(begun < moment <= ended for moment in stream.moments)
    return stream.end.output_tokens * pieces / len(stream.moments)


async def _complete(runner: Runner, tokens: tuple[int, ...], predict: int) -> Stream:
    pieces = [
        (time.monotonic(), piece)
        async for piece in runner.complete(Completion(tokens, _GREEDY, predict, endless=True))
    ]
    (end,) = (piece.end for _, piece in pieces if piece.end is not None)
    return Stream(tuple(moment for moment, piece in pieces if piece.text) or (pieces[-1][0],), end)


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
