"""Engines beside each other, on the 1B shape with random weights: what compiling for this machine brings.

    paddock engine build                        # once
    python -m benchmarks.engines --markdown engines.md

Every engine that can be used here takes its turn, round after round, in one run. The exit status is 0 when
the engine in use meets its targets beside the bundled one, 1 when it misses one, 2 when there is only one.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import random_model
from paddock import settings
from paddock.engines import installed
from paddock.engines.speed import STREAMS, Speed
from paddock.machine import engines

READING, WRITING, TOGETHER = 1.5, 1.0, 2.5


def measured(weights: Path, rounds: int) -> dict[str, Speed]:
    """Every usable engine's figures."""
    return engines.compare(settings.read(os.environ), os.environ, weights, rounds, print)[1]


def table(speeds: dict[str, Speed]) -> str:
    """The figures in Markdown, each beside the bundled engine's."""
    plain = speeds[installed.BUNDLED]
    lines = [
        "| engine, tokens a second (beside the bundled one) | prompt | one stream "
        f"| {STREAMS} streams | {STREAMS} streams beside one |",
        "|---|---|---|---|---|",
    ]
    for name, seen in speeds.items():
        cells = (
            f"{seen.reading:.0f} ({seen.reading / plain.reading:.2f})",
            f"{seen.writing:.1f} ({seen.writing / plain.writing:.2f})",
            f"{seen.together:.1f} ({seen.together / plain.together:.2f})",
            f"{seen.together / seen.writing:.2f}",
        )
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def missed(plain: Speed, ours: Speed) -> list[str]:
    """Every target that is missed, in words."""
    said = (
        ("prompt speed beside the bundled engine", ours.reading / plain.reading, READING),
        ("writing speed beside the bundled engine", ours.writing / plain.writing, WRITING),
        (f"{STREAMS} streams beside one", ours.together / ours.writing, TOGETHER),
    )
    return [f"{what}: {seen:.2f}, wanted {wanted}" for what, seen, wanted in said if seen < wanted]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cache", type=Path, default=random_model.cache_directory())
    parser.add_argument("--markdown", type=Path, help="write the table there")
    given = parser.parse_args()
    speeds = measured(random_model.cached(given.cache, random_model.SHAPES["1b"]), given.rounds)
    print("\n" + table(speeds))
    if given.markdown:
        given.markdown.write_text(table(speeds))
    others = [name for name in speeds if name != installed.BUNDLED]
    if not others:
        print("there is only the bundled engine: 'paddock engine build' makes another one")
        return 2
    sentences = missed(speeds[installed.BUNDLED], speeds[others[0]])
    print("\n".join(f"missed: {sentence}" for sentence in sentences) or "every target is met")
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
