"""DeepSeek-R1: a thought between `<think>` and `</think>`; calls between marks of their own.

    <｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME
    ```json
    {…}
    ```<｜tool▁call▁end｜>…<｜tool▁calls▁end｜>

V3.1 leaves out the type and the fence. Sources: the chat templates in the tokenizer configurations of
DeepSeek-R1 and its distills, and of DeepSeek-V3.1.
"""

from __future__ import annotations

from collections.abc import Sequence

from paddock.messages import ToolCall
from paddock.prompts.replies.calls import Grammar, Offered, call
from paddock.prompts.replies.cursor import Cursor

CALLS_BEGIN, CALLS_END = "<｜tool▁calls▁begin｜>", "<｜tool▁calls▁end｜>"
CALL_BEGIN, CALL_END = "<｜tool▁call▁begin｜>", "<｜tool▁call▁end｜>"
SEPARATOR = "<｜tool▁sep｜>"
_TYPE, _FENCE = "function", "```"


def _read(cursor: Cursor, offered: Offered) -> Sequence[ToolCall]:
    cursor.literal(CALLS_BEGIN)
    cursor.space()
    found: list[ToolCall] = []
    while not found or not cursor.optional(CALLS_END):
        found.append(_one(cursor, offered))
        cursor.space()
        if cursor.finished:
            break
    return found


def _one(cursor: Cursor, offered: Offered) -> ToolCall:
    cursor.literal(CALL_BEGIN)
    name = cursor.until(SEPARATOR).strip()
    cursor.space()
    if name == _TYPE and not cursor.text.startswith("{", cursor.at):
        name = cursor.name()
        cursor.space()
    if fenced := cursor.optional(_FENCE):
        cursor.until("\n")
        cursor.space()
    arguments = cursor.value("{")
    cursor.space()
    if fenced and not cursor.finished:
        cursor.literal(_FENCE)
        cursor.space()
    if not cursor.finished:
        cursor.literal(CALL_END)
    return call(name, arguments, offered)


GRAMMAR = Grammar(_read, marks=(CALLS_BEGIN,))
PRESERVED = (CALLS_BEGIN, CALLS_END, CALL_BEGIN, CALL_END, SEPARATOR)
