"""Mistral calls, after `[TOOL_CALLS]`: a JSON array of them, or since 2025 a name, `[ARGS]` and an object.

Between name and arguments a `[CALL_ID]` may stand. Sources: Mistral's documentation, "Function calling" and
"Tokenization" (versions 3, 7, 11 and 13 of the instruct tokenizer in `mistral-common`); Magistral's model
card for its thoughts between `[THINK]` and `[/THINK]`.
"""

from __future__ import annotations

from collections.abc import Sequence

from paddock.messages import ToolCall
from paddock.prompts.replies.calls import Grammar, Offered, call, calls, known
from paddock.prompts.replies.cursor import Cursor
from paddock.prompts.replies.thinking import Tags

MARK = "[TOOL_CALLS]"
ARGUMENTS, IDENTITY = "[ARGS]", "[CALL_ID]"
THOUGHTS = Tags("[THINK]", "[/THINK]")


def _read(cursor: Cursor, offered: Offered) -> Sequence[ToolCall]:
    cursor.literal(MARK)
    cursor.space()
    # The array is the likelier; a name begins with neither.
    if cursor.optional("[", "{"):
        cursor.at -= 1
        return calls(cursor.value(), offered)
    name = cursor.name()
    known(name, offered)
    cursor.space()
    if cursor.optional(IDENTITY, ARGUMENTS) == IDENTITY:
        cursor.until(ARGUMENTS)
    cursor.space()
    return (call(name, cursor.value("{"), offered),)


GRAMMAR = Grammar(_read, marks=(MARK,))
PRESERVED = (MARK, ARGUMENTS, IDENTITY, THOUGHTS.opening, THOUGHTS.closing)
