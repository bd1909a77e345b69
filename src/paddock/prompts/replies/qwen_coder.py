"""Qwen 3 Coder, and Qwen 3.5 after it: calls in tags, a tag an argument.

    <tool_call>
    <function=NAME>
    <parameter=KEY>
    VALUE
    </parameter>
    </function>
    </tool_call>

A value stands there as it is, without quotes, so its type is what the tool's definition says; a value that is
not of that type is a string. Source: the chat template of Qwen3-Coder-30B-A3B-Instruct.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from paddock.messages import ToolCall
from paddock.prompts.replies.calls import Grammar, Offered, call, known
from paddock.prompts.replies.cursor import Cursor, Wrong, json_value

OPENING, CLOSING = "<tool_call>", "</tool_call>"
FUNCTION, FUNCTION_END = "<function=", "</function>"
PARAMETER, PARAMETER_END = "<parameter=", "</parameter>"
_PYTHON = {"True": "true", "False": "false", "None": "null"}
_KINDS: Mapping[str, type | tuple[type, ...]] = {
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "array": list,
    "object": dict,
    "null": type(None),
}


def _read(cursor: Cursor, offered: Offered) -> Sequence[ToolCall]:
    tagged = cursor.optional(OPENING)
    cursor.space()
    found: list[ToolCall] = []
    while not found or cursor.optional(FUNCTION):
        if not found:
            cursor.literal(FUNCTION)
        found.append(_one(cursor, offered))
        cursor.space()
        if cursor.finished:
            return found
        if not tagged:
            break
    if tagged:
        cursor.literal(CLOSING)
    else:  # the opening tag is forgotten at times, and the closing one then is not
        cursor.optional(CLOSING)
    return found


def _one(cursor: Cursor, offered: Offered) -> ToolCall:
    name = cursor.until(">").strip()
    schema = known(name, offered)
    arguments: dict[str, Any] = {}
    cursor.space()
    while cursor.literal(PARAMETER, FUNCTION_END) == PARAMETER:
        key = cursor.until(">").strip()
        text = cursor.until(PARAMETER_END).removeprefix("\n").removesuffix("\n")
        arguments[key] = _typed(text, _types(schema, key))
        cursor.space()
    return call(name, arguments, offered)


def _types(schema: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """What types the definition allows; none where it does not say."""
    properties = schema.get("properties")
    wanted = properties.get(key) if isinstance(properties, Mapping) else None
    if not isinstance(wanted, Mapping):
        return ()
    choices = [wanted, *(one for one in wanted.get("anyOf") or () if isinstance(one, Mapping))]
    found: list[str] = []
    for choice in choices:
        kind = choice.get("type")
        found += [kind] if isinstance(kind, str) else kind if isinstance(kind, list) else ()
    return tuple(found)


def _typed(text: str, types: Sequence[str]) -> Any:
    if not types or "string" in types:
        return text
    bare = text.strip()
    try:
        value = json_value(_PYTHON.get(bare, bare))
    except Wrong:
        return text
    for kind in types:
        fits = isinstance(value, _KINDS.get(kind, ()))
        if fits and (kind == "boolean" or not isinstance(value, bool)):
            return value
    return text


GRAMMAR = Grammar(_read, marks=(OPENING, FUNCTION))
PRESERVED = (OPENING, CLOSING)
