"""Llama 3.1 to 3.3: a call is the whole answer, as bare JSON `{"name": …, "parameters": {…}}`, or follows
`<|python_tag|>`.

After the tag comes either such an object, or a built-in tool in Python's notation as in
`brave_search.call(query="…")`, or code for the tool named `code_interpreter`. Several objects are separated
by semicolons. Source: Meta, "Llama 3.1: model cards and prompt formats", under "tool calling".
"""

from __future__ import annotations

from collections.abc import Sequence

from paddock.messages import ToolCall
from paddock.prompts.replies.calls import Grammar, Names, call, calls
from paddock.prompts.replies.cursor import Cursor, Wrong
from paddock.prompts.replies.pythonic import read_call

TAG = "<|python_tag|>"
_INTERPRETER = "code_interpreter"
_METHOD = ".call"


def _read(cursor: Cursor, names: Names) -> Sequence[ToolCall]:
    tagged = bool(cursor.optional(TAG, ";") == TAG)
    cursor.space()
    if not tagged or cursor.text.startswith("{", cursor.at):
        return calls(cursor.value("{"), names)
    start = cursor.at
    try:
        return (_built_in(cursor, names),)
    except Wrong:
        cursor.at = start
        if names is not None and _INTERPRETER not in names:
            raise
        code = cursor.rest().rstrip()
        if not code:
            raise
        return (call(_INTERPRETER, {"code": code}, names),)


def _built_in(cursor: Cursor, names: Names) -> ToolCall:
    return read_call(cursor, names, cursor.name().removesuffix(_METHOD))


GRAMMAR = Grammar(_read, marks=(TAG,), leading=("{", ";"))
PRESERVED = (TAG,)
