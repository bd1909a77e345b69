"""A ready runner: llama-server's HTTP, spoken by one class for every engine.

Its one verb is to complete tokens under a constraint. It always streams from the engine, whatever the
client asked for, because an engine only notices that a *streaming* client has left; and it always asks
for progress, because while a prompt is read that is the only thing written. To leave early we close
our half of the connection and read until the engine closes its own: then, and not before, is the
engine's stream over and may its slot be lent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import aiohttp
import msgspec

from paddock.engines.conversing import Conversation, Reading, Told, conversation_body
from paddock.engines.dialect import (
    Completion,
    Counted,
    End,
    Error,
    Piece,
    Progress,
    Prompt,
    Properties,
    Restored,
    Saved,
    Slot,
    Text,
    Tokens,
    Vectors,
    completion_body,
    decode_event,
    failure_of,
    piece_of,
)
from paddock.engines.launch import Endpoint
from paddock.engines.process import EngineProcess
from paddock.engines.scales import Scales
from paddock.errors import (
    BadRequest,
    ContextOverflow,
    EngineError,
    EngineGone,
    EngineLoadFailed,
    EngineRefused,
    EngineSlow,
    PaddockError,
    ShuttingDown,
)
from paddock.formats.framing import EventSplitter, FrameTooLong
from paddock.messages import Medium

__all__ = ["Abilities", "Completion", "End", "Piece", "Progress", "Runner"]

_T = TypeVar("_T")

#: Seconds an abandoned stream may take to end before its connection is cut. An engine notices between
#: two batches of a prompt, which on a slow machine with a large model may take this long.
DRAIN_LIMIT = 20.0
#: No vocabulary has a token of this number.
_BETWEEN = -1
#: llama-server's words where what a slot holds and what it is to read part between two pictures without text
#: between them: it cannot cut what it holds just there. Newer releases can.
_CANNOT_CUT = "Chunk not found"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a loaded engine can do, probed once. `window` is the tokens one slot may hold; `marker` stands
    where a picture or a recording belongs in a prompt, and is another for every process."""

    slots: int
    window: int
    vision: bool
    audio: bool
    embeds: bool
    shifts: bool
    chat_template: str
    bos: str
    marker: str = ""


class Runner:
    """A loaded model behind an engine's HTTP. Open it with `Runner.load`; close it with `close`.

    Every method raises EngineGone when the process has ended, with the end of its log, EngineRefused
    when the engine answers with an error, EngineSlow when it does not answer in time, and ShuttingDown
    when it was told to stop.
    """

    def __init__(self, process: EngineProcess, session: aiohttp.ClientSession) -> None:
        self._process = process
        self._session = session
        self._scales = Scales(self._count)
        self.abilities = Abilities(0, 0, False, False, False, False, "", "")

    @classmethod
    async def load(cls, process: EngineProcess, stall: float, *, embeds: bool, shifts: bool) -> Runner:
        """Wait until the engine has loaded its model and ask what it can do.

        Raises EngineLoadFailed when the process ends instead, EngineSlow when it prints nothing and
        does not become ready for `stall` seconds. The process stays the caller's to stop.
        """
        runner = cls(process, _session(process.launch.endpoint))
        try:
            await runner._until_ready(stall)
            runner.abilities = await runner._probe(embeds, shifts)
        except BaseException:
            await runner.close()
            raise
        return runner

    async def close(self) -> None:
        """Close the connections. The process is stopped by whoever owns it."""
        await self._session.close()

    # ── the one verb ──────────────────────────────────────────────────────────────────────────────

    async def complete(self, wanted: Completion) -> AsyncGenerator[Piece, None]:
        """Complete tokens, piece by piece. The first piece comes once the engine has accepted the prompt.

        Close the generator to leave early: that returns when the engine's own stream has ended.
        """
        splitter = EventSplitter()
        async with self._accepted(wanted) as response:
            yield Piece()
            while data := await response.content.readany():
                for frame in splitter.feed(data):
                    piece = self._piece(frame)
                    yield piece
                    if piece.end is not None:
                        return
        raise await self._gone_error("the engine ended its answer too early")

    @contextlib.asynccontextmanager
    async def _accepted(self, wanted: Completion) -> AsyncIterator[aiohttp.ClientResponse]:
        body = completion_body(wanted)
        async with contextlib.AsyncExitStack() as stack:
            try:
                data = await _encoded(body, wanted)
                response = await stack.enter_async_context(self._stream("/completion", data))
            except EngineRefused as error:
                if wanted.mixed is None or _CANNOT_CUT not in str(error):
                    raise
                data = await _encoded(body | {"cache_prompt": False}, wanted)
                response = await stack.enter_async_context(self._stream("/completion", data))
            yield response

    def _piece(self, frame: bytes) -> Piece:
        event = decode_event(frame)
        if event.error is not None:
            raise self._refusal(event.error, 500)
        return piece_of(event)

    async def converse(self, wanted: Conversation) -> AsyncGenerator[Told, None]:
        """Go on with a conversation by the engine's own route, which takes the reply apart. As `complete`."""
        splitter, reading = EventSplitter(), Reading()
        async with self._stream("/v1/chat/completions", _json(conversation_body(wanted))) as response:
            yield Told()
            while data := await response.content.readany():
                for frame in splitter.feed(data):
                    told = reading.told(frame)
                    if isinstance(told, Error):
                        raise self._refusal(told, 500)
                    if told is not None:
                        yield told
                    if told is not None and told.end is not None:
                        return
        raise await self._gone_error("the engine ended its answer too early")

    # ── the rest ──────────────────────────────────────────────────────────────────────────────────

    async def tokenize(self, text: str | Sequence[str | int], *, special: bool = True) -> tuple[int, ...]:
        """Token ids of `text`; `special` adds BOS where the vocabulary wants it. Numbers among several texts
        stay where they stand."""
        body = {"content": text, "add_special": special, "parse_special": True}
        return tuple((await self._ask("/tokenize", Tokens, body)).tokens)

    async def tokenize_each(self, texts: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of every text by itself, in one exchange; nothing is added to them."""
        if not texts:
            return []
        # A prompt may mix texts and numbers, and the engine does not look at the numbers.
        mixed = [part for text in texts for part in (text, _BETWEEN)]
        body = {"content": mixed, "add_special": False, "parse_special": True}
        found: list[list[int]] = [[]]
        for token in (await self._ask("/tokenize", Tokens, body)).tokens:
            if token == _BETWEEN:
                found.append([])
            else:
                found[-1].append(token)
        return [tuple(tokens) for tokens in found[:-1]]

    async def weigh(self, medium: Medium) -> int:
        """Tokens that a picture or a recording takes in a prompt. Raises InvalidMedia where the engine cannot
        decode it."""
        return await self._scales.weigh(medium)

    async def _count(self, chat: bytes) -> int:
        return (await self._ask("/v1/chat/completions/input_tokens", Counted, chat)).input_tokens

    async def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids."""
        return (await self._ask("/detokenize", Text, {"tokens": list(tokens)})).content

    async def apply_template(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
        **variables: Any,
    ) -> str:
        """The prompt for `messages`, rendered with the Jinja template of the GGUF.

        `variables` are for the template, as in `enable_thinking=True`.
        """
        body: dict[str, Any] = {"messages": list(messages), "chat_template_kwargs": variables}
        if tools:
            # The engine takes definitions apart and drops what it does not know; a variable it leaves alone.
            body["tools"] = list(tools)
            body["chat_template_kwargs"]["tools"] = list(tools)
        return (await self._ask("/apply-template", Prompt, body)).prompt

    async def embed(self, tokens: Sequence[int]) -> tuple[float, ...]:
        """The pooled vector of one text, of length one.

        An engine computes it to the end even when nobody waits any more. Whoever is cancelled here
        returns when it has.
        """
        body = {"content": list(tokens), "embd_normalize": 2}
        computing = asyncio.create_task(self._ask("/embedding", Vectors, body))
        try:
            return (await asyncio.shield(computing))[0].pooled
        except asyncio.CancelledError:
            await _over(computing)
            raise

    async def save_slot(self, slot: int, name: str) -> int:
        """Write what a slot holds to the file `name` of the plan's `saves`; how many tokens that was."""
        return (await self._ask(f"/slots/{slot}?action=save", Saved, {"filename": name})).n_saved

    async def restore_slot(self, slot: int, name: str) -> int:
        """Put a saved file back into a slot; how many tokens it holds.

        The file must be whole and of this very engine and model: a shortened one aborts the engine.
        """
        return (await self._ask(f"/slots/{slot}?action=restore", Restored, {"filename": name})).n_restored

    async def erase_slot(self, slot: int) -> None:
        """Forget what a slot holds."""
        await self._ask(f"/slots/{slot}?action=erase", dict[str, Any], {})

    async def properties(self) -> dict[str, Any]:
        """What `/props` says."""
        return await self._ask("/props", dict[str, Any])

    async def busy_slots(self) -> int:
        """How many slots are at work just now."""
        return sum(slot.is_processing for slot in await self._ask("/slots", list[Slot]))

    async def healthy(self) -> bool:
        """Whether the engine answers and its model is loaded."""
        try:
            async with self._session.get("/health", timeout=_SHORT) as response:
                return response.status == 200
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    # ── how it is spoken to ───────────────────────────────────────────────────────────────────────

    async def _ask(self, path: str, shape: type[_T], body: Any = None) -> _T:
        async with self._speaking():
            request = self._session.get(path) if body is None else self._session.post(path, data=_json(body))
            async with request as response:
                data = await response.read()
                if response.status != 200:
                    raise self._refusal(failure_of(data), response.status)
                return msgspec.json.decode(data, type=shape)

    @contextlib.asynccontextmanager
    async def _stream(self, path: str, body: bytes) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self._speaking():
            response = await self._begun(path, body)
            try:
                if response.status != 200:
                    raise self._refusal(failure_of(await response.read()), response.status)
                yield response
            finally:
                await self._leave(response)

    async def _begun(self, path: str, body: bytes) -> aiohttp.ClientResponse:
        """The engine's answer, as soon as it begins. Until then there is nothing that could be left, so
        whoever is cancelled here waits for it, and leaves."""

        async def post() -> aiohttp.ClientResponse:
            return await self._session.post(path, data=body)

        asking = asyncio.create_task(post())
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            if await _over(asking):
                await self._leave(asking.result())
            raise

    async def _leave(self, response: aiohttp.ClientResponse) -> None:
        """Say that nobody listens any more, then listen until the engine has understood."""
        connection = response.connection  # None once the answer has ended by itself
        try:
            if connection is not None and connection.transport is not None:
                with contextlib.suppress(aiohttp.ClientError, OSError, asyncio.TimeoutError, RuntimeError):
                    connection.transport.write_eof()
                    async with asyncio.timeout(DRAIN_LIMIT):
                        while await response.content.readany():
                            pass
        finally:
            response.close()

    @contextlib.asynccontextmanager
    async def _speaking(self) -> AsyncIterator[None]:
        """Foreign errors become ours at this one border."""
        if self._session.closed:  # whoever still has a lease when an engine is gone
            raise await self._gone_error("its connections are closed")
        try:
            yield
        except TimeoutError as error:
            raise EngineSlow("the engine did not answer in time", self._process.tail) from error
        except (aiohttp.ClientError, OSError) as error:
            raise await self._gone_error(str(error) or type(error).__name__) from error
        except (msgspec.DecodeError, FrameTooLong) as error:
            raise EngineError(f"the engine's answer cannot be read: {error}") from error

    async def _gone_error(self, otherwise: str) -> PaddockError:
        """The error for a broken connection: most likely the process is ending, so give it a moment."""
        if not self._process.told_to_stop:
            await asyncio.wait({self._process.ended}, timeout=2.0)
        if self._process.told_to_stop:
            return ShuttingDown()
        if self._process.running:
            return EngineError(f"an error was encountered while running the model: {otherwise}")
        return self.obituary()

    def obituary(self) -> EngineGone:
        """The error for whoever still needs an engine that has ended by itself."""
        cause = self._process.cause()
        return EngineGone(
            "model runner has unexpectedly stopped, this may be due to resource limitations or an internal "
            f"error, check ollama server logs for details ({self._process.describe_end()}"
            + (f": {cause})" if cause else ")"),
            self._process.tail,
        )

    def _refusal(self, error: Error, status: int) -> Exception:
        if error.type == "exceed_context_size_error":
            return BadRequest(error.message)
        if "Context size has been exceeded" in error.message:
            return ContextOverflow(error.message, self._process.tail)
        return EngineRefused(error.message or f"the engine answered {status}", status, self._process.tail)

    async def _until_ready(self, stall: float) -> None:
        pause, begun = 0.005, time.monotonic()
        while not await self.healthy():
            done, _ = await asyncio.wait({self._process.ended}, timeout=pause)
            if done:
                raise EngineLoadFailed(
                    f"the engine could not load the model ({self._process.describe_end()}): "
                    f"{self._process.cause(loading=True) or 'it printed nothing'}",
                    self._process.tail,
                )
            if time.monotonic() - max(begun, self._process.last_output) > stall:
                raise EngineSlow(
                    f"timed out waiting for the model to load: no progress for {stall:g} seconds "
                    "(OLLAMA_LOAD_TIMEOUT sets the limit)",
                    self._process.tail,
                )
            pause = min(pause * 1.5, 0.1)

    async def _probe(self, embeds: bool, shifts: bool) -> Abilities:
        known = await self._ask("/props", Properties)
        return Abilities(
            slots=known.total_slots,
            window=known.default_generation_settings.n_ctx,
            vision=known.modalities.vision,
            audio=known.modalities.audio,
            embeds=embeds,
            shifts=shifts,
            chat_template=known.chat_template,
            bos=known.bos_token,
            marker=known.media_marker,
        )


async def _over(work: asyncio.Task[Any]) -> bool:
    """Waits until `work` is over, and ends it after a while; whether it came to a good end."""
    try:
        await asyncio.wait({work}, timeout=DRAIN_LIMIT)
    finally:
        work.cancel()
    await asyncio.wait({work})
    return not work.cancelled() and work.exception() is None


_SHORT = aiohttp.ClientTimeout(total=10)
_JSON = {"Content-Type": "application/json"}


def _json(body: Any) -> bytes:
    return body if isinstance(body, bytes) else msgspec.json.encode(body)


async def _encoded(body: Any, wanted: Completion) -> bytes:
    """A completion's body as JSON. A picture has megabytes, and the loop others to serve."""
    return await asyncio.to_thread(_json, body) if wanted.mixed else _json(body)


def _session(place: Endpoint) -> aiohttp.ClientSession:
    # One connection a request: an engine closes idle ones after seconds, and reusing one just then
    # would lose a request. On a socket of this machine a new one is cheap.
    connector: aiohttp.BaseConnector = (
        aiohttp.UnixConnector(str(place.socket), limit=0, force_close=True)
        if place.socket
        else aiohttp.TCPConnector(limit=0, force_close=True)
    )
    return aiohttp.ClientSession(
        base_url="http://engine" if place.socket else f"http://127.0.0.1:{place.port}",
        connector=connector,
        headers=_JSON | ({"Authorization": f"Bearer {place.key}"} if place.key else {}),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        trust_env=False,
        read_bufsize=1 << 18,
    )
