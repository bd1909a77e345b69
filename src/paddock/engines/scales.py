"""How many tokens a picture or a recording takes, known before a prompt is sent.

That depends on the projector, of which there are dozens of kinds, and on the size of the picture, so the
engine itself is asked: its counter of chat tokens decodes a medium and counts, but computes nothing. What it
counts for a message with the medium, less what it counts for one without, is what the medium takes, marks
around it included. A medium that the engine cannot decode is found here, before it costs anybody a slot.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from paddock.errors import EngineError, EngineRefused, InvalidMedia
from paddock.messages import Medium

#: Conversations send the same pictures again with every turn.
_KEPT = 1024
#: Each takes up to 192 MiB in the engine while it is weighed, and an HTTP thread of it.
_AT_ONCE = 2
#: What an engine says of a medium it cannot decode, or that its projector can make nothing of.
_UNREADABLE = ("Failed to load image or audio file", "Failed to tokenize prompt")


class Scales:
    """Weighs media for one loaded model. `count` is given a chat as JSON and gives its tokens."""

    def __init__(self, count: Callable[[bytes], Awaitable[int]]) -> None:
        self._count = count
        self._empty: int | None = None
        self._known: dict[str, int] = {}
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def weigh(self, medium: Medium) -> int:
        """Tokens that `medium` takes in a prompt. Raises InvalidMedia where the engine cannot decode it."""
        if medium.digest in self._known:
            return self._known[medium.digest]
        if self._empty is None:
            self._empty = await self._without()
        try:
            async with self._places:
                # A picture has megabytes, and the loop others to serve.
                body = await asyncio.to_thread(_chat, _part(medium))
                tokens = await self._count(body) - self._empty
        except EngineRefused as error:
            if not str(error).startswith(_UNREADABLE):
                raise
            what = "picture" if medium.kind == "image" else "recording"
            raise InvalidMedia(f"the {medium.format} {what} cannot be decoded") from error
        while len(self._known) >= _KEPT:
            del self._known[next(iter(self._known))]
        self._known[medium.digest] = tokens
        return tokens

    async def _without(self) -> int:
        try:
            return await self._count(_chat())
        except EngineRefused as error:
            if error.code != 404:
                raise
            raise EngineError("this llama-server is too old to count the tokens of pictures") from error


def _chat(*parts: dict[str, Any]) -> bytes:
    message = {"role": "user", "content": [*parts, {"type": "text", "text": "x"}]}
    return msgspec.json.encode({"messages": [message]})


def _part(medium: Medium) -> dict[str, Any]:
    if medium.kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": medium.encoded, "format": medium.format}}
    url = f"data:image/{medium.format};base64,{medium.encoded}"
    return {"type": "image_url", "image_url": {"url": url}}
