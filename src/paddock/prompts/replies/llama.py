"""Llama 3.1 to 3.3: a call is the whole answer, as bare JSON `{"name": …, "parameters": {…}}`, or follows
`<|python_tag|>`.

After the tag comes either such an object, or a built-in tool in Python's notation as in
`brave_search.call(query="…")`, or code for the tool named `code_interpreter`. Several objects are separated
by semicolons. Source: Meta, "Llama 3.1: model cards and prompt formats", under "tool calling".
"""

from __future__ import annotations

from collections.abc import Sequence

from paddock.messages import ToolCall
from paddock.prompts.replies.calls import Grammar, Offered, call, calls
from paddock.prompts.replies.cursor import Cursor, Wrong
from paddock.prompts.replies.pythonic import read_call

TAG = "<|python_tag|>"
_INTERPRETER = "code_interpreter"
_METHOD = ".call"


def _read(cursor: Cursor, offered: Offered) -> Sequence[ToolCall]:
    tagged = bool(cursor.optional(TAG, ";") == TAG)
    cursor.space()
    if not tagged or cursor.text.startswith("{", cursor.at):
        return calls(cursor.value("{"), offered)
    start = cursor.at
    try:
        return (_built_in(cursor, offered),)
    except Wrong:
        cursor.at = start
        if offered is not None and _INTERPRETER not in offered:
            raise
        code = cursor.rest().rstrip()
        if not code:
            raise
        return (call(_INTERPRETER, {"code": code}, offered),)


def _built_in(cursor: Cursor, offered: Offered) -> ToolCall:
    return read_call(cursor, offered, cursor.name().removesuffix(_METHOD))


GRAMMAR = Grammar(_read, marks=(TAG,), leading=("{", ";"))
PRESERVED = (TAG,)
