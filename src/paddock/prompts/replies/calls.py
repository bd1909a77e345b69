"""Tool calls out of a reply: what every format has in common.

A format says with which marks a call may begin and how it is read. What begins like a call and is none (bad
JSON, a tool nobody offered, an answer that ended too early) comes back as the text it was, marks and all: a
reply never loses a word. White space around calls belongs to neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paddock.messages import ToolCall
from paddock.prompts.replies.cursor import Cursor, More, Wrong, json_value
from paddock.prompts.replies.said import Said

#: The tools that were offered: by name, the JSON schema of the arguments. None: nobody said which there are,
#: so any name is one.
Offered = Mapping[str, Mapping[str, Any]] | None
Reader = Callable[[Cursor, Offered], Sequence[ToolCall]]


@dataclass(frozen=True, slots=True)
class Grammar:
    """How calls are written. `marks` begin one anywhere; `leading` only where nothing else has been said
    yet, or after another call. `read` is given a cursor that stands before the mark; it raises More and
    Wrong."""

    read: Reader
    marks: tuple[str, ...] = ()
    leading: tuple[str, ...] = ()


def call(name: object, arguments: object, offered: Offered) -> ToolCall:
    """A call from what a model wrote: arguments as an object, as the text of one, or not at all. Raises
    Wrong where that is none, or the tool unknown."""
    if isinstance(arguments, str):
        arguments = json_value(arguments)
    if arguments is None:
        arguments = {}
    known(name, offered)
    if not isinstance(arguments, Mapping):
        raise Wrong
    return ToolCall(str(name), arguments)


def known(name: object, offered: Offered) -> Mapping[str, Any]:
    """The schema of a tool's arguments. Raises Wrong where there is no such tool."""
    if not isinstance(name, str) or not name or (offered is not None and name not in offered):
        raise Wrong
    return offered[name] if offered is not None else {}


def calls(value: object, offered: Offered) -> tuple[ToolCall, ...]:
    """The calls in a JSON value: an object with name and arguments (or parameters), or a list of such."""
    entries = value if isinstance(value, list) else [value]
    if not entries:
        raise Wrong
    return tuple(_call_of(entry, offered) for entry in entries)


def _call_of(entry: Any, offered: Offered) -> ToolCall:
    if isinstance(entry, dict) and isinstance(entry.get("function"), dict):
        entry = entry["function"]
    if not isinstance(entry, dict):
        raise Wrong
    return call(
        entry.get("name", entry.get("function")), entry.get("arguments", entry.get("parameters")), offered
    )


class CallSplitter:
    """Takes the calls out of a text by a Grammar. Their indices count from 0."""

    def __init__(self, grammar: Grammar, offered: Offered) -> None:
        self._grammar = grammar
        self._offered = offered
        self._everywhere = re.compile("|".join(map(re.escape, grammar.marks)) or "(?!)")
        self._text = ""  # not yet told, and no call begins in it as far as can be seen
        self._space = ""  # white space before what may be a call
        self._region: Cursor | None = None  # what may be a call
        self._leading = True
        self._after_call = False
        self._count = 0

    def feed(self, text: str) -> Said:
        if self._region is None:
            self._text += text
        else:
            self._region.text += text
        return self._advance(ended=False)

    def flush(self) -> Said:
        if self._region is not None:
            self._region.ended = True
        return self._advance(ended=True)

    def _advance(self, ended: bool) -> Said:
        said = Said()
        while True:
            if self._region is None and not self._begin(ended):
                return said + self._prose(ended)
            said += self._prose_before()
            region = self._region
            assert region is not None
            region.at = 0
            try:
                found = self._grammar.read(region, self._offered)
            except More:
                return said
            except Wrong:
                said += self._no_call(region)
            else:
                said += self._calls(region, found)

    def _begin(self, ended: bool) -> bool:
        """Whether a call may begin in the text: then it is cut there."""
        if self._after_call:
            self._text = self._text.lstrip()
        if self._leading:
            stripped = self._text.lstrip()
            if stripped.startswith(self._grammar.leading or ("\0",)):
                return self._cut(len(self._text) - len(stripped), ended)
        found = self._everywhere.search(self._text)
        return found is not None and self._cut(found.start(), ended)

    def _cut(self, place: int, ended: bool) -> bool:
        self._region = Cursor(self._text[place:], ended)
        self._text = self._text[:place]
        return True

    def _prose_before(self) -> Said:
        """The text before what may be a call. Its last white space waits until that is known."""
        text, self._text = self._text, ""
        content = text.rstrip()
        self._space += text[len(content) :]
        return self._told(content)

    def _prose(self, ended: bool) -> Said:
        """As much of the text as certainly belongs to no call."""
        sure = len(self._text) if ended else len(self._text) - self._unsure()
        text, self._text = self._text[:sure], self._text[sure:]
        return self._told(text)

    def _told(self, content: str) -> Said:
        if content:
            self._after_call = False
            self._leading = self._leading and not content.strip()
        return Said(content=content)

    def _unsure(self) -> int:
        """How many characters at the end may belong to a mark, or be white space before one."""
        stripped = self._text.lstrip()
        if self._leading and any(mark.startswith(stripped) for mark in self._grammar.leading):
            return len(self._text)
        size = max((overlap(self._text, mark) for mark in self._grammar.marks), default=0)
        before = self._text[: len(self._text) - size]
        if not self._grammar.marks and not self._leading:
            return 0
        return len(self._text) - len(before.rstrip())

    def _no_call(self, region: Cursor) -> Said:
        """It was none: the mark is text, and what stands after it is looked at anew."""
        mark = next(m for m in (*self._grammar.marks, *self._grammar.leading) if region.text.startswith(m))
        space, self._space, self._region = self._space, "", None
        self._text = region.text[len(mark) :]
        return self._told(space + mark)

    def _calls(self, region: Cursor, found: Sequence[ToolCall]) -> Said:
        self._space, self._region, self._text = "", None, region.text[region.at :]
        self._after_call = self._leading = True
        numbered = tuple(replace(each, index=self._count + n) for n, each in enumerate(found))
        self._count += len(numbered)
        return Said(tool_calls=numbered)


def overlap(text: str, mark: str) -> int:
    """How many characters at the end of `text` are the beginning of `mark`, but not the whole of it."""
    place = text.find(mark[0], max(len(text) - len(mark) + 1, 0))
    while place >= 0 and not mark.startswith(text[place:]):
        place = text.find(mark[0], place + 1)
    return len(text) - place if place >= 0 else 0
