"""The words of llama-server's chat route, for models whose calls only the engine knows how to read. No I/O.

The engine renders the conversation itself and takes the reply apart by what it learnt from the template.
It tells no tokens and, with tools, no log-probabilities. Source: the documentation of llama.cpp's server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from paddock.engines.dialect import End, Error, Event, Progress, Timings, progress_of, sampling_body
from paddock.options import Sampling

_DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation to go on with, as the engine's route takes it: messages and tools in OpenAI's shape,
    `variables` for the template. `window` is the tokens it may take in all, of which `predict` the answer.
    `thoughts` says that the engine takes those apart too; otherwise they stay in the content."""

    messages: Sequence[Mapping[str, Any]]
    tools: Sequence[Mapping[str, Any]]
    variables: Mapping[str, Any]
    sampling: Sampling
    predict: int
    window: int
    thoughts: bool


@dataclass(frozen=True, slots=True)
class CallPart:
    """A piece of a tool call: which one it is, and what comes after what was told of it before."""

    index: int
    name: str = ""
    arguments: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """A step of a reply. `written` counts the steps that told something, which are tokens or a few more.
    `end` is set on the last one."""

    content: str = ""
    thinking: str = ""
    calls: tuple[CallPart, ...] = ()
    written: int = 0
    progress: Progress | None = None
    end: End | None = None


def conversation_body(wanted: Conversation) -> dict[str, Any]:
    """What the route is asked."""
    return {
        "messages": wanted.messages,
        "tools": wanted.tools,
        # The engine takes definitions apart and drops what it does not know; a variable it leaves alone.
        "chat_template_kwargs": {**wanted.variables, "tools": wanted.tools},
        "stream_options": {"include_usage": True},
        "reasoning_format": "auto" if wanted.thoughts else "none",
        **sampling_body(wanted.sampling, wanted.predict, wanted.window),
    }


class _Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class _Call(msgspec.Struct):
    index: int = 0
    function: _Function = msgspec.field(default_factory=_Function)


class _Delta(msgspec.Struct):
    content: str | None = None
    reasoning_content: str | None = None
    tool_calls: list[_Call] | None = None


class _Choice(msgspec.Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _ChatEvent(Event):
    """One event of a streamed reply: a completion's, with choices. The one with the figures has none."""

    choices: tuple[_Choice, ...] = ()


_decode = msgspec.json.Decoder(_ChatEvent).decode


class Reading:
    """Makes steps of a reply out of its events; why it ended comes before the figures."""

    def __init__(self) -> None:
        self._reason: Literal["stop", "length"] = "stop"
        self._written = 0

    def told(self, frame: bytes) -> Told | Error | None:
        """What an event tells; None for nothing. Raises msgspec.DecodeError."""
        if frame == _DONE:
            return None
        event = _decode(frame)
        if event.error is not None:
            return event.error
        if event.prompt_progress is not None:
            return Told(progress=progress_of(event.prompt_progress))
        if not event.choices:
            return Told(end=self._end(event.timings)) if event.timings else None
        choice = event.choices[0]
        if choice.finish_reason is not None:
            self._reason = "length" if choice.finish_reason == "length" else "stop"
        said = choice.delta
        parts = tuple(
            CallPart(call.index, call.function.name or "", call.function.arguments or "")
            for call in said.tool_calls or ()
        )
        if not (said.content or said.reasoning_content or parts):
            return None
        self._written += 1
        return Told(said.content or "", said.reasoning_content or "", parts, self._written)

    def _end(self, spent: Timings) -> End:
        return End(
            reason=self._reason,
            prompt_tokens=spent.cache_n + spent.prompt_n,
            cached_tokens=spent.cache_n,
            prompt_ns=round(spent.prompt_ms * 1e6),
            output_tokens=spent.predicted_n,
            output_ns=round(spent.predicted_ms * 1e6),
            shifted=0,
        )
