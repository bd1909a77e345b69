"""From rounds to figures, from figures to verdicts and tables: pure functions.

A contestant is compared with the reference of the same round, because a machine drifts: the figure is
the median over the rounds of that comparison. CPU is the sum over all rounds divided by the tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

ENGINE, PROXY = "engine", "copying proxy"

#: The targets, on the judged model.
LEAST_SPEED = 0.97
MOST_ADDED_MS = 5.0
MOST_CPU = 1.5


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked: so many streams at once, prompts and answers of so many tokens, so many rounds.

    `first` says that the load is there for the time to the first token, and is judged by nothing else.
    """

    streams: int
    prompt: int
    output: int
    rounds: int
    first: bool = False


@dataclass(frozen=True, slots=True)
class Round:
    """One wave: output tokens, seconds until the last byte, seconds to each stream's first text, and
    the server's CPU seconds (0 for the engine, which has no server)."""

    tokens: int
    seconds: float
    firsts: tuple[float, ...]
    cpu: float


@dataclass(frozen=True, slots=True)
class Row:
    """A contestant's figures under one load. Ratios and differences are to the engine spoken to directly;
    `cpu_ratio` is to the copying proxy."""

    who: str
    tokens_per_second: float
    speed: float
    first_ms: float
    added_ms: float
    cpu_us_a_token: float
    cpu_ms_a_request: float
    cpu_ratio: float


@dataclass(frozen=True, slots=True)
class Table:
    """All contestants under one load on one model."""

    model: str
    judged: bool
    load: Load
    rows: tuple[Row, ...]


def table(model: str, judged: bool, load: Load, rounds: Mapping[str, Sequence[Round]]) -> Table:
    """The figures of one load, from the rounds of each contestant."""
    engine, proxy = rounds[ENGINE], rounds[PROXY]
    return Table(model, judged, load, tuple(_row(who, seen, engine, proxy) for who, seen in rounds.items()))


def _row(who: str, seen: Sequence[Round], engine: Sequence[Round], proxy: Sequence[Round]) -> Row:
    pairs = list(zip(seen, engine, strict=True))
    return Row(
        who=who,
        tokens_per_second=median(each.tokens / each.seconds for each in seen),
        speed=median(ours.tokens / ours.seconds / (bare.tokens / bare.seconds) for ours, bare in pairs),
        first_ms=median(first for each in seen for first in each.firsts) * 1e3,
        added_ms=median(median(ours.firsts) - median(bare.firsts) for ours, bare in pairs) * 1e3,
        cpu_us_a_token=_cpu_a_token(seen) * 1e6,
        cpu_ms_a_request=sum(each.cpu for each in seen) / sum(len(each.firsts) for each in seen) * 1e3,
        cpu_ratio=_cpu_a_token(seen) / _cpu_a_token(proxy),
    )


def _cpu_a_token(seen: Sequence[Round]) -> float:
    return sum(each.cpu for each in seen) / sum(each.tokens for each in seen)


def missed(tables: Sequence[Table]) -> Iterator[str]:
    """A sentence for every target that was not met."""
    for each in (each for each in tables if each.judged):
        for row in (row for row in each.rows if row.who not in (ENGINE, PROXY)):
            where = f"{each.model}, {_streams(each.load)}, {row.who}"
            if each.load.first:
                if row.added_ms > MOST_ADDED_MS:
                    yield f"{where}: {row.added_ms:.1f} ms added to the first token, over {MOST_ADDED_MS:g}"
                continue
            if row.speed < LEAST_SPEED:
                yield f"{where}: {row.speed:.3f} of the engine's tokens per second, under {LEAST_SPEED:g}"
            if row.cpu_ratio > MOST_CPU:
                yield f"{where}: {row.cpu_ratio:.2f} times the copying proxy's CPU, over {MOST_CPU:g}"


def as_json(tables: Sequence[Table]) -> list[dict[str, Any]]:
    """The same figures for a program to read."""
    return [asdict(each) for each in tables]


def markdown(tables: Sequence[Table]) -> str:
    """The tables as they stand in docs/benchmarks.md."""
    parts: list[str] = []
    for model in dict.fromkeys(each.model for each in tables):
        ours = [each for each in tables if each.model == model]
        judged = "" if ours[0].judged else " (reported, not judged)"
        parts += [f"### `{model}`{judged}", ""]
        for each in ours:
            parts += [*(_first_tokens(each) if each.load.first else _answers(each)), ""]
    return "\n".join(parts)


def _answers(each: Table) -> Iterator[str]:
    load = each.load
    sizes = f"prompts of {load.prompt} tokens, answers of {load.output}"
    yield f"{_streams(load)}, {sizes}; {load.rounds} rounds:"
    yield ""
    yield "| | tokens/s | of the engine | first token, ms | server CPU, µs a token | of the proxy |"
    yield "|---|---:|---:|---:|---:|---:|"
    for row in each.rows:
        cpu = ("", "") if row.who == ENGINE else (f"{row.cpu_us_a_token:.0f}", f"{row.cpu_ratio:.2f}")
        yield (
            f"| {row.who} | {row.tokens_per_second:.1f} | {row.speed:.3f} | {row.first_ms:.0f} "
            f"| {cpu[0]} | {cpu[1]} |"
        )


def _first_tokens(each: Table) -> Iterator[str]:
    load = each.load
    yield f"First token alone, {_streams(load)}, prompts of {load.prompt} tokens; {load.rounds} rounds:"
    yield ""
    yield "| | first token, ms | added, ms | server CPU, ms a request |"
    yield "|---|---:|---:|---:|"
    for row in each.rows:
        added = "" if row.who == ENGINE else f"{row.added_ms:+.1f}"
        cpu = "" if row.who == ENGINE else f"{row.cpu_ms_a_request:.2f}"
        yield f"| {row.who} | {row.first_ms:.1f} | {added} | {cpu} |"


def _streams(load: Load) -> str:
    return "1 stream" if load.streams == 1 else f"{load.streams} streams"
