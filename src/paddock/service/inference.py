"""From a request to an answer: the path every chat, completion and embedding takes.

Resolve the name, make a plan, lease a runner, render the prompt, make it fit, take a slot, stream. An
answer is an asynchronous iterator of events: Started once the engine has accepted the prompt, then
Chunks, of which the last one carries Done. Closing it, or cancelling the task that reads it, stops the
engine's work and gives slot and runner back, in that order.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from paddock.engines.estimate import Shape
from paddock.engines.runner import Completion, End, Piece, Runner
from paddock.errors import (
    BadRequest,
    CloudDisabled,
    ModelNotFound,
    PromptTooLong,
    Unsupported,
)
from paddock.formats.gguf import Header
from paddock.messages import (
    ChatRequest,
    Chunk,
    Common,
    Done,
    Embeddings,
    EmbedRequest,
    Event,
    GenerateRequest,
    Message,
    Rendered,
    Started,
    Think,
    Usage,
)
from paddock.names import ModelName, Source, split_source
from paddock.options import Options, merge
from paddock.prompts import collate
from paddock.prompts.replies import Said, ThinkingSplitter
from paddock.scheduler.policy import Wish
from paddock.scheduler.pool import Lease, Pool
from paddock.service import planning
from paddock.service.embedding import cut, embeddable, vectors
from paddock.service.library import Library
from paddock.store.models import Model, ModelStore, Texts
from paddock.store.watch import Watch

log = logging.getLogger(__name__)

_OPENING_TAG = "<think>"
_SUBJECTS_KEPT = 256
#: An answer without a limit of its own ends after so many context windows (Ollama's figure).
_MOST_WINDOWS = 10


@dataclass(frozen=True, slots=True)
class _Subject:
    """The model a request is about, and what its files say."""

    model: Model
    header: Header
    shape: Shape
    texts: Texts
    abilities: tuple[str, ...]

    @property
    def has_template(self) -> bool:
        return bool(self.header.chat_template)


@dataclass(frozen=True, slots=True)
class _Prompt:
    """What the engine will read. `opened` says that it ends inside a thought."""

    tokens: tuple[int, ...]
    dropped: int = 0
    opened: bool = False


class Inference:
    """Answers requests with the models of a store and the runners of a pool."""

    def __init__(
        self, store: ModelStore, library: Library, pool: Pool, circumstances: planning.Circumstances
    ) -> None:
        self._store = store
        self._library = library
        self._pool = pool
        self._here = circumstances
        # By the name as sent: a few looks at the file system cost far less than reading the model again.
        self._subjects: dict[str, tuple[Watch, _Subject]] = {}

    # ── the three questions ───────────────────────────────────────────────────────────────────────

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Continue a conversation. Without messages the model is only loaded, or unloaded."""
        if not request.model:
            raise BadRequest("model is required")
        begun = time.monotonic_ns()
        subject = await self._subject(request.model)
        if not request.messages and request.keep_alive == 0:
            yield await self._unload(subject)
            return
        _require(subject, "completion", f'"{request.model}" does not support chat')
        think = _think(request, subject)
        options = _options(request, subject)
        wish = self._wish(subject, options, request.shift)
        async with self._pool.lease(subject.model.name.short, wish, request.keep_alive) as lease:
            if not request.messages:
                yield Chunk(done=Done("load"))
                return
            said = collate.conversation(subject.texts.messages, request.messages, subject.texts.system)

            async def render(messages: Sequence[Message]) -> str:
                _require_readable_template(subject)
                values = collate.template_values(messages)
                return await lease.runner.apply_template(values, **collate.template_variables(think))

            if request.render_only:
                yield Rendered(await render(said))
                return
            prompt = await _fit_conversation(said, render, lease, request)
            prompt = _fit_tokens(prompt, lease, options, request)
            async with aclosing(self._answer(prompt, think, options, lease, request, begun)) as answer:
                async for event in answer:
                    yield event

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        """Complete a prompt. Without one the model is only loaded, or unloaded."""
        begun = time.monotonic_ns()
        subject = await self._subject(request.model)
        if not request.prompt and not request.suffix and request.keep_alive == 0:
            yield await self._unload(subject)
            return
        _require(subject, "completion", f'"{request.model}" does not support generate')
        if request.suffix:
            _require(subject, "insert", f"{subject.model.name.full} does not support insert")
        think = None if request.raw or request.suffix else _think(request, subject)
        options = _options(request, subject)
        wish = self._wish(subject, options, request.shift)
        async with self._pool.lease(subject.model.name.short, wish, request.keep_alive) as lease:
            if not request.prompt and not request.suffix:
                yield Chunk(done=Done("load"))
                return
            if request.render_only:
                yield Rendered(await _prompt_text(request, subject, think, lease.runner))
                return
            prompt = await _generate_prompt(request, subject, think, lease.runner)
            prompt = _fit_tokens(prompt, lease, options, request)
            async with aclosing(self._answer(prompt, think, options, lease, request, begun)) as answer:
                async for event in answer:
                    yield event

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """Turn texts into unit vectors. Without any, the model is only loaded."""
        begun = time.monotonic_ns()
        subject = await self._subject(request.model)
        options = merge(subject.texts.parameters, request.options)
        wish = self._wish(subject, options, None, embedding=True)
        async with self._pool.lease(subject.model.name.short, wish, request.keep_alive) as lease:
            inputs = [await embeddable(text, request, lease) for text in request.texts]
            found = await vectors(inputs, lease, request.client)
            return Embeddings(
                vectors=tuple(cut(vector, request.dimensions) for vector in found),
                prompt_tokens=sum(map(len, inputs)),
                total_ns=time.monotonic_ns() - begun,
                load_ns=lease.load_ns,
            )

    # ── what they share ───────────────────────────────────────────────────────────────────────────

    async def _subject(self, text: str) -> _Subject:
        known = self._subjects.get(text)
        if known is not None and not known[0].changed():
            return known[1]
        return await asyncio.to_thread(self._look_up, text)

    def _look_up(self, text: str) -> _Subject:
        if not text:
            raise ModelNotFound("")
        base, source = split_source(text)
        if source is Source.CLOUD:
            raise CloudDisabled
        name = ModelName.parse(base)
        watch = self._store.watch(name)
        try:
            model = self._store.find(name)
        except ModelNotFound:
            raise ModelNotFound(text) from None
        if model.config.remote_host:
            raise ModelNotFound(text) if source is Source.LOCAL else CloudDisabled
        header = self._library.header(model)
        if header is None:
            raise Unsupported(f"{model.name.short} has no GGUF weights that could be run here", "completion")
        shape, abilities = planning.shape_of(model, header), self._library.capabilities(model)
        subject = _Subject(model, header, shape, model.texts(), abilities)
        if model.name.parts == name.parts:  # found under another spelling, it is not what was watched
            if len(self._subjects) >= _SUBJECTS_KEPT:
                self._subjects.clear()
            self._subjects[text] = (watch, subject)
        return subject

    def _wish(self, subject: _Subject, options: Options, shift: bool | None, embedding: bool = False) -> Wish:
        model, header, shape = subject.model, subject.header, subject.shape
        return planning.wish(model, header, shape, options.load, shift, embedding, self._here)

    async def _unload(self, subject: _Subject) -> Chunk:
        if subject.model.weights is not None:
            await self._pool.unload(subject.model.weights.name)
        return Chunk(done=Done("unload"))

    async def _answer(
        self,
        prompt: _Prompt,
        think: Think | None,
        options: Options,
        lease: Lease,
        request: Common,
        begun: int,
    ) -> AsyncGenerator[Event, None]:
        """Take a slot and stream what the engine writes, thought and answer apart."""
        window = lease.plan.window
        predict = _predict(options, window)
        wanted = Completion(prompt.tokens, options.sampling, max(predict, 1), request.top_logprobs)
        splitter = ThinkingSplitter(opened=prompt.opened) if think else None
        written = _Written() if isinstance(request, GenerateRequest) and not request.raw else None
        async with (
            lease.slot(len(prompt.tokens) + predict, request.client),
            aclosing(lease.runner.complete(wanted)) as pieces,
        ):
            await anext(pieces)  # the engine has accepted the prompt
            yield Started(prompt.dropped)
            async for piece in pieces:
                if piece.end is not None:
                    # An engine writes one token even where none was asked for; nobody gets to see it.
                    end = piece.end if predict else replace(piece.end, output_tokens=0)
                    context = None
                    if written is not None:
                        context = (*prompt.tokens, *await written.all(end.output_tokens, lease.runner))
                    yield _last(piece.text, splitter, end, context, lease.load_ns, begun)
                elif piece.tokens and predict > 0:
                    if written is not None:
                        written.add(piece)
                    said = splitter.feed(piece.text) if splitter else Said(content=piece.text)
                    if said.content or said.thinking or piece.logprobs:
                        yield Chunk(said.content, said.thinking, piece.logprobs)


def _last(
    text: str,
    splitter: ThinkingSplitter | None,
    end: End,
    context: tuple[int, ...] | None,
    load_ns: int,
    begun: int,
) -> Chunk:
    fed, rest = (splitter.feed(text), splitter.flush()) if splitter else (Said(content=text), Said())
    usage = Usage(
        prompt_tokens=end.prompt_tokens,
        cached_tokens=end.cached_tokens,
        prompt_ns=end.prompt_ns,
        output_tokens=end.output_tokens,
        output_ns=end.output_ns,
        load_ns=load_ns,
        total_ns=time.monotonic_ns() - begun,
        shifted=end.shifted,
    )
    if end.shifted:
        log.info("the context window was full: %d tokens were shifted out of it", end.shifted)
    done = Done(end.reason, usage, context)
    return Chunk(fed.content + rest.content, fed.thinking + rest.thinking, done=done)


class _Written:
    """The tokens of an answer, for whoever wants to go on from there."""

    def __init__(self) -> None:
        self._tokens: list[int] = []
        self._texts: list[str] = []
        self._silent = 0  # tokens at the end that have no text, as the mark of the end

    def add(self, piece: Piece) -> None:
        """What the engine has written now."""
        self._tokens += piece.tokens
        self._texts.append(piece.text)
        self._silent = 0 if piece.text else self._silent + len(piece.tokens)

    async def all(self, count: int, runner: Runner) -> tuple[int, ...]:
        """The tokens, of which there should be `count`. An engine says nothing of those that end inside a
        character; where any are missing, the text is tokenized anew."""
        if len(self._tokens) >= count:
            return tuple(self._tokens)
        end = self._tokens[len(self._tokens) - self._silent :]
        return (*await runner.tokenize("".join(self._texts), special=False), *end)


# ── prompts ───────────────────────────────────────────────────────────────────────────────────────


async def _fit_conversation(
    said: tuple[Message, ...],
    render: Callable[[Sequence[Message]], Awaitable[str]],
    lease: Lease,
    request: ChatRequest,
) -> _Prompt:
    """Render the conversation without its oldest turns, as many of them as have no room."""
    runner = lease.runner

    async def rendered(drop: int) -> _Prompt:
        text = await render(collate.without_oldest(said, drop))
        return _Prompt(await runner.tokenize(text), opened=_opens_thought(text))

    whole = await rendered(0)
    if len(whole.tokens) < lease.plan.window or not request.truncate:
        return whole

    async def fits(drop: int) -> bool:
        return len((await rendered(drop)).tokens) < lease.plan.window

    shorter = await rendered(await collate.fewest_dropped(collate.beginnings(said), fits))
    return replace(shorter, dropped=len(whole.tokens) - len(shorter.tokens))


def _fit_tokens(prompt: _Prompt, lease: Lease, options: Options, request: Common) -> _Prompt:
    """Cut the middle out of a prompt that is too long by itself. Raises PromptTooLong where that is
    forbidden; otherwise the log and the answer say how many tokens are gone."""
    window = lease.plan.window
    if len(prompt.tokens) >= window:
        if not request.truncate or not lease.plan.shift:
            raise PromptTooLong(len(prompt.tokens), window)
        kept = collate.drop_middle(prompt.tokens, window, options.sampling.num_keep)
        prompt = replace(prompt, tokens=kept, dropped=prompt.dropped + len(prompt.tokens) - len(kept))
    if prompt.dropped:
        log.warning(
            "%s: the prompt was shortened by %d tokens to fit the context window of %d",
            request.model,
            prompt.dropped,
            window,
        )
    return prompt


async def _generate_prompt(
    request: GenerateRequest, subject: _Subject, think: Think | None, runner: Runner
) -> _Prompt:
    if request.suffix:
        marks = subject.header.fim_tokens
        if marks is None:
            raise Unsupported(
                f"{subject.model.name.full} does not support insert without a Go template, "
                "which this version of Paddock cannot render yet",
                "insert",
            )
        before = await runner.tokenize(request.prompt, special=False)
        after = await runner.tokenize(request.suffix, special=False)
        return _Prompt((marks[0], *before, marks[1], *after, marks[2]))
    text = await _prompt_text(request, subject, think, runner)
    tokens = await runner.tokenize(text, special=not request.context)
    return _Prompt((*request.context, *tokens), opened=_opens_thought(text))


async def _prompt_text(
    request: GenerateRequest, subject: _Subject, think: Think | None, runner: Runner
) -> str:
    if request.raw:
        return request.prompt
    _require_readable_template(subject)
    if not subject.has_template:  # a model without any template completes the bare prompt
        return request.prompt
    system = subject.texts.system if request.system is None else request.system
    stored = () if request.context else subject.texts.messages
    said = collate.conversation(stored, (Message("user", request.prompt),), system)
    return await runner.apply_template(collate.template_values(said), **collate.template_variables(think))


def _opens_thought(prompt: str) -> bool:
    return prompt.rstrip().endswith(_OPENING_TAG)


def _require_readable_template(subject: _Subject) -> None:
    if subject.texts.template and not subject.has_template:
        raise Unsupported(
            f"{subject.model.name.short} has its prompt format only as a Go template, which this version of "
            "Paddock cannot render yet; prompts sent with raw: true work",
            "completion",
        )


# ── options and abilities ─────────────────────────────────────────────────────────────────────────


def _options(request: Common, subject: _Subject) -> Options:
    options = merge(subject.texts.parameters, request.options)
    for name in options.unknown:
        log.warning("%s: unknown option %r ignored", request.model, name)
    return options


def _predict(options: Options, window: int) -> int:
    most = _MOST_WINDOWS * window
    asked = options.sampling.num_predict
    return most if asked < 0 else min(asked, most)


def _think(request: Common, subject: _Subject) -> Think | None:
    """Whether to think: what was asked, or yes for a model that can; None for one that cannot."""
    if "thinking" in subject.abilities:
        return True if request.think is None else request.think
    if request.think:
        raise Unsupported(f'"{request.model}" does not support thinking', "thinking")
    return None


def _require(subject: _Subject, ability: str, sentence: str) -> None:
    if ability not in subject.abilities:
        raise Unsupported(sentence, ability)
