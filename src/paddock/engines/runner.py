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
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp
import msgspec

from paddock.engines.launch import Endpoint
from paddock.engines.process import EngineProcess
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
from paddock.messages import Logprob
from paddock.options import Sampling

log = logging.getLogger(__name__)

#: Seconds an abandoned stream may take to end before its connection is cut. An engine notices between
#: two batches of a prompt, which on a slow machine with a large model may take this long.
DRAIN_LIMIT = 20.0


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a loaded engine can do, probed once. `window` is the tokens one slot may hold."""

    slots: int
    window: int
    vision: bool
    audio: bool
    embeds: bool
    shifts: bool
    chat_template: str
    bos: str


@dataclass(frozen=True, slots=True)
class Completion:
    """What to complete. `predict` bounds the answer in tokens; `alternatives` asks for log-probabilities
    with so many other candidates a token (None: none at all); `grammar` is GBNF."""

    tokens: tuple[int, ...]
    sampling: Sampling
    predict: int
    alternatives: int | None = None
    grammar: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the prompt is read: `processed` of `total` tokens, `cached` of them found in the slot."""

    total: int
    cached: int
    processed: int


@dataclass(frozen=True, slots=True)
class End:
    """How a completion ended. Times are nanoseconds; `shifted` tokens fell out of the window meanwhile."""

    reason: Literal["stop", "length"]
    prompt_tokens: int
    cached_tokens: int
    prompt_ns: int
    output_tokens: int
    output_ns: int
    shifted: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A step of a completion: some text, or how far the prompt is read. `end` is set on the last one."""

    text: str = ""
    tokens: tuple[int, ...] = ()
    logprobs: tuple[Logprob, ...] = ()
    progress: Progress | None = None
    end: End | None = None


# ── what llama-server says (docs: tools/server/README.md of llama.cpp) ────────────────────────────


class _Progress(msgspec.Struct):
    total: int = 0
    cache: int = 0
    processed: int = 0


class _Timings(msgspec.Struct):
    cache_n: int = 0
    prompt_n: int = 0
    prompt_ms: float = 0.0
    predicted_n: int = 0
    predicted_ms: float = 0.0


class _Probability(msgspec.Struct):
    token: str = ""
    logprob: float = 0.0
    bytes: list[int] = []
    top_logprobs: list[_Probability] = []


class _Error(msgspec.Struct):
    code: int = 500
    message: str = ""
    type: str = ""


class _Event(msgspec.Struct):
    content: str = ""
    tokens: list[int] = []
    stop: bool = False
    stop_type: str = ""
    tokens_evaluated: int = 0
    tokens_predicted: int = 0
    tokens_cached: int = 0
    prompt_progress: _Progress | None = None
    completion_probabilities: list[_Probability] = []
    timings: _Timings | None = None
    error: _Error | None = None


class _Failure(msgspec.Struct):
    error: _Error


_decode_event = msgspec.json.Decoder(_Event).decode
_decode_failure = msgspec.json.Decoder(_Failure).decode


class Runner:
    """A loaded model behind an engine's HTTP. Open it with `Runner.load`; close it with `close`.

    Every method raises EngineGone when the process has ended, with the end of its log, EngineRefused
    when the engine answers with an error, and EngineSlow when it does not answer in time.
    """

    def __init__(self, process: EngineProcess, session: aiohttp.ClientSession) -> None:
        self._process = process
        self._session = session
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
        async with self._stream("/completion", _completion_body(wanted)) as response:
            yield Piece()
            while data := await response.content.readany():
                for frame in splitter.feed(data):
                    piece = self._piece(frame)
                    yield piece
                    if piece.end is not None:
                        return
        raise await self._gone_error("the engine ended its answer too early")

    def _piece(self, frame: bytes) -> Piece:
        event = _decode_event(frame)
        if event.prompt_progress is not None:
            seen = event.prompt_progress
            return Piece(progress=Progress(seen.total, seen.cache, seen.processed))
        if event.error is not None:
            raise self._refusal(event.error, 500)
        return Piece(
            text=event.content,
            tokens=tuple(event.tokens),
            logprobs=tuple(map(_logprob, event.completion_probabilities)),
            end=_end(event) if event.stop else None,
        )

    # ── the rest ──────────────────────────────────────────────────────────────────────────────────

    async def tokenize(self, text: str, *, special: bool = True) -> tuple[int, ...]:
        """Token ids of `text`; `special` adds BOS where the vocabulary wants it."""
        body = {"content": text, "add_special": special, "parse_special": True}
        return tuple((await self._ask("/tokenize", body))["tokens"])

    async def detokenize(self, tokens: Sequence[int]) -> str:
        """The text of token ids."""
        return str((await self._ask("/detokenize", {"tokens": list(tokens)}))["content"])

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
            body["tools"] = list(tools)
        return str((await self._ask("/apply-template", body))["prompt"])

    async def embed(self, tokens: Sequence[int]) -> tuple[float, ...]:
        """The pooled vector of one text, of length one."""
        answer = await self._ask("/embedding", {"content": list(tokens), "embd_normalize": 2})
        return tuple(answer[0]["embedding"][0])

    async def properties(self) -> dict[str, Any]:
        """What `/props` says."""
        return dict(await self._ask("/props"))

    async def busy_slots(self) -> int:
        """How many slots are at work just now."""
        return sum(bool(slot["is_processing"]) for slot in await self._ask("/slots"))

    async def healthy(self) -> bool:
        """Whether the engine answers and its model is loaded."""
        try:
            async with self._session.get("/health", timeout=_SHORT) as response:
                return response.status == 200
        except (TimeoutError, aiohttp.ClientError, OSError):
            return False

    # ── how it is spoken to ───────────────────────────────────────────────────────────────────────

    async def _ask(self, path: str, body: Any = None) -> Any:
        async with self._speaking():
            request = self._session.get(path) if body is None else self._session.post(path, json=body)
            async with request as response:
                data = await response.read()
                if response.status != 200:
                    raise self._refusal(_failure(data), response.status)
                return msgspec.json.decode(data)

    @contextlib.asynccontextmanager
    async def _stream(self, path: str, body: Any) -> AsyncIterator[aiohttp.ClientResponse]:
        async with self._speaking():
            response = await self._session.post(path, json=body)
            try:
                if response.status != 200:
                    raise self._refusal(_failure(await response.read()), response.status)
                yield response
            finally:
                await self._leave(response)

    async def _leave(self, response: aiohttp.ClientResponse) -> None:
        """Say that nobody listens any more, then listen until the engine has understood."""
        connection = response.connection  # None once the answer has ended by itself
        if connection is not None and connection.transport is not None:
            with contextlib.suppress(aiohttp.ClientError, OSError, asyncio.TimeoutError, RuntimeError):
                connection.transport.write_eof()
                async with asyncio.timeout(DRAIN_LIMIT):
                    while await response.content.readany():
                        pass
        response.close()

    @contextlib.asynccontextmanager
    async def _speaking(self) -> AsyncIterator[None]:
        """Foreign errors become ours at this one border."""
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
        if self._process.told_to_stop:
            return ShuttingDown()
        await asyncio.wait({self._process.ended}, timeout=2.0)
        if self._process.running:
            return EngineError(f"an error was encountered while running the model: {otherwise}")
        cause = self._process.cause()
        return EngineGone(
            "model runner has unexpectedly stopped, this may be due to resource limitations or an internal "
            f"error, check ollama server logs for details ({self._process.describe_end()}"
            + (f": {cause})" if cause else ")"),
            self._process.tail,
        )

    def _refusal(self, error: _Error, status: int) -> Exception:
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
        known = await self.properties()
        modalities = known.get("modalities", {})
        return Abilities(
            slots=int(known.get("total_slots", 1)),
            window=int(known.get("default_generation_settings", {}).get("n_ctx", 0)),
            vision=bool(modalities.get("vision")),
            audio=bool(modalities.get("audio")),
            embeds=embeds,
            shifts=shifts,
            chat_template=str(known.get("chat_template", "")),
            bos=str(known.get("bos_token", "")),
        )


_SHORT = aiohttp.ClientTimeout(total=10)


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
        headers={"Authorization": f"Bearer {place.key}"} if place.key else {},
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        json_serialize=lambda value: msgspec.json.encode(value).decode(),
        trust_env=False,
        read_bufsize=1 << 18,
    )


def _completion_body(wanted: Completion) -> dict[str, Any]:
    """Every sampling value is sent, because model files and engine defaults would fill the gaps."""
    how = wanted.sampling
    body: dict[str, Any] = {
        "prompt": wanted.tokens,
        "n_predict": wanted.predict,
        "stream": True,
        "return_progress": True,
        "return_tokens": True,
        "cache_prompt": True,
        "n_keep": how.num_keep,
        "seed": how.seed,
        "temperature": how.temperature,
        "top_k": how.top_k,
        "top_p": how.top_p,
        "min_p": how.min_p,
        "typical_p": how.typical_p,
        "repeat_penalty": how.repeat_penalty,
        "presence_penalty": how.presence_penalty,
        "frequency_penalty": how.frequency_penalty,
        "stop": how.stop,
    }
    if how.repeat_last_n >= 0:  # Ollama's -1 is "the whole window"; the engine takes no negative number
        body["repeat_last_n"] = how.repeat_last_n
    else:
        body["repeat_last_n"] = len(wanted.tokens) + wanted.predict
    if wanted.alternatives is not None:
        body["n_probs"] = max(wanted.alternatives, 1)
    if wanted.grammar:
        body["grammar"] = wanted.grammar
    return body


def _logprob(seen: _Probability) -> Logprob:
    top = tuple(map(_logprob, seen.top_logprobs))
    return Logprob(seen.token, seen.logprob, tuple(seen.bytes), top)


def _end(event: _Event) -> End:
    spent = event.timings or _Timings()
    # The last token written is never in the cache, hence the one; the rest was shifted out.
    in_all = event.tokens_evaluated + event.tokens_predicted
    return End(
        reason="length" if event.stop_type == "limit" else "stop",
        prompt_tokens=spent.cache_n + spent.prompt_n or event.tokens_evaluated,
        cached_tokens=spent.cache_n,
        prompt_ns=round(spent.prompt_ms * 1e6),
        output_tokens=event.tokens_predicted,
        output_ns=round(spent.predicted_ms * 1e6),
        shifted=max(in_all - 1 - event.tokens_cached, 0),
    )


def _failure(data: bytes) -> _Error:
    try:
        return _decode_failure(data).error
    except msgspec.DecodeError:
        return _Error(message=data[:300].decode("utf-8", "replace"))
