"""What a splitter hands out, and what every splitter can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from paddock.messages import ToolCall


@dataclass(frozen=True, slots=True)
class Said:
    """What a piece of text amounted to: a thought, then an answer, then calls."""

    thinking: str = ""
    content: str = ""
    tool_calls: tuple[ToolCall, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.thinking or self.content or self.tool_calls)

    def __add__(self, later: Said) -> Said:
        return Said(
            self.thinking + later.thinking,
            self.content + later.content,
            self.tool_calls + later.tool_calls,
        )


class Splitter(Protocol):
    """Takes a reply apart while it is written. Text may be cut into pieces anywhere without changing the
    result, and what may still turn out to be a mark is held back."""

    def feed(self, text: str) -> Said:
        """What can be told of the reply, after `text`, that could not be told before."""
        ...

    def flush(self) -> Said:
        """What was held back, now that nothing more will come."""
        ...


class Plain:
    """A reply in which nothing is marked."""

    def feed(self, text: str) -> Said:
        return Said(content=text)

    def flush(self) -> Said:
        return Said()
