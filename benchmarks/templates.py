"""How long a Go template takes to make a prompt of a hundred messages.

    python -m benchmarks.templates

The templates are those of the families in tests/data/families. The exit status is 0 when every median is
below the target, else 1.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

from paddock.messages import Message
from paddock.prompts.templated import GoFormat

FAMILIES = Path(__file__).parent.parent / "tests" / "data" / "families"
MESSAGES, ROUNDS, TARGET_MS = 100, 100, 5.0


def conversation() -> list[Message]:
    """A system prompt and questions and answers of some three hundred characters each."""
    turns = [
        Message(("user", "assistant")[number % 2], f"This is turn {number}, and it says a little. " * 8)
        for number in range(MESSAGES - 1)
    ]
    return [Message("system", "Be brief."), *turns]


def milliseconds(source: str, tools: list[dict[str, object]]) -> tuple[float, float]:
    """To read the template, and the median of rendering it."""
    begun = time.perf_counter()
    format_ = GoFormat.parse(source)
    read, taken = time.perf_counter() - begun, []
    messages = conversation()
    for _ in range(ROUNDS):
        begun = time.perf_counter()
        format_.conversation(messages, tools, None)
        taken.append(time.perf_counter() - begun)
    return read * 1e3, statistics.median(taken) * 1e3


def main() -> int:
    """Prints a table; the exit status."""
    tools = json.loads((FAMILIES / "mistral" / "conversation.json").read_text())["tools"]
    print(f"| template | read, ms | {MESSAGES} messages, ms |\n|---|---|---|")
    slowest = 0.0
    for place in sorted(FAMILIES.iterdir()):
        read, rendered = milliseconds((place / "template.gotmpl").read_text(encoding="utf-8"), tools)
        print(f"| {place.name} | {read:.1f} | {rendered:.2f} |")
        slowest = max(slowest, rendered)
    return int(slowest > TARGET_MS)


if __name__ == "__main__":
    sys.exit(main())
