"""From a model's text to the chunks of an answer: taken apart by the model's own format."""

from __future__ import annotations

import secrets
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from paddock.messages import (
    ChatRequest,
    Chunk,
    Common,
    GenerateRequest,
    Logprob,
    Think,
    ToolCall,
)
from paddock.prompts.replies.calls import Offered
from paddock.prompts.replies.said import Plain, Said, Splitter
from paddock.service.speech import Speech

_LETTERS = string.ascii_lowercase + string.digits


def taking_apart(
    request: Common, speech: Speech, think: Think | None, prompt: str
) -> tuple[Splitter, tuple[str, ...]]:
    """What takes the reply to a prompt that ends in `prompt` apart, and the special tokens it needs to see.
    What fills a hole means nothing but itself, and so does the reply to a raw prompt, unless thinking was
    asked for."""
    if isinstance(request, GenerateRequest):
        if request.suffix or (request.raw and not think):
            return Plain(), ()
        if request.raw:
            return speech.format.splitter({}, think, prompt), speech.format.preserved
    return speech.format.splitter(offered(request), think, prompt), speech.format.preserved


def offered(request: Common) -> Offered:
    """The tools of a request, by name."""
    # A prompt may describe tools in its own words, so there a call to any of them counts.
    if not isinstance(request, ChatRequest):
        return None
    return dict(_tool(tool["function"]) for tool in request.tools)


def _tool(function: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    schema = function.get("parameters")
    return str(function["name"]), schema if isinstance(schema, Mapping) else {}


def chunks(said: Said, logprobs: Sequence[Logprob] = ()) -> Iterator[Chunk]:
    """What was said, as chunks, the log-probabilities in the first. Calls come in one of their own."""
    if said.content or said.thinking:
        yield Chunk(said.content, said.thinking, tuple(logprobs))
        logprobs = ()
    if said.tool_calls:
        yield Chunk(logprobs=tuple(logprobs), tool_calls=tuple(map(_identified, said.tool_calls)))


def _identified(call: ToolCall) -> ToolCall:
    return replace(call, id="call_" + "".join(secrets.choice(_LETTERS) for _ in range(8)))
