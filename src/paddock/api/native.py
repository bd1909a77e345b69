"""Ollama's own API: each endpoint decodes a body, asks the service, and frames what comes back."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar

import msgspec

from paddock import OLLAMA_VERSION
from paddock.api.exchange import JSON, ErrorForm, Reply, Request, headers_for, streamed
from paddock.api.wire import native as wire
from paddock.api.wire.reading import read
from paddock.errors import BadRequest, ModelNotFound
from paddock.messages import Chunk, Embeddings, EmbedRequest, Event, Logprob, Rendered, Started, ToolCall
from paddock.scheduler.pool import Loaded, Pool
from paddock.service.inference import Inference
from paddock.service.library import Details, Library, Listed, Shown

_Line = wire.GenerateLine | wire.ChatLine
_Body = TypeVar("_Body", bound=msgspec.Struct)
_Asked = TypeVar("_Asked")


def _error_line(sentence: str, status: int) -> bytes:
    return msgspec.json.encode({"error": sentence})


ERRORS = ErrorForm(
    content_type=JSON,
    body=_error_line,
    frame=lambda sentence, status: _error_line(sentence, status) + b"\n",
)


class Native:
    """The handlers of `/` and `/api/…`."""

    def __init__(self, inference: Inference, library: Library, pool: Pool, version: str) -> None:
        self._inference = inference
        self._library = library
        self._pool = pool
        self._version = version

    # ── answers ───────────────────────────────────────────────────────────────────────────────────

    async def generate(self, request: Request) -> Reply:
        """POST /api/generate."""
        body, asked = await _understood(request, wire.Generate, wire.generate_request)
        events = self._inference.generate(asked)
        return await _answer(events, body, wire.generate_line)

    async def chat(self, request: Request) -> Reply:
        """POST /api/chat."""
        body, asked = await _understood(request, wire.Chat, wire.chat_request)
        events = self._inference.chat(asked)
        return await _answer(events, body, wire.chat_line)

    async def embed(self, request: Request) -> Reply:
        """POST /api/embed."""
        asked = wire.embed_request(read(request.body, wire.Embed), request.client)
        found = await self._embeddings(asked)
        answer: dict[str, Any] = {"model": asked.model, "embeddings": found.vectors}
        if found.vectors:
            answer |= _said(
                total_duration=found.total_ns,
                load_duration=found.load_ns,
                prompt_eval_count=found.prompt_tokens,
            )
        return dataclasses.replace(_json(answer), headers=headers_for(found))

    async def embeddings(self, request: Request) -> Reply:
        """POST /api/embeddings, the older form with one text."""
        body = read(request.body, wire.LegacyEmbed)
        if not body.model:
            raise BadRequest("model is required")
        text = wire.Embed(body.model, body.prompt, True, 0, body.keep_alive, body.options)
        found = await self._embeddings(wire.embed_request(text, request.client))
        answer = _json({"embedding": found.vectors[0] if found.vectors else []})
        return dataclasses.replace(answer, headers=headers_for(found))

    async def _embeddings(self, asked: EmbedRequest) -> Embeddings:
        try:
            return await self._inference.embed(asked)
        except ModelNotFound as error:
            if not asked.model:
                raise
            raise ModelNotFound(
                error.name, f'model "{asked.model}" not found, try pulling it first'
            ) from None

    # ── models ────────────────────────────────────────────────────────────────────────────────────

    async def tags(self, request: Request) -> Reply:
        """GET /api/tags."""
        listed = await asyncio.to_thread(self._library.tags)
        return _json({"models": [_tag(model) for model in listed]})

    async def show(self, request: Request) -> Reply:
        """POST /api/show."""
        body = read(request.body, wire.Show)
        shown = await asyncio.to_thread(
            self._library.show, body.model or body.name, body.verbose, body.system, body.options
        )
        reply = _shown(shown)
        if request.headers.get("user-agent", "").startswith("GitHubCopilotChat/"):
            # It knows a model by this field, and would look in vain for one of another name.
            reply["model_info"] = {**shown.model_info, "general.basename": body.model or body.name}
        return _json(reply)

    async def copy(self, request: Request) -> Reply:
        """POST /api/copy."""
        body = read(request.body, wire.Copy)
        await asyncio.to_thread(self._library.copy, body.source, body.destination)
        return Reply(b"")

    async def delete(self, request: Request) -> Reply:
        """DELETE /api/delete."""
        body = read(request.body, wire.Delete)
        await asyncio.to_thread(self._library.delete, body.model or body.name)
        return Reply(b"")

    async def ps(self, request: Request) -> Reply:
        """GET /api/ps."""
        listed = {model.name: model for model in await asyncio.to_thread(self._library.tags)}
        return _json({"models": [_running(each, listed.get(each.name)) for each in self._pool.loaded()]})

    # ── the server itself ─────────────────────────────────────────────────────────────────────────

    async def banner(self, request: Request) -> Reply:
        """GET /: what clients look for to know that somebody is there."""
        return Reply(b"Ollama is running", "text/plain; charset=utf-8")

    async def version(self, request: Request) -> Reply:
        """GET /api/version: the Ollama release we behave like, and our own version beside it."""
        return _json({"version": OLLAMA_VERSION, "paddock": self._version})

    async def status(self, request: Request) -> Reply:
        """GET /api/status: Paddock never calls home."""
        return _json({"cloud": {"disabled": True, "source": "config"}})


async def _understood(
    request: Request, shape: type[_Body], convert: Callable[[_Body, str], _Asked]
) -> tuple[_Body, _Asked]:
    """The body of a request and what it asks for. Pictures are read on a thread: the loop has others to
    serve."""

    def understand() -> tuple[_Body, _Asked]:
        body = read(request.body, shape)
        return body, convert(body, request.client)

    return await asyncio.to_thread(understand) if b"images" in request.body else understand()


# ── answers, streamed or whole ────────────────────────────────────────────────────────────────────


async def _answer(
    events: AsyncGenerator[Event, None], body: wire.Answering, line: Callable[[str, Event, int], _Line]
) -> Reply:
    if body.stream:
        reply = await streamed(events, _framing(body, line))
        # Loading, unloading and rendering answer with one object, streaming or not.
        if isinstance(reply.body, bytes) or isinstance(reply.body.first, Started):
            return reply
        await events.aclose()
        whole = _json(line(body.model, reply.body.first, body.top_logprobs))
        return dataclasses.replace(whole, headers=reply.headers)
    return await _whole(events, body, line)


def _framing(body: wire.Answering, line: Callable[[str, Event, int], _Line]) -> Callable[[Event], bytes]:
    encode, model, top = msgspec.json.Encoder().encode, body.model, body.top_logprobs

    def frame(event: Event) -> bytes:
        return b"" if isinstance(event, Started) else encode(line(model, event, top)) + b"\n"

    return frame


async def _whole(
    events: AsyncGenerator[Event, None], body: wire.Answering, line: Callable[[str, Event, int], _Line]
) -> Reply:
    texts: list[str] = []
    thoughts: list[str] = []
    logprobs: list[Logprob] = []
    calls: list[ToolCall] = []
    headers: dict[str, str] = {}
    event: Event | None = None
    async for event in events:
        if isinstance(event, Started):
            headers = headers_for(event)
        elif isinstance(event, Rendered):
            headers = headers_for(event)
            break
        else:
            texts.append(event.text)
            thoughts.append(event.thinking)
            logprobs += event.logprobs
            calls += event.tool_calls
    if isinstance(event, Chunk):
        event = dataclasses.replace(
            event,
            text="".join(texts),
            thinking="".join(thoughts),
            logprobs=tuple(logprobs),
            tool_calls=tuple(calls),
        )
    assert event is not None
    await events.aclose()
    return dataclasses.replace(_json(line(body.model, event, body.top_logprobs)), headers=headers)


def _json(value: Any) -> Reply:
    return Reply(msgspec.json.encode(value))


# ── models on the wire ────────────────────────────────────────────────────────────────────────────


def _details(details: Details) -> dict[str, Any]:
    return {
        "parent_model": details.parent_model,
        "format": details.format,
        "family": details.family,
        "families": details.families,
        "parameter_size": details.parameter_size,
        "quantization_level": details.quantization_level,
    }


def _said(**fields: Any) -> dict[str, Any]:
    """The fields that say something: what is empty is left out, as Ollama does."""
    return {name: value for name, value in fields.items() if value}


def _tag(model: Listed) -> dict[str, Any]:
    lengths = _said(
        context_length=model.details.context_length, embedding_length=model.details.embedding_length
    )
    return {
        "name": model.name,
        "model": model.model,
        **_said(remote_model=model.remote_model, remote_host=model.remote_host),
        "modified_at": wire.local_time(model.modified_at.timestamp()),
        "size": model.size,
        "digest": model.digest,
        "details": _details(model.details) | lengths,
        **_said(capabilities=model.capabilities),
    }


def _shown(shown: Shown) -> dict[str, Any]:
    return {
        **_said(
            license=shown.license,
            modelfile=shown.modelfile,
            parameters=shown.parameters,
            template=shown.template,
            system=shown.system,
        ),
        "details": _details(shown.details),
        **_said(messages=[{"role": turn.role, "content": turn.content} for turn in shown.messages]),
        "model_info": shown.model_info,
        **_said(
            projector_info=shown.projector_info,
            tensors=[{"name": t.name, "type": t.type, "shape": t.shape} for t in shown.tensors],
            capabilities=shown.capabilities,
        ),
        "modified_at": wire.local_time(shown.modified_at.timestamp()),
        **_said(requires=shown.requires),
        # Ours: what makes the model's prompts, and what takes its replies apart.
        "paddock": {"renderer": shown.speech.renderer, "splitter": shown.speech.splitter},
    }


def _running(loaded: Loaded, listed: Listed | None) -> dict[str, Any]:
    details = listed.details if listed else Details("", "", "", None, "", "")
    return {
        "name": loaded.name,
        "model": loaded.name,
        "size": loaded.memory + loaded.on_gpu,
        "digest": listed.digest if listed else "",
        "details": _details(details),
        "expires_at": wire.local_time(loaded.expires_at),
        "size_vram": loaded.on_gpu,
        "context_length": loaded.plan.window,
    }
