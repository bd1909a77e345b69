"""The load: streams of requests, one wave at a time, over connections written by hand.

One client for every contestant, as cheap as can be had in Python: an asyncio protocol that appends what
arrives to a list and looks into it only until the first token has been seen. Everything else (taking the
chunks apart, counting) happens after the wave is over. On a machine with few cores the client's own work
takes time from the engine, so a client that parsed as it went would blur what is measured.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

#: The first text of an answer, in the engine's events as well as in Ollama's lines.
_FIRST = re.compile(rb'"(?:content|response|thinking)":"[^"]')


class WrongAnswer(Exception):
    """An answer was not what was asked for: figures made with it would be worth nothing."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a contestant listens: a unix socket, or a port of this machine."""

    socket: Path | None = None
    port: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """One stream: seconds to its first text and to its last byte, tokens as the server counted them, and
    pieces of text that arrived (fewer than tokens where a character takes several)."""

    first: float
    last: float
    prompt: int
    cached: int
    tokens: int
    pieces: int


@dataclass(frozen=True, slots=True)
class Wave:
    """Requests sent at the same moment and answered to the end."""

    answers: tuple[Answer, ...]

    @property
    def tokens(self) -> int:
        return sum(answer.tokens for answer in self.answers)

    @property
    def seconds(self) -> float:
        return max(answer.last for answer in self.answers)


async def wave(address: Address, path: str, bodies: Sequence[dict[str, Any]]) -> Wave:
    """Send all requests at once; returns when the last answer is complete."""
    requests = [_request(path, body) for body in bodies]
    streams = [await _connected(address) for _ in requests]
    begun = time.perf_counter()
    for stream, request in zip(streams, requests, strict=True):
        stream.send(request)
    await asyncio.gather(*(stream.over for stream in streams))
    return Wave(tuple(_answer(stream, begun) for stream in streams))


async def ask(address: Address, path: str, body: dict[str, Any]) -> Any:
    """One request with one JSON object for an answer."""
    stream = await _connected(address)
    stream.send(_request(path, body))
    await stream.over
    return json.loads(_content(b"".join(stream.pieces)))


class _Stream(asyncio.Protocol):
    """One connection: a request out, and whatever comes back until the server closes it."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.first = self.last = 0.0
        self.over = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's own is not registered as one

    def send(self, request: bytes) -> None:
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self.last = time.perf_counter()
        self.pieces.append(data)
        if not self.first and _FIRST.search(b"".join(self.pieces[-2:])):
            self.first = self.last

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def _connected(address: Address) -> _Stream:
    loop = asyncio.get_running_loop()
    if address.socket is not None:
        _, stream = await loop.create_unix_connection(_Stream, str(address.socket))
    else:
        _, stream = await loop.create_connection(_Stream, "127.0.0.1", address.port)
    return stream


def _request(path: str, body: dict[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + content


def _content(raw: bytes) -> bytes:
    """The body of a response, out of its chunks where it has any. Raises WrongAnswer."""
    head, _, rest = raw.partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0]:
        raise WrongAnswer((head[:100] + b" ... " + rest[:500]).decode(errors="replace"))
    if b"chunked" not in head.lower():
        return rest
    parts: list[bytes] = []
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if not length:
            return b"".join(parts)
        parts.append(rest[:length])
        rest = rest[length + 2 :]
    raise WrongAnswer("an answer ended in the middle")


def _answer(stream: _Stream, begun: float) -> Answer:
    lines = [line.removeprefix(b"data: ") for line in _content(b"".join(stream.pieces)).splitlines()]
    events = [json.loads(line) for line in lines if line.startswith(b"{")]
    if not stream.first or not events:
        raise WrongAnswer(f"an answer without any text: {lines[:3]}")
    end = events[-1]
    if "error" in end:
        raise WrongAnswer(str(end["error"]))
    pieces = sum(bool(_text(event)) for event in events)
    first, last = stream.first - begun, stream.last - begun
    if "tokens_predicted" in end:
        cached = end["timings"]["cache_n"]
        return Answer(first, last, end["tokens_evaluated"], cached, end["tokens_predicted"], pieces)
    return Answer(first, last, end["prompt_eval_count"], 0, end["eval_count"], pieces)


def _text(event: dict[str, Any]) -> str:
    said = event.get("message", event)
    return str(said.get("content") or said.get("response") or said.get("thinking") or "")
