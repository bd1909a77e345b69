"""From a request to the tokens an engine will read: rendered, tokenized and made to fit.

Nothing is shortened silently: what is lost is counted in the Prompt, and logged.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paddock.engines.conversing import Conversation
from paddock.engines.dialect import Mixed
from paddock.engines.runner import Runner
from paddock.errors import PromptTooLong, Unsupported
from paddock.messages import ChatRequest, Common, GenerateRequest, Message, Rendered, Think
from paddock.options import Options
from paddock.prompts import collate
from paddock.prompts.linking import linked
from paddock.prompts.renderer import Renderer
from paddock.prompts.templated import GoFormat
from paddock.scheduler.pool import Lease
from paddock.service import attachments
from paddock.service.attachments import Attachments
from paddock.service.subjects import Subject

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the engine will read. `text` is all of it, empty where only the tokens are known; `ending` what
    was rendered of it for this request; `messages` the turns of a conversation that are in it; `mixed` is
    set where there are media among the tokens."""

    tokens: tuple[int, ...]
    dropped: int = 0
    ending: str = ""
    messages: tuple[Message, ...] = ()
    text: str = ""
    mixed: Mixed | None = None


# ── chat ──────────────────────────────────────────────────────────────────────────────────────────


async def chat_prompt(
    request: ChatRequest, subject: Subject, think: Think | None, options: Options, lease: Lease
) -> Prompt:
    """The conversation, made to fit the window. Raises Unsupported, TemplateError, PromptTooLong,
    EngineError."""

    async def render(messages: Sequence[Message]) -> str:
        return await _rendered(messages, subject, think, lease.runner, request.tools)

    said, attached = attachments.in_messages(_conversation(request, subject))
    prompt = await _fit_conversation(said, attached, render, lease, request)
    return _fit_tokens(prompt, lease, options, request)


def _conversation(request: ChatRequest, subject: Subject) -> tuple[Message, ...]:
    said = collate.conversation(subject.texts.messages, request.messages, subject.texts.system)
    config, name = subject.model.config, subject.model.name.model
    family = config.model_family or subject.header.architecture
    return collate.without_old_thoughts(said) if family == "qwen3" or name == "deepseek-r1" else said


async def _rendered(
    messages: Sequence[Message],
    subject: Subject,
    think: Think | None,
    runner: Runner,
    tools: Sequence[Mapping[str, Any]] = (),
) -> str:
    speech = subject.speech
    choice, form = speech.choice, speech.format
    choice.check()
    effort = None if think is None else form.effort(think)
    goes_on = collate.goes_on(messages)
    if choice.renderer is Renderer.GO and choice.format is not None:
        said = linked(messages, form.short_ids)
        text = await asyncio.to_thread(choice.format.conversation, said, tools, effort)
        # A Go template writes the answer's beginning itself, and nothing can be put before it any more.
        return form.quiet(text, speech.obeys_think) if think is False and not goes_on else text
    # An engine that is given the answer's beginning opens a thought before it, whatever it is told.
    begun = messages[-1].content if goes_on else ""
    values = collate.template_values(linked(messages[:-1] if begun else messages, form.short_ids))
    variables = collate.template_variables(effort)
    text = await runner.apply_template(values, collate.tool_values(tools), **variables)
    return (form.quiet(text, speech.obeys_think) if think is False else text) + begun


def conversation(
    prompt: Prompt,
    request: ChatRequest,
    subject: Subject,
    think: Think | None,
    options: Options,
    predict: int,
    window: int,
) -> Conversation:
    """The conversation of `prompt` for the engine's own chat route. Raises PromptTooLong where it was cut in
    its middle, which cannot be done there, and Unsupported where it has media."""
    if prompt.mixed is not None:
        raise Unsupported("tools: this model takes none beside images", "tools")
    if not prompt.text:
        raise PromptTooLong(len(prompt.tokens) + prompt.dropped, window)
    return Conversation(
        messages=collate.template_values(linked(prompt.messages, subject.speech.format.short_ids)),
        tools=collate.tool_values(request.tools),
        variables=collate.template_variables(think),
        sampling=options.sampling,
        predict=predict,
        window=window,
        thoughts=not subject.speech.format.thinks,
    )


async def _fit_conversation(
    said: tuple[Message, ...],
    attached: Attachments,
    render: Callable[[Sequence[Message]], Awaitable[str]],
    lease: Lease,
    request: ChatRequest,
) -> Prompt:
    """Render the conversation without its oldest turns, as many of them as have no room."""
    runner = lease.runner

    async def rendered(drop: int) -> Prompt:
        kept = collate.without_oldest(said, drop)
        text = await render(kept)
        found = await attachments.read(text, attached, runner)
        return Prompt(found.tokens, ending=text, messages=kept, text=found.text, mixed=found.mixed)

    whole = await rendered(0)
    if len(whole.tokens) < lease.plan.window or not request.truncate:
        return whole

    async def fits(drop: int) -> bool:
        return len((await rendered(drop)).tokens) < lease.plan.window

    shorter = await rendered(await collate.fewest_dropped(collate.beginnings(said), fits))
    return replace(shorter, dropped=len(whole.tokens) - len(shorter.tokens))


# ── generate ──────────────────────────────────────────────────────────────────────────────────────


async def _generate_text(
    request: GenerateRequest, subject: Subject, think: Think | None, runner: Runner
) -> tuple[str, Attachments]:
    if request.raw or (subject.speech.choice.is_bare and not request.template):
        return attachments.in_raw(request.prompt, request.media)
    system = subject.texts.system if request.system is None else request.system
    stored = () if request.context else subject.texts.messages
    asked = Message("user", request.prompt, media=request.media)
    said, attached = attachments.in_messages(collate.conversation(stored, (asked,), system))
    if request.template:
        own = await asyncio.to_thread(GoFormat.parse, request.template)
        return await asyncio.to_thread(own.conversation, said, (), think), attached
    return await _rendered(said, subject, think, runner), attached


async def generate_prompt(
    request: GenerateRequest, subject: Subject, think: Think | None, options: Options, lease: Lease
) -> Prompt:
    """The prompt, made to fit the window. Raises Unsupported, TemplateError, PromptTooLong, EngineError."""
    whole = await _whole_prompt(request, subject, think, lease.runner)
    return _fit_tokens(whole, lease, options, request)


async def _whole_prompt(
    request: GenerateRequest, subject: Subject, think: Think | None, runner: Runner
) -> Prompt:
    if request.suffix:
        return await _insertion(request, subject, runner)
    text, attached = await _generate_text(request, subject, think, runner)
    found = await attachments.read(text, attached, runner, request.context)
    return Prompt(found.tokens, ending=text, text=found.text, mixed=found.mixed)


async def _insertion(request: GenerateRequest, subject: Subject, runner: Runner) -> Prompt:
    """The prompt for a text between two others: through a template that knows of them, else between the
    marks that the GGUF names."""
    own = await asyncio.to_thread(GoFormat.parse, request.template) if request.template else None
    format_ = own or subject.speech.choice.format
    if format_ is not None and "insert" in format_.says.abilities:
        text = await asyncio.to_thread(format_.insertion, request.prompt, request.suffix, None)
        return Prompt(await runner.tokenize(text), ending=text, text=text)
    marks = subject.header.fim_tokens
    if marks is None:
        raise Unsupported(f"{subject.model.name.full} does not support insert", "insert")
    before = await runner.tokenize(request.prompt, special=False)
    after = await runner.tokenize(request.suffix, special=False)
    return Prompt((marks[0], *before, marks[1], *after, marks[2]))


# ── both ──────────────────────────────────────────────────────────────────────────────────────────


async def shown(prompt: Prompt, runner: Runner) -> Rendered:
    """The prompt as the model would see it, for whoever asked for nothing else. Raises EngineError."""
    media = len(prompt.mixed.media) if prompt.mixed else 0
    return Rendered(prompt.text or await runner.detokenize(prompt.tokens), prompt.dropped, media)


def _fit_tokens(prompt: Prompt, lease: Lease, options: Options, request: Common) -> Prompt:
    """Cut the middle out of a prompt that is too long by itself. Raises PromptTooLong where that is
    forbidden; otherwise the log and the answer say how many tokens are gone."""
    window = lease.plan.window
    if len(prompt.tokens) >= window:
        # A medium cannot be cut, and without it a question makes no sense.
        if not request.truncate or not lease.plan.shift or prompt.mixed is not None:
            raise PromptTooLong(len(prompt.tokens), window)
        kept = collate.drop_middle(prompt.tokens, window, options.sampling.num_keep)
        dropped = prompt.dropped + len(prompt.tokens) - len(kept)
        prompt = replace(prompt, tokens=kept, dropped=dropped, text="")
    if prompt.dropped:
        log.warning(
            "%s: the prompt was shortened by %d tokens to fit the context window of %d",
            request.model,
            prompt.dropped,
            window,
        )
    return prompt
