"""From a request to an answer: the path every chat, completion and embedding takes.

Resolve the name, make a plan, lease a runner, render the prompt, make it fit, take a slot, stream. An
answer is an asynchronous iterator of events: Started once the engine has accepted the prompt, then
Chunks, of which the last one carries Done. Closing it, or cancelling the task that reads it, stops the
engine's work and gives slot and runner back, in that order.
"""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from paddock.engines.runner import Completion, End
from paddock.errors import BadRequest, Unsupported
from paddock.messages import (
    ChatRequest,
    Chunk,
    Common,
    Done,
    Embeddings,
    EmbedRequest,
    Event,
    GenerateRequest,
    Logprob,
    Started,
    Think,
    Usage,
)
from paddock.options import Options, merge
from paddock.prompts import collate
from paddock.prompts.grammar import Grammar
from paddock.prompts.replies.said import Said
from paddock.scheduler.policy import Wish
from paddock.scheduler.pool import Lease, Pool
from paddock.service import attachments, constraint, planning, prompting, replying
from paddock.service.constraint import Constraints
from paddock.service.conversing import conversed
from paddock.service.embedding import cut, embeddable, vectors
from paddock.service.library import Library
from paddock.service.prompting import Prompt
from paddock.service.repetition import Repetition
from paddock.service.subjects import Subject, Subjects
from paddock.service.written import Written
from paddock.store.models import ModelStore

log = logging.getLogger(__name__)

#: An answer without a limit of its own ends after so many context windows (Ollama's figure).
_MOST_WINDOWS = 10
#: Of these two families there are files from before they could be told to think.
_PULL_AGAIN = ". Pull the model again to get the latest version with full thinking support"


class Inference:
    """Answers requests with the models of a store and the runners of a pool."""

    def __init__(
        self, store: ModelStore, library: Library, pool: Pool, circumstances: planning.Circumstances
    ) -> None:
        self._subjects = Subjects(store, library)
        self._pool = pool
        self._here = circumstances
        self._constraints = Constraints()

    # ── the three questions ───────────────────────────────────────────────────────────────────────

    async def chat(self, request: ChatRequest) -> AsyncGenerator[Event, None]:
        """Continue a conversation. Without messages the model is only loaded, or unloaded."""
        if not request.model:
            raise BadRequest("model is required")
        begun = time.monotonic_ns()
        subject = await self._subjects.find(request.model)
        if not request.messages and request.keep_alive == 0:
            yield await self._unload(subject)
            return
        _require(subject, "completion", f'"{request.model}" does not support chat')
        attachments.require(subject, (medium for said in request.messages for medium in said.media))
        think = _think(request, subject)
        if think and collate.goes_on(request.messages):
            think = False  # an answer that was begun has been thought about
        if request.tools:
            _require(subject, "tools", f"{subject.model.name.full} does not support tools")
        options = _options(request, subject)
        held_to = await self._constraints.of(request)
        wish = self._wish(subject, options, request.shift)
        async with self._pool.lease(subject.model.name.short, wish, request.keep_alive) as lease:
            if not request.messages:
                yield Chunk(done=Done("load"))
                return
            prompt = await prompting.chat_prompt(request, subject, think, options, lease)
            if request.render_only:
                yield await prompting.shown(prompt, lease.runner)
                return
            by_engine = bool(request.tools) and subject.speech.by_engine
            way = self._conversed if by_engine else self._answer
            async with aclosing(
                way(prompt, subject, think, held_to, options, lease, request, begun)
            ) as answer:
                async for event in answer:
                    yield event

    async def generate(self, request: GenerateRequest) -> AsyncGenerator[Event, None]:
        """Complete a prompt. Without one the model is only loaded, or unloaded."""
        begun = time.monotonic_ns()
        subject = await self._subjects.find(request.model)
        asks = bool(request.prompt or request.suffix or request.media)
        if not asks and request.keep_alive == 0:
            yield await self._unload(subject)
            return
        _require(subject, "completion", f'"{request.model}" does not support generate')
        if request.suffix:
            _require(subject, "insert", f"{subject.model.name.full} does not support insert")
            if request.media:
                raise BadRequest("images and suffix exclude each other")
        attachments.require(subject, request.media)
        think = None if request.suffix else _think(request, subject)
        if request.raw and request.think is None:
            think = None  # the text as the model writes it
        options = _options(request, subject)
        held_to = await self._constraints.of(request)
        wish = self._wish(subject, options, request.shift)
        async with self._pool.lease(subject.model.name.short, wish, request.keep_alive) as lease:
            if not asks:
                yield Chunk(done=Done("load"))
                return
            prompt = await prompting.generate_prompt(request, subject, think, options, lease)
            if request.render_only:
                yield await prompting.shown(prompt, lease.runner)
                return
            async with aclosing(
                self._answer(prompt, subject, think, held_to, options, lease, request, begun)
            ) as answer:
                async for event in answer:
                    yield event

    async def embed(self, request: EmbedRequest) -> Embeddings:
        """Turn texts into unit vectors. Without any, the model is only loaded."""
        begun = time.monotonic_ns()
        subject = await self._subjects.find(request.model)
        options = merge(subject.texts.parameters, request.options)
        wish = self._wish(subject, options, None, embedding=True)
        async with self._pool.lease(subject.model.name.short, wish, request.keep_alive) as lease:
            whole = [await lease.runner.tokenize(text) for text in request.texts]
            inputs = [await embeddable(tokens, request, lease) for tokens in whole]
            found = await vectors(inputs, lease, request.client)
            return Embeddings(
                vectors=tuple(cut(vector, request.dimensions) for vector in found),
                prompt_tokens=sum(map(len, inputs)),
                total_ns=time.monotonic_ns() - begun,
                load_ns=lease.load_ns,
                dropped=sum(max(len(text) - len(kept), 0) for text, kept in zip(whole, inputs, strict=True)),
            )

    # ── what they share ───────────────────────────────────────────────────────────────────────────

    def _wish(self, subject: Subject, options: Options, shift: bool | None, embedding: bool = False) -> Wish:
        model, header, shape = subject.model, subject.header, subject.shape
        return planning.wish(
            model, header, shape, options.load, shift, embedding, self._here, subject.projectors
        )

    async def _unload(self, subject: Subject) -> Chunk:
        if subject.model.weights is not None:
            await self._pool.unload(subject.model.weights.name)
        return Chunk(done=Done("unload"))

    async def _conversed(
        self,
        prompt: Prompt,
        subject: Subject,
        think: Think | None,
        held_to: Grammar | None,
        options: Options,
        lease: Lease,
        request: ChatRequest,
        begun: int,
    ) -> AsyncGenerator[Event, None]:
        """Have the engine's own route take the reply apart."""
        if request.top_logprobs is not None:
            raise Unsupported("logprobs: there are none where the engine reads the tool calls", "logprobs")
        if held_to is not None:
            raise Unsupported("format: nothing can be held to it where the engine reads tool calls", "format")
        window = lease.plan.window
        predict = max(_predict(options, window), 1)
        wanted = prompting.conversation(prompt, request, subject, think, options, predict, window)
        reserved = len(prompt.tokens) + predict
        splitter = subject.speech.format.splitter({}, think, prompt.ending)
        offered = replying.offered(request)
        steps = conversed(wanted, splitter, offered, reserved, request.client, lease, prompt.dropped)
        async with aclosing(steps):
            async for step in steps:
                if isinstance(step, Started):
                    yield step
                    continue
                said, end = step
                for chunk in replying.chunks(said):
                    yield chunk
                if end is not None:
                    yield _last(Said(), (), end, None, lease.load_ns, begun)

    async def _answer(
        self,
        prompt: Prompt,
        subject: Subject,
        think: Think | None,
        held_to: Grammar | None,
        options: Options,
        lease: Lease,
        request: Common,
        begun: int,
    ) -> AsyncGenerator[Event, None]:
        """Take a slot and stream what the engine writes, thoughts, calls and answer apart."""
        window = lease.plan.window
        predict = _predict(options, window)
        splitter, preserved = replying.taking_apart(request, subject.speech, think, prompt.ending)
        held = await constraint.text(held_to, request, subject.speech.format, think, prompt.ending)
        wanted = Completion(
            prompt.tokens,
            options.sampling,
            max(predict, 1),
            request.top_logprobs,
            grammar=held,
            preserved=(*preserved, *constraint.SPECIAL) if held else preserved,
            mixed=prompt.mixed,
        )
        guard, written = Repetition(window), Written(lease.runner, options.sampling.stop)
        waiting: tuple[Logprob, ...] = ()  # of text that the splitter holds back
        async with (
            lease.slot(len(prompt.tokens) + predict, request.client),
            aclosing(lease.runner.complete(wanted)) as pieces,
        ):
            await anext(pieces)  # the engine has accepted the prompt
            yield Started(prompt.dropped)
            async for told in pieces:
                if not predict and told.end is None:
                    continue  # an engine writes one token even where none was asked for
                piece = await written.feed(guard.passed(told))
                if piece is None:
                    continue
                waiting += piece.logprobs
                if piece.end is not None:
                    end = piece.end if predict else replace(piece.end, output_tokens=0)
                    context = None
                    if isinstance(request, GenerateRequest) and not request.raw and prompt.mixed is None:
                        context = (*prompt.tokens, *await written.tokens())
                    said = splitter.feed(piece.text) + splitter.flush()
                    if said.tool_calls:
                        for chunk in replying.chunks(said, waiting):
                            yield chunk
                        said, waiting = Said(), ()
                    yield _last(said, waiting, end, context, lease.load_ns, begun)
                    if told.end is None:  # the guard has ended it, and the engine does not know yet
                        return
                    continue
                if said := splitter.feed(piece.text):
                    for chunk in replying.chunks(said, waiting):
                        yield chunk
                    waiting = ()


def _last(
    said: Said,
    logprobs: tuple[Logprob, ...],
    end: End,
    context: tuple[int, ...] | None,
    load_ns: int,
    begun: int,
) -> Chunk:
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
    return Chunk(said.content, said.thinking, logprobs, Done(end.reason, usage, context))


# ── options and abilities ─────────────────────────────────────────────────────────────────────────


def _options(request: Common, subject: Subject) -> Options:
    options = merge(subject.texts.parameters, request.options)
    for name in options.unknown:
        log.warning("%s: unknown option %r ignored", request.model, name)
    return options


def _predict(options: Options, window: int) -> int:
    most = _MOST_WINDOWS * window
    asked = options.sampling.num_predict
    return most if asked < 0 else min(asked, most)


def _think(request: Common, subject: Subject) -> Think | None:
    """Whether to think: what was asked, or yes for a model that can; None for one that cannot."""
    if "thinking" in subject.abilities:
        return True if request.think is None else request.think
    if request.think:
        newer = subject.header.architecture == "qwen3" or subject.model.name.model == "deepseek-r1"
        raise Unsupported(
            f'"{request.model}" does not support thinking' + (_PULL_AGAIN if newer else ""), "thinking"
        )
    return None


def _require(subject: Subject, ability: str, sentence: str) -> None:
    if ability not in subject.abilities:
        raise Unsupported(sentence, ability)
