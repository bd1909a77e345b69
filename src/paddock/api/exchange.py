"""One request, one reply: the border every endpoint shares.

Here, and nowhere else, errors become status codes; here a client that hangs up becomes a cancelled
task, before its first byte as well as after. A reply is either whole or a stream of events; the events'
generator is always closed, so whatever it holds is given back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from starlette.types import Message, Receive, Scope, Send

from paddock.errors import BodyTooLarge, PaddockError
from paddock.messages import Embeddings, Event, Rendered, Started

log = logging.getLogger(__name__)

JSON = "application/json; charset=utf-8"
NDJSON = "application/x-ndjson"

#: Images travel inside request bodies, so this is generous; it only keeps a body from filling memory.
MAX_BODY = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """What an endpoint gets: the whole body, path parameters, and who asks."""

    body: bytes
    client: str
    headers: Mapping[str, str]
    path_params: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stream:
    """Events to send as they come: `first` has been taken from `events` already."""

    first: Event
    events: AsyncGenerator[Event, None]
    frame: Callable[[Event], bytes]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: bytes, or a stream of them."""

    body: bytes | Stream
    content_type: str = JSON
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErrorForm:
    """How an API tells of a failure: as a body, and as the last frame of a stream."""

    content_type: str
    body: Callable[[str, int], bytes]
    frame: Callable[[str, int], bytes]


Handler = Callable[[Request], Awaitable[Reply]]


class Endpoint:
    """A handler as an ASGI application."""

    def __init__(self, handler: Handler, errors: ErrorForm) -> None:
        self._handler = handler
        self._errors = errors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = await _read(scope, receive)
        except BodyTooLarge as error:
            await self._send_whole(self._failure(error), send)
            return
        if request is None:
            return
        work = asyncio.create_task(self._serve(request, send))
        gone = asyncio.create_task(_until_gone(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            work.cancel()
            gone.cancel()
            # Not abandoned: what the work holds is given back before this request counts as over.
            outcome, _ = await asyncio.gather(work, gone, return_exceptions=True)
        if isinstance(outcome, Exception):
            raise outcome

    async def _serve(self, request: Request, send: Send) -> None:
        try:
            reply = await self._handler(request)
        except Exception as error:  # the border: no request goes without an answer
            reply = self._failure(error)
        if isinstance(reply.body, Stream):
            await self._send_stream(reply, reply.body, send)
        else:
            await self._send_whole(reply, send)

    def _failure(self, error: Exception) -> Reply:
        sentence, status = _told(error)
        return Reply(self._errors.body(sentence, status), self._errors.content_type, status)

    async def _send_whole(self, reply: Reply, send: Send) -> None:
        assert isinstance(reply.body, bytes)
        await send(_start(reply, len(reply.body)))
        await send({"type": "http.response.body", "body": reply.body})

    async def _send_stream(self, reply: Reply, stream: Stream, send: Send) -> None:
        frame = stream.frame
        async with aclosing(stream.events) as events:
            await send(_start(reply))
            try:
                if data := frame(stream.first):
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                async for event in events:
                    await send({"type": "http.response.body", "body": frame(event), "more_body": True})
            except Exception as error:  # too late for a status: the last frame tells of it
                data = self._errors.frame(*_told(error))
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def _told(error: Exception) -> tuple[str, int]:
    """The sentence and the status for an error."""
    if isinstance(error, PaddockError):
        if error.status >= 500:
            log.error("%s", error)
        return str(error), error.status
    log.error("a defect in Paddock", exc_info=error)
    return f"internal error: {type(error).__name__}: {error}", 500


async def streamed(
    events: AsyncGenerator[Event, None],
    frame: Callable[[Event], bytes],
    content_type: str = NDJSON,
) -> Reply:
    """A reply that streams `events`. Waits for the first, so that a failure before it is still a status."""
    try:
        first = await anext(events)
    except BaseException:
        await events.aclose()
        raise
    return Reply(Stream(first, events, frame), content_type, headers=headers_for(first))


def headers_for(first: Event | Embeddings) -> dict[str, str]:
    """What an answer's beginning has to say in the headers: no prompt is shortened silently."""
    if isinstance(first, Started | Rendered | Embeddings) and first.dropped:
        return {"x-paddock-prompt-truncated": str(first.dropped)}
    return {}


async def _read(scope: Scope, receive: Receive) -> Request | None:
    """The request with its whole body; None when the client left while sending it."""
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > MAX_BODY:
            raise BodyTooLarge(MAX_BODY)
        if not message.get("more_body"):
            break
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    client = scope.get("client")
    return Request(b"".join(pieces), client[0] if client else "", headers, scope.get("path_params", {}))


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _start(reply: Reply, length: int | None = None) -> Message:
    headers = [(b"content-type", reply.content_type.encode())]
    headers += [(name.encode(), value.encode()) for name, value in reply.headers.items()]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": reply.status, "headers": headers}
