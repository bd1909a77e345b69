"""Gemma 3, which has no marks for calls: the prompt asks for a form and the answer is nothing but that.

Its documentation proposes two: `[name(key="value"), …]` in Python's notation, and an object with `name` and
`parameters`. Google's examples also have either in a fence that is marked ```tool_code. Sources: Gemma's
documentation, "Function calling with Gemma" and "Meme generator" (ai.google.dev).
"""

from __future__ import annotations

from collections.abc import Sequence

from paddock.messages import ToolCall
from paddock.prompts.replies.calls import Grammar, Offered, calls
from paddock.prompts.replies.cursor import Cursor
from paddock.prompts.replies.pythonic import read_call

_FENCE = "```"
_FENCES = (f"{_FENCE}tool_code", f"{_FENCE}json")


def _read(cursor: Cursor, offered: Offered) -> Sequence[ToolCall]:
    fenced = cursor.optional(*_FENCES)
    cursor.space()
    found = _calls(cursor, offered)
    if fenced:
        cursor.space()
        if not cursor.finished:
            cursor.literal(_FENCE)
    return found


def _calls(cursor: Cursor, offered: Offered) -> Sequence[ToolCall]:
    if cursor.optional("{"):
        cursor.at -= 1
        return calls(cursor.value("{"), offered)
    listed = cursor.optional("[")
    found: list[ToolCall] = []
    while True:
        cursor.space()
        found.append(read_call(cursor, offered, cursor.name()))
        if not listed:
            return found
        cursor.space()
        if cursor.literal(",", "]") == "]":
            return found


GRAMMAR = Grammar(_read, leading=("[", "{", *_FENCES))
