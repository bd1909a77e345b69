"""Hermes calls: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, as often as there are calls.

Hermes 2 Pro began it; Qwen 2.5 and Qwen 3 and many others write the same. Sources: the model card of
Hermes-2-Pro-Llama-3-8B, "Prompt Format for Function Calling"; Qwen's documentation, "Function Calling".
"""

from __future__ import annotations

from collections.abc import Sequence

from paddock.messages import ToolCall
from paddock.prompts.replies.calls import Grammar, Offered, calls
from paddock.prompts.replies.cursor import Cursor

OPENING, CLOSING = "<tool_call>", "</tool_call>"


def _read(cursor: Cursor, offered: Offered) -> Sequence[ToolCall]:
    cursor.literal(OPENING)
    cursor.space()
    found = calls(cursor.value(), offered)
    cursor.space()
    if not cursor.finished:  # a model that ends right after the object has said all there is to say
        cursor.literal(CLOSING)
    return found


GRAMMAR = Grammar(_read, marks=(OPENING,))
#: Where these are special tokens an engine would keep them to itself.
PRESERVED = (OPENING, CLOSING)
