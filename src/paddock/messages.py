"""The nouns of a conversation, as frozen values.

A value carries no identity and knows no wire format: each API builds these from its own bodies and
turns the answer's Chunks into its own frames. Times are nanoseconds, as Ollama reports them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Think = bool | Literal["low", "medium", "high", "max"]
DoneReason = Literal["stop", "length", "load", "unload"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A function the model asked for; `arguments` is a JSON object."""

    name: str
    arguments: Mapping[str, Any]
    index: int = 0
    id: str = ""


@dataclass(frozen=True, slots=True)
class Medium:
    """A picture or a recording, checked: `encoded` is the base64 of a file in a `format` that engines
    decode, `digest` the SHA-256 of the file as it came, `field` says where that was, and `unpacked` is the
    bytes it takes when it is decoded."""

    kind: Literal["image", "audio"]
    format: str
    encoded: str = field(repr=False)
    digest: str
    field: str
    unpacked: int = 0


@dataclass(frozen=True, slots=True)
class Message:
    """One turn: what a role said, and showed."""

    role: str
    content: str = ""
    thinking: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    tool_name: str = ""
    tool_call_id: str = ""
    media: tuple[Medium, ...] = ()


@dataclass(frozen=True, slots=True)
class Common:
    """What every request for an answer may say. None means that the caller did not say it."""

    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: float | None = None  # seconds; math.inf is for ever
    think: Think | None = None
    truncate: bool = True
    shift: bool | None = None
    top_logprobs: int | None = None  # None: no log-probabilities at all
    render_only: bool = False
    format: Literal["json"] | Mapping[str, Any] | None = None  # any JSON object, or what satisfies a schema
    grammar: str = ""  # GBNF
    client: str = ""  # who asks, for a fair share of the slots


@dataclass(frozen=True, slots=True)
class ChatRequest(Common):
    """Continue a conversation."""

    messages: tuple[Message, ...] = ()
    tools: tuple[Mapping[str, Any], ...] = ()  # as the caller sent them, every keyword kept


@dataclass(frozen=True, slots=True)
class GenerateRequest(Common):
    """Complete a prompt. `context` are tokens of an earlier answer, put before the prompt. `template` is a Go
    template to use instead of the model's."""

    prompt: str = ""
    suffix: str = ""
    system: str | None = None
    template: str = ""
    raw: bool = False
    context: tuple[int, ...] = ()
    media: tuple[Medium, ...] = ()


@dataclass(frozen=True, slots=True)
class EmbedRequest:
    """Turn texts into vectors; `dimensions` cuts them, 0 leaves them whole."""

    model: str
    texts: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    keep_alive: float | None = None
    truncate: bool = True
    dimensions: int = 0
    client: str = ""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Unit vectors, one a text, in order. `dropped` tokens of the texts had no room."""

    vectors: tuple[tuple[float, ...], ...]
    prompt_tokens: int
    total_ns: int
    load_ns: int
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Logprob:
    """A token that was written, how likely it was, and what else could have been; `id` is its number in the
    vocabulary, -1 where not known."""

    token: str
    logprob: float
    bytes: tuple[int, ...]
    top: tuple[Logprob, ...] = ()
    id: int = -1


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost. `prompt_tokens` counts those found in the cache too; `shifted` is how many
    tokens the context window lost while the answer was written."""

    prompt_tokens: int = 0
    cached_tokens: int = 0
    prompt_ns: int = 0
    output_tokens: int = 0
    output_ns: int = 0
    load_ns: int = 0
    total_ns: int = 0
    shifted: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """How an answer ended. `context` holds the tokens of prompt and answer where the caller may go on."""

    reason: DoneReason
    usage: Usage = Usage()
    context: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Started:
    """Comes first: the engine has accepted the prompt. `dropped` prompt tokens had no room."""

    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Rendered:
    """Comes alone, where only the prompt's text was asked for. `dropped` tokens had no room in it; `media`
    pictures and recordings are part of it."""

    prompt: str
    dropped: int = 0
    media: int = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of an answer. `done` is set on the last one, and only there."""

    text: str = ""
    thinking: str = ""
    logprobs: tuple[Logprob, ...] = ()
    done: Done | None = None
    tool_calls: tuple[ToolCall, ...] = ()


Event = Started | Rendered | Chunk
