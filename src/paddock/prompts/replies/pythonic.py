"""Calls in Python's notation, `name(key="value", other=[1, True])`, read without running anything.

Only literals are values: strings, numbers, lists, dictionaries, and the words for true, false and nothing in
Python's spelling and in JSON's. Arguments without a name are in the order of the function's definition.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from paddock.messages import ToolCall
from paddock.prompts.replies.calls import Offered, call, known
from paddock.prompts.replies.cursor import Cursor, Wrong

_STRING = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)\"""", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d{1,300}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", re.DOTALL)
_LETTERS = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "\n": ""}
_WORDS: dict[str, Any] = {
    "True": True,
    "False": False,
    "None": None,
    "true": True,
    "false": False,
    "null": None,
}


def read_call(cursor: Cursor, offered: Offered, name: str) -> ToolCall:
    """The call of `name`, of which the bracket comes next. Raises More and Wrong."""
    schema = known(name, offered)  # before anything is waited for
    properties = schema.get("properties")
    order = tuple(properties) if isinstance(properties, Mapping) else ()
    return call(name, arguments(cursor.bracketed("(", "\"'"), order), offered)


def arguments(text: str, order: Sequence[str] = ()) -> dict[str, Any]:
    """What stands between the brackets of a call, brackets included, by name; `order` names those that stand
    there without one. Raises Wrong."""
    cursor = Cursor(text, ended=True)
    found: dict[str, Any] = {}
    cursor.literal("(")
    cursor.space()
    while not cursor.optional(")"):
        key = _key(cursor) or (order[len(found)] if len(found) < len(order) else "")
        if not key or key in found:
            raise Wrong
        found[key] = _value(cursor)
        _separated(cursor, ")")
    if not cursor.finished:
        raise Wrong
    return found


def _key(cursor: Cursor) -> str:
    """The name before a value, "" where there is none."""
    start = cursor.at
    try:
        key = cursor.name()
        cursor.space()
        cursor.literal("=")
    except Wrong:
        cursor.at = start
        return ""
    cursor.space()
    return key


def _value(cursor: Cursor) -> Any:
    if cursor.optional("["):
        return _list(cursor)
    if cursor.optional("{"):
        return _dictionary(cursor)
    if string := _STRING.match(cursor.text, cursor.at):
        cursor.at = string.end()
        return _plain(string[1] if string[1] is not None else string[2])
    if number := _NUMBER.match(cursor.text, cursor.at):
        cursor.at = number.end()
        return int(number[0]) if number[0].lstrip("+-").isdigit() else float(number[0])
    word = cursor.name()
    if word not in _WORDS:
        raise Wrong
    return _WORDS[word]


def _list(cursor: Cursor) -> list[Any]:
    found = []
    cursor.space()
    while not cursor.optional("]"):
        found.append(_value(cursor))
        _separated(cursor, "]")
    return found


def _dictionary(cursor: Cursor) -> dict[str, Any]:
    found = {}
    cursor.space()
    while not cursor.optional("}"):
        key = _value(cursor)
        if not isinstance(key, str):
            raise Wrong
        cursor.space()
        cursor.literal(":")
        cursor.space()
        found[key] = _value(cursor)
        _separated(cursor, "}")
    return found


def _separated(cursor: Cursor, closing: str) -> None:
    """Over the comma between two entries; the last may have one too."""
    cursor.space()
    if not cursor.optional(",") and not cursor.text.startswith(closing, cursor.at):
        raise Wrong
    cursor.space()


def _plain(text: str) -> str:
    def meant(escape: re.Match[str]) -> str:
        what = escape[1]
        if len(what) > 1:
            return chr(int(what[1:], 16))
        return _LETTERS.get(what, what if what in "\\'\"" else "\\" + what)

    return _ESCAPE.sub(meant, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
