"""Answers by the engine's own chat route: for models whose calls are in a form that only the engine reads.

The engine has compared what a template makes of conversations with and without calls, and so knows the marks
of forms that nobody here has written down. What is lost on this way is told: it has no log-probabilities, and
no prompt may be cut in its middle.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from paddock.engines.conversing import CallPart, Conversation, Told
from paddock.engines.runner import End, Piece
from paddock.messages import Started
from paddock.prompts.replies.calls import Offered, call
from paddock.prompts.replies.cursor import Wrong
from paddock.prompts.replies.said import Said, Splitter
from paddock.scheduler.pool import Lease
from paddock.service.repetition import Repetition


async def conversed(
    wanted: Conversation,
    splitter: Splitter,
    offered: Offered,
    reserved: int,
    client: str,
    lease: Lease,
    dropped: int,
) -> AsyncGenerator[Started | tuple[Said, End | None], None]:
    """Take a slot for `reserved` tokens and stream what was said; End comes with the last of it. `splitter`
    finds the thoughts that the engine leaves in the content. Raises EngineError."""
    guard, calls = Repetition(wanted.window), Calls(offered)
    async with lease.slot(reserved, client), aclosing(lease.runner.converse(wanted)) as steps:
        await anext(steps)  # the engine has accepted the conversation
        yield Started(dropped)
        async for told in steps:
            end = told.end or guard.passed(_piece(told)).end
            said = Said(told.thinking) + splitter.feed(told.content) + calls.feed(told.calls)
            if end is not None:
                yield said + splitter.flush() + calls.flush(), end
                return
            if said:
                yield said, None


def _piece(told: Told) -> Piece:
    text = told.content + told.thinking + "".join(part.name + part.arguments for part in told.calls)
    return Piece(text, written=told.written, progress=told.progress)


class Calls:
    """Puts calls together. One is whole when the next begins, or the reply has ended."""

    def __init__(self, offered: Offered) -> None:
        self._offered = offered
        self._begun: CallPart | None = None
        self._count = 0

    def feed(self, parts: Sequence[CallPart]) -> Said:
        said = Said()
        for part in parts:
            if self._begun is None or self._begun.index != part.index:
                said += self.flush()
                self._begun = part
            else:
                name, arguments = self._begun.name + part.name, self._begun.arguments + part.arguments
                self._begun = CallPart(part.index, name, arguments)
        return said

    def flush(self) -> Said:
        begun, self._begun = self._begun, None
        if begun is None:
            return Said()
        try:
            made = call(begun.name, begun.arguments.strip() or None, self._offered)
        except Wrong:
            # The engine has kept the marks to itself; this is what is left of what the model wrote.
            return Said(content=begun.name + begun.arguments)
        self._count += 1
        return Said(tool_calls=(replace(made, index=self._count - 1),))
