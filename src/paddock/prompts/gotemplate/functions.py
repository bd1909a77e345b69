"""The functions that templates may call: Go's own, and the four that Ollama gives them.

Each takes the arguments as a list and raises CallError with a sentence. `and` and `or` are not here: they
do not evaluate all of their arguments, so `render` knows them.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from paddock.prompts.gotemplate.formatting import display, sprint, sprintf, sprintln
from paddock.prompts.gotemplate.values import (
    Byte,
    Record,
    Slice,
    from_bytes,
    kind_of,
    to_bytes,
    to_json,
    truth,
)


class CallError(Exception):
    """A function was called with what it cannot take."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A function, and how many arguments it takes: at least `least`, at most `most` (None: any number)."""

    call: Callable[[Sequence[Any]], Any]
    least: int
    most: int | None = None


# ── comparing ─────────────────────────────────────────────────────────────────────────────────────


def _basic(value: Any) -> str:
    """The kind by which values are compared; empty for those that have no order."""
    for type_, name in (
        (bool, "bool"),
        (int, "int"),
        (float, "float"),
        (complex, "complex"),
        (str, "string"),
    ):
        if isinstance(value, type_):
            return name
    return ""


def _equal(arguments: Sequence[Any]) -> bool:
    first, *others = arguments
    if not others:
        raise CallError("missing argument for comparison")
    return any(_same(first, other) for other in others)


def _same(first: Any, second: Any) -> bool:
    one, two = _basic(first), _basic(second)
    if one and two:
        if one != two:
            raise CallError(f"incompatible types for comparison: {kind_of(first)} and {kind_of(second)}")
        return bool(first == second)
    if first is None or second is None:
        return first is second
    if one or two:
        raise CallError(f"incompatible types for comparison: {kind_of(first)} and {kind_of(second)}")
    for value in (first, second):
        if not _comparable(value):
            raise CallError(f"non-comparable type {display(value)}: {kind_of(value)}")
    return bool(first == second)


def _comparable(value: Any) -> bool:
    if isinstance(value, Record):
        return all(_comparable(each) for each in value.fields.values())
    return value is None or bool(_basic(value))


def _less(first: Any, second: Any) -> bool:
    one, two = _basic(first), _basic(second)
    if one and two and one != two:
        raise CallError(f"incompatible types for comparison: {kind_of(first)} and {kind_of(second)}")
    if one not in ("int", "float", "string") or not two:
        raise CallError(f"invalid type for comparison: {kind_of(first)} and {kind_of(second)}")
    if one == "string":  # ordered by their bytes
        return to_bytes(first) < to_bytes(second)
    return bool(first < second)


def _ordered(either: Callable[[bool, bool], bool]) -> Callable[[Sequence[Any]], bool]:
    def compare(arguments: Sequence[Any]) -> bool:
        first, second = arguments
        return either(_less(first, second), _same(first, second))

    return compare


# ── taking apart ──────────────────────────────────────────────────────────────────────────────────


def _length(arguments: Sequence[Any]) -> int:
    (value,) = arguments
    match value:
        case str():
            return len(value) if value.isascii() else len(to_bytes(value))
        case None:
            raise CallError("len of nil pointer")
        case list() | tuple() | bytes() | Mapping():
            return len(value)
    raise CallError(f"len of type {kind_of(value)}")


def _index(arguments: Sequence[Any]) -> Any:
    value, *keys = arguments
    if value is None:
        raise CallError("index of untyped nil")
    for key in keys:
        value = _item(value, key)
    return value


def _item(value: Any, key: Any) -> Any:
    match value:
        case None:
            raise CallError("index of nil pointer")
        case Mapping():
            if not isinstance(key, str):
                raise CallError(f"value has type {kind_of(key)}; should be string")
            return value.get(key)
        case str():
            return Byte(to_bytes(value)[_position(key, _length([value]) - 1)])
        case bytes():
            return Byte(value[_position(key, len(value) - 1)])
        case list() | tuple():
            return value[_position(key, len(value) - 1)]
    raise CallError(f"can't index item of type {kind_of(value)}")


def _position(key: Any, last: int) -> int:
    if key is None:
        raise CallError("cannot index slice/array with nil")
    if isinstance(key, bool) or not isinstance(key, int):
        raise CallError(f"cannot index slice/array with type {kind_of(key)}")
    if not 0 <= key <= last:
        raise CallError(f"index out of range: {key}")
    return key


def _slice(arguments: Sequence[Any]) -> Any:
    value, *bounds = arguments
    if value is None:
        raise CallError("slice of untyped nil")
    if len(bounds) > 3:
        raise CallError(f"too many slice indexes: {len(bounds)}")
    if isinstance(value, str) and len(bounds) == 3:
        raise CallError("cannot 3-index slice a string")
    if not isinstance(value, (str, *Slice)):
        raise CallError(f"can't slice item of type {kind_of(value)}")
    whole = to_bytes(value) if isinstance(value, str) else value
    places = [_position(bound, len(whole)) for bound in bounds]
    for low, high in pairwise(places):
        if low > high:
            raise CallError(f"invalid slice index: {low} > {high}")
    part = whole[places[0] if places else 0 : places[1] if len(places) > 1 else len(whole)]
    return from_bytes(part) if isinstance(value, str) and isinstance(part, bytes) else part


# ── text ──────────────────────────────────────────────────────────────────────────────────────────

_HTML = str.maketrans({"\0": "\ufffd", '"': "&#34;", "'": "&#39;", "&": "&amp;", "<": "&lt;", ">": "&gt;"})
_JS = str.maketrans(
    {code: f"\\u{code:04X}" for code in range(32)}
    | {ord(char): f"\\u{ord(char):04X}" for char in "<>&="}
    | {ord(char): "\\" + char for char in "\\'\""}
)
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~")


def _joined(arguments: Sequence[Any]) -> str:
    if len(arguments) == 1:
        return display(arguments[0])
    return sprint(["<no value>" if each is None else each for each in arguments])


def _html(arguments: Sequence[Any]) -> str:
    return _joined(arguments).translate(_HTML)


def _js(arguments: Sequence[Any]) -> str:
    escaped = _joined(arguments).translate(_JS)
    if escaped.isprintable():
        return escaped
    return "".join(
        char if char.isprintable() or char == "\x7f" else f"\\u{ord(char):04X}" for char in escaped
    )


def _urlquery(arguments: Sequence[Any]) -> str:
    raw = to_bytes(_joined(arguments))
    return "".join(
        chr(byte) if byte in _UNRESERVED else "+" if byte == 32 else f"%{byte:02X}" for byte in raw
    )


def _printf(arguments: Sequence[Any]) -> str:
    form, *values = arguments
    if not isinstance(form, str):
        raise CallError(f"wrong type for value; expected string; got {kind_of(form)}")
    return sprintf(form, values)


def _call(arguments: Sequence[Any]) -> Any:
    if arguments[0] is None:
        raise CallError("call of nil")
    raise CallError(f"non-function {display(arguments[0])} of type {kind_of(arguments[0])}")


# ── Ollama's ──────────────────────────────────────────────────────────────────────────────────────


def _json(arguments: Sequence[Any]) -> str:
    return to_json(arguments[0])


def _current_date(_: Sequence[Any]) -> str:
    return date.today().isoformat()


def _yesterday_date(_: Sequence[Any]) -> str:
    return (date.today() - timedelta(days=1)).isoformat()


_TYPESCRIPT = {
    "string": "string",
    "number": "number",
    "integer": "number",
    "boolean": "boolean",
    "array": "any[]",
    "object": "Record<string, any>",
    "null": "null",
}


def typescript_type(schema: Any) -> str:
    """The TypeScript type of a property: a Record with AnyOf and Type, or a JSON schema."""
    if isinstance(schema, Record):
        choices, names = schema.fields.get("AnyOf"), schema.fields.get("Type")
    elif isinstance(schema, Mapping):
        choices, names = schema.get("anyOf"), schema.get("type")
    else:
        raise CallError(f"wrong type for value; expected a property; got {kind_of(schema)}")
    if isinstance(choices, list | tuple) and choices:
        return " | ".join(typescript_type(each) for each in choices)
    if isinstance(names, str):
        names = [names]
    if not isinstance(names, list | tuple) or not names:
        return "any"
    return " | ".join(_TYPESCRIPT.get(str(name), "any") for name in names)


def _typescript(arguments: Sequence[Any]) -> str:
    return typescript_type(arguments[0])


FUNCTIONS: Mapping[str, Signature] = {
    "call": Signature(_call, 1),
    "eq": Signature(_equal, 1),
    "ge": Signature(_ordered(lambda less, same: not less), 2, 2),
    "gt": Signature(_ordered(lambda less, same: not less and not same), 2, 2),
    "html": Signature(_html, 0),
    "index": Signature(_index, 1),
    "js": Signature(_js, 0),
    "le": Signature(_ordered(lambda less, same: less or same), 2, 2),
    "len": Signature(_length, 1, 1),
    "lt": Signature(_ordered(lambda less, same: less), 2, 2),
    "ne": Signature(lambda arguments: not _same(*arguments), 2, 2),
    "not": Signature(lambda arguments: not truth(arguments[0]), 1, 1),
    "print": Signature(sprint, 0),
    "printf": Signature(_printf, 1),
    "println": Signature(sprintln, 0),
    "slice": Signature(_slice, 1),
    "urlquery": Signature(_urlquery, 0),
    "json": Signature(_json, 1, 1),
    "currentDate": Signature(_current_date, 0),
    "yesterdayDate": Signature(_yesterday_date, 0),
    "toTypeScriptType": Signature(_typescript, 1, 1),
}
#: Known by name only: they leave arguments unevaluated.
SHORT_CIRCUIT: Mapping[str, Callable[[bool], bool]] = {"and": operator.not_, "or": bool}
