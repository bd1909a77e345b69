"""Which splitter a model's replies go through: told from its template.

A template says how calls and thoughts of earlier turns are written, so it contains the marks with which
the model will write its own. `of_jinja` looks for the marks of the formats built in; `of_tags` takes the
tags that were inferred from a Go template, and knows the built-in formats among those.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Protocol

from paddock.messages import Think
from paddock.prompts.replies import deepseek, gemma, harmony, hermes, llama, mistral, qwen_coder, tagged
from paddock.prompts.replies.calls import CallSplitter, Grammar, Offered
from paddock.prompts.replies.said import Plain, Said, Splitter
from paddock.prompts.replies.thinking import Tags, ThinkingSplitter


class Format(Protocol):
    """How a model marks what is thought, what is called and what is answered. `name` is for people;
    `preserved` are special tokens that an engine would otherwise not write out; `reads_calls` says whether
    tools can be used with it, `thinks` whether thoughts are told apart; `short_ids` that its templates
    refuse ids of calls other than nine letters and digits."""

    @property
    def name(self) -> str: ...
    @property
    def preserved(self) -> tuple[str, ...]: ...
    @property
    def reads_calls(self) -> bool: ...
    @property
    def thinks(self) -> bool: ...
    @property
    def short_ids(self) -> bool: ...

    def splitter(self, offered: Offered, think: Think | None, prompt: str) -> Splitter:
        """For one reply to `prompt`. `offered` are the tools, None where nobody said which there are; `think`
        is None where the model cannot."""
        ...

    def effort(self, think: Think) -> Think:
        """How hard to think, in what the model understands."""
        ...

    def quiet(self, prompt: str, obeys: bool) -> str:
        """`prompt`, for which thinking is off, changed so that it is. `obeys` says that the template was
        told and does something about it."""
        ...


@dataclass(frozen=True, slots=True)
class Marked:
    """A format with tags around thoughts, marks before calls, or both."""

    name: str
    thoughts: Tags | None = None
    grammar: Grammar | None = None
    preserved: tuple[str, ...] = ()
    short_ids: bool = False

    @property
    def reads_calls(self) -> bool:
        return self.grammar is not None

    @property
    def thinks(self) -> bool:
        return self.thoughts is not None

    def splitter(self, offered: Offered, think: Think | None, prompt: str) -> Splitter:
        thoughts = calls = None
        if self.thoughts is not None and think is not None:
            thoughts = ThinkingSplitter(self.thoughts, opened=self.thoughts.opened_by(prompt))
        if self.grammar is not None and offered:
            calls = CallSplitter(self.grammar, offered)
        elif self.grammar is not None and offered is None:
            # Where no tool was named, only a mark tells a call from an answer that looks like one.
            calls = CallSplitter(replace(self.grammar, leading=()), None)
        if thoughts is not None and calls is not None:
            return _Both(thoughts, calls)
        return thoughts or calls or Plain()

    def effort(self, think: Think) -> Think:
        return think

    def quiet(self, prompt: str, obeys: bool) -> str:
        if self.thoughts is None or (obeys and not self.thoughts.opened_by(prompt)):
            return prompt
        return self.thoughts.without_thought(prompt)


@dataclass(frozen=True, slots=True)
class Channels:
    """Harmony, the format of gpt-oss. It always thinks; least where it was told not to."""

    name: str = "harmony"
    preserved: tuple[str, ...] = harmony.PRESERVED
    reads_calls: bool = True
    thinks: bool = True
    short_ids: bool = False

    def splitter(self, offered: Offered, think: Think | None, prompt: str) -> Splitter:
        return harmony.HarmonySplitter(offered, prompt)

    def effort(self, think: Think) -> Think:
        return {False: "low", True: "medium", "max": "high"}.get(think, think)  # type: ignore[return-value]

    def quiet(self, prompt: str, obeys: bool) -> str:
        return prompt


class _Both:
    """Thoughts first, and calls in what is left."""

    def __init__(self, thoughts: ThinkingSplitter, calls: CallSplitter) -> None:
        self._thoughts = thoughts
        self._calls = calls

    def feed(self, text: str) -> Said:
        said = self._thoughts.feed(text)
        return Said(said.thinking) + self._calls.feed(said.content)

    def flush(self) -> Said:
        said = self._thoughts.flush()
        return Said(said.thinking) + self._calls.feed(said.content) + self._calls.flush()


#: Neither thoughts nor calls are marked, as far as is known.
PLAIN = Marked("plain")

_THOUGHTS = (Tags(), mistral.THOUGHTS, Tags("<|START_THINKING|>", "<|END_THINKING|>"))
_MISTRAL = Marked("mistral", None, mistral.GRAMMAR, mistral.PRESERVED, short_ids=True)
_DEEPSEEK = Marked("deepseek", None, deepseek.GRAMMAR, deepseek.PRESERVED)
_QWEN_CODER = Marked("qwen-coder", None, qwen_coder.GRAMMAR, qwen_coder.PRESERVED)
_HERMES = Marked("hermes", None, hermes.GRAMMAR, hermes.PRESERVED)
_LLAMA = Marked("llama", None, llama.GRAMMAR, llama.PRESERVED)
#: What a template contains of a format, the most telling first.
_FORMATS = (
    (mistral.MARK, _MISTRAL),
    (deepseek.CALLS_BEGIN, _DEEPSEEK),
    (qwen_coder.FUNCTION, _QWEN_CODER),
    ("<arg_key>", PLAIN),  # GLM 4.5 has Hermes' tags around something else
    (hermes.OPENING, _HERMES),
    (llama.TAG, _LLAMA),
    ("<|start_header_id|>", _LLAMA),
    ("<start_of_turn>", Marked("gemma", None, gemma.GRAMMAR)),
)
#: Ollama's names for parsers of the formats that are built in here, and whether they take thoughts apart.
_PARSERS = {
    "qwen3": (_HERMES, True),
    "qwen3-thinking": (_HERMES, True),
    "qwen3-vl-instruct": (_HERMES, False),
    "qwen3-vl-thinking": (_HERMES, True),
    "qwen3-coder": (_QWEN_CODER, False),
    "qwen3.5": (_QWEN_CODER, True),
    "deepseek3": (_DEEPSEEK, True),
    "ministral": (_MISTRAL, True),
    "passthrough": (PLAIN, False),
}
#: What the formats are called, thoughts aside.
NAMES = (*dict.fromkeys(found.name for _, found in _FORMATS), Channels().name, PLAIN.name)
_THOUGHT_CUT_OFF = re.compile(r"""split\(\s*['"]</think>""")


def of_jinja(template: str) -> Format:
    """The format of a model whose prompts are made by a Jinja template."""
    if harmony.CHANNEL in template and harmony.MESSAGE in template:
        return Channels()
    return _with_thoughts(_calls_in(template), _thoughts_in(template))


def of_tags(template: str, thoughts: Tags | None, tag: str | None) -> Format:
    """The format of a model whose prompts are made by a Go template, with the tags inferred from it: around
    thoughts, and before calls. None: the template shows none."""
    if harmony.CHANNEL in template and harmony.MESSAGE in template:
        return Channels()
    if tag is None:
        return _with_thoughts(PLAIN, thoughts)
    found = _calls_in(template)
    marks = () if found.grammar is None else (*found.grammar.marks, *found.grammar.leading)
    # What begins a list of calls may be taken for a part of the tag, as in `[TOOL_CALLS] [`.
    if not any(tag.startswith(mark) for mark in marks):
        found = Marked("tagged", None, tagged.grammar(tag), (tag,))
    return _with_thoughts(found, thoughts)


def of_parser(parser: str) -> Format | None:
    """The format that Ollama calls `parser` in a model's configuration; None where it is none of ours."""
    if parser == "harmony":
        return Channels()
    if parser not in _PARSERS:
        return None
    found, thinks = _PARSERS[parser]
    return _with_thoughts(found, (mistral.THOUGHTS if found is _MISTRAL else Tags()) if thinks else None)


def _calls_in(template: str) -> Marked:
    if not any(word in template for word in ("tools", "tool_call", ".Tools", ".ToolCalls")):
        return PLAIN
    return next((found for mark, found in _FORMATS if mark in template), PLAIN)


def _thoughts_in(template: str) -> Tags | None:
    for tags in _THOUGHTS:
        if tags.opening in template and (tags.closing in template or "enable_thinking" in template):
            return tags
    return Tags() if _THOUGHT_CUT_OFF.search(template) else None


def _with_thoughts(found: Marked, thoughts: Tags | None) -> Marked:
    if thoughts is None:
        return found
    name = "thinking" if found is PLAIN else f"{found.name}, thinking"
    marks = (thoughts.opening, thoughts.closing)
    preserved = (*found.preserved, *(mark for mark in marks if mark not in found.preserved))
    return Marked(name, thoughts, found.grammar, preserved, found.short_ids)
