"""The bodies of Ollama's own API, and their way to and from the values the service speaks.

Fields are in Ollama's order, and those it leaves out when empty have a default here and are left out.
Fields whose wrong types have error texts of their own are taken as they come and checked below.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec

from paddock import durations
from paddock.errors import BadField, BadFormat, BadRequest
from paddock.formats import media
from paddock.messages import (
    ChatRequest,
    Chunk,
    EmbedRequest,
    Event,
    GenerateRequest,
    Logprob,
    Medium,
    Message,
    Rendered,
    Think,
    ToolCall,
)

#: A token's number in a vocabulary.
Token = Annotated[int, msgspec.Meta(ge=0, lt=1 << 31)]

# ── requests ──────────────────────────────────────────────────────────────────────────────────────


class Answering(msgspec.Struct, kw_only=True):
    """What generate and chat have in common."""

    model: str = ""
    stream: bool = True
    format: Any = None
    grammar: str = ""  # ours
    keep_alive: Any = None
    options: dict[str, Any] = {}
    think: Any = None
    truncate: bool = True
    shift: bool | None = None
    logprobs: bool = False
    top_logprobs: int = 0
    debug_render_only: bool = msgspec.field(default=False, name="_debug_render_only")


class Generate(Answering, kw_only=True):
    """POST /api/generate."""

    prompt: str = ""
    suffix: str = ""
    system: str | None = None
    template: str = ""
    context: list[Token] = []
    raw: bool = False
    images: list[str] = []


class Function(msgspec.Struct):
    """What a tool call asks for."""

    name: str = ""
    arguments: dict[str, Any] = {}
    index: int = 0


class Call(msgspec.Struct):
    """A tool call in a message."""

    function: Function = msgspec.field(default_factory=Function)
    id: str = ""


class Turn(msgspec.Struct):
    """A message of a request."""

    role: str = ""
    content: str = ""
    thinking: str = ""
    images: list[str] = []
    tool_calls: list[Call] = []
    tool_name: str = ""
    tool_call_id: str = ""


class Chat(Answering, kw_only=True):
    """POST /api/chat."""

    messages: list[Turn] = []
    tools: list[Any] = []


class Embed(msgspec.Struct):
    """POST /api/embed."""

    model: str = ""
    input: Any = None
    truncate: bool = True
    dimensions: int = 0
    keep_alive: Any = None
    options: dict[str, Any] = {}


class LegacyEmbed(msgspec.Struct):
    """POST /api/embeddings."""

    model: str = ""
    prompt: str = ""
    keep_alive: Any = None
    options: dict[str, Any] = {}


class Show(msgspec.Struct):
    """POST /api/show."""

    model: str = ""
    name: str = ""
    verbose: bool = False
    system: str = ""
    options: dict[str, Any] = {}


class Copy(msgspec.Struct):
    """POST /api/copy."""

    source: str = ""
    destination: str = ""


class Delete(msgspec.Struct):
    """DELETE /api/delete."""

    model: str = ""
    name: str = ""


# ── from bodies to requests ───────────────────────────────────────────────────────────────────────


def generate_request(body: Generate, client: str) -> GenerateRequest:
    """Raises BadRequest for fields that exclude each other or that this version cannot honour."""
    if body.raw and (body.template or body.system or body.context):
        raise BadRequest("raw mode does not support template, system, or context")
    return GenerateRequest(
        **_common(body, client),
        prompt=body.prompt,
        suffix=body.suffix,
        system=body.system or None,
        template=body.template,
        raw=body.raw,
        context=tuple(body.context),
        media=_media(body.images, "images"),
    )


def chat_request(body: Chat, client: str) -> ChatRequest:
    """Raises BadRequest like generate_request."""
    return ChatRequest(
        **_common(body, client),
        messages=tuple(_message(turn, f"messages[{number}]") for number, turn in enumerate(body.messages)),
        tools=tuple(_tool(tool, f"tools[{number}]") for number, tool in enumerate(body.tools)),
    )


def _tool(tool: Any, field: str) -> dict[str, Any]:
    """A tool as it was sent: only that it can be called by a name is asked for."""
    if not isinstance(tool, dict):
        raise BadField(field, f"invalid value for {field}: expected an object")
    function = tool.get("function")
    if not isinstance(function, dict):
        raise BadField(f"{field}.function", f"invalid value for {field}.function: expected an object")
    if not isinstance(function.get("name"), str) or not function["name"]:
        raise BadField(f"{field}.function.name", f"invalid value for {field}.function.name: expected a name")
    return tool


def _common(body: Answering, client: str) -> dict[str, Any]:
    if not 0 <= body.top_logprobs <= 20:
        raise BadField("top_logprobs", "top_logprobs must be between 0 and 20")
    return {
        "model": body.model,
        "options": body.options,
        "keep_alive": keep_alive(body.keep_alive),
        "think": think(body.think),
        "truncate": body.truncate,
        "shift": body.shift,
        "top_logprobs": body.top_logprobs if body.logprobs else None,
        "render_only": body.debug_render_only,
        "format": answer_format(body.format),
        "grammar": body.grammar,
        "client": client,
    }


def _message(turn: Turn, field: str) -> Message:
    calls = tuple(
        ToolCall(call.function.name, call.function.arguments, call.function.index, call.id)
        for call in turn.tool_calls
    )
    seen = _media(turn.images, f"{field}.images")
    return Message(
        turn.role.lower(), turn.content, turn.thinking, calls, turn.tool_name, turn.tool_call_id, seen
    )


def _media(images: list[str], field: str) -> tuple[Medium, ...]:
    return tuple(media.read(image, f"{field}[{number}]") for number, image in enumerate(images))


def embed_request(body: Embed, client: str) -> EmbedRequest:
    """Raises BadRequest where the input is neither a text nor a list of texts."""
    given = body.input
    texts = [] if given is None or given == "" else [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise BadField("input", "invalid input type")
    return EmbedRequest(
        body.model,
        tuple(texts),
        body.options,
        keep_alive(body.keep_alive),
        body.truncate,
        body.dimensions,
        client,
    )


def keep_alive(value: Any) -> float | None:
    """Seconds a model stays loaded; math.inf for ever; None where nothing was said."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        kind = {bool: "bool", list: "[]interface {}"}.get(type(value), "map[string]interface {}")
        raise BadField("keep_alive", f"Unsupported type: '{kind}'")
    try:
        return durations.keep_alive(value)
    except durations.InvalidDuration as error:
        raise BadField("keep_alive", str(error)) from None


def think(value: Any) -> Think | None:
    """Whether and how hard to think; None where nothing was said."""
    if value is None or isinstance(value, bool):
        return value
    if not isinstance(value, str):
        raise BadField(
            "think",
            'think must be a boolean or string ("high", "medium", "low", "max", true, or false)',
        )
    if value not in ("high", "medium", "low", "max"):
        raise BadField(
            "think",
            f'invalid think value: "{value}" (must be "high", "medium", "low", "max", true, or false)',
        )
    return value  # type: ignore[return-value]  # one of the four, as just checked


def answer_format(value: Any) -> Any:
    """What an answer must be: "json", a schema, or None where nothing was said. Raises BadFormat."""
    if value is None or value == "":
        return None
    if value == "json" or isinstance(value, dict):
        return value
    raise BadFormat(msgspec.json.encode(value).decode())


# ── answers ───────────────────────────────────────────────────────────────────────────────────────


class LogprobOut(msgspec.Struct, omit_defaults=True):
    """A token's log-probability."""

    token: str
    logprob: float
    bytes: list[int]
    top_logprobs: list[LogprobOut] = []


class DebugInfo(msgspec.Struct, omit_defaults=True):
    """What `_debug_render_only` asked for."""

    rendered_template: str
    image_count: int = 0


class FunctionOut(msgspec.Struct):
    """What a tool call asks for. Nothing is left out, the index least of all."""

    index: int
    name: str
    arguments: Mapping[str, Any]


class CallOut(msgspec.Struct):
    """A tool call in an answer."""

    id: str
    function: FunctionOut


class GenerateLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of the answer to /api/generate. Durations are nanoseconds."""

    model: str
    created_at: str
    response: str
    thinking: str = ""
    done: bool
    done_reason: str = ""
    context: list[int] | None = None
    total_duration: int = 0
    load_duration: int = 0
    prompt_eval_count: int = 0
    prompt_eval_duration: int = 0
    eval_count: int = 0
    eval_duration: int = 0
    tool_calls: list[CallOut] = []
    shifted_tokens: int = 0  # ours: tokens that fell out of the context window meanwhile
    debug_info: DebugInfo | None = msgspec.field(default=None, name="_debug_info")
    logprobs: list[LogprobOut] = []


class MessageOut(msgspec.Struct, omit_defaults=True):
    """The message of an answer to /api/chat."""

    role: str
    content: str
    thinking: str = ""
    tool_calls: list[CallOut] = []


class ChatLine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line of the answer to /api/chat. Durations are nanoseconds."""

    model: str
    created_at: str
    message: MessageOut
    done: bool
    done_reason: str = ""
    debug_info: DebugInfo | None = msgspec.field(default=None, name="_debug_info")
    logprobs: list[LogprobOut] = []
    total_duration: int = 0
    load_duration: int = 0
    prompt_eval_count: int = 0
    prompt_eval_duration: int = 0
    eval_count: int = 0
    eval_duration: int = 0
    shifted_tokens: int = 0  # ours: tokens that fell out of the context window meanwhile


def generate_line(model: str, event: Event, top: int) -> GenerateLine:
    """A line for `event`; `top` is how many other candidates a token were asked for."""
    line = GenerateLine(model=model, created_at=now(), response="", done=False)
    if isinstance(event, Chunk):
        line.response, line.thinking = event.text, event.thinking
        line.tool_calls = _calls_out(event)
        if event.done is not None and event.done.context is not None:
            line.context = list(event.done.context)
    _fill(line, event, top)
    return line


def chat_line(model: str, event: Event, top: int) -> ChatLine:
    """A line for `event`, as generate_line."""
    said = MessageOut("", "")
    if isinstance(event, Chunk):
        said = MessageOut("assistant", event.text, event.thinking, _calls_out(event))
    line = ChatLine(model=model, created_at=now(), message=said, done=False)
    _fill(line, event, top)
    return line


def _fill(line: GenerateLine | ChatLine, event: Event, top: int) -> None:
    """What both kinds of lines tell in the same fields."""
    if isinstance(event, Rendered):
        line.debug_info = DebugInfo(event.prompt, event.media)
        return
    assert isinstance(event, Chunk)
    line.logprobs = [_logprob_out(each, top) for each in event.logprobs]
    if event.done is None:
        return
    line.done = True
    line.done_reason = event.done.reason
    usage = event.done.usage
    line.total_duration = usage.total_ns
    line.load_duration = usage.load_ns
    line.prompt_eval_count = usage.prompt_tokens
    line.prompt_eval_duration = usage.prompt_ns
    line.eval_count = usage.output_tokens
    line.eval_duration = usage.output_ns
    line.shifted_tokens = usage.shifted


def _calls_out(chunk: Chunk) -> list[CallOut]:
    return [CallOut(c.id, FunctionOut(c.index, c.name, c.arguments)) for c in chunk.tool_calls]


def _logprob_out(found: Logprob, top: int) -> LogprobOut:
    others = [LogprobOut(o.token, o.logprob, list(o.bytes)) for o in found.top[:top]]
    return LogprobOut(found.token, found.logprob, list(found.bytes), others)


def now() -> str:
    """The time in RFC 3339, UTC, with nanoseconds."""
    seconds, fraction = divmod(time.time_ns(), 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{fraction:09d}Z"


def local_time(seconds: float) -> str:
    """Seconds since the epoch in RFC 3339 with the local offset; for ever becomes 292 years from now."""
    if math.isinf(seconds):
        seconds = time.time() + 292 * 365.25 * 86400
    return datetime.fromtimestamp(seconds, UTC).astimezone().isoformat()
