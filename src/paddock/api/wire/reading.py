"""Reading a JSON body into a struct the way Ollama reads it, with errors that name the field.

Only the first JSON value counts, unknown fields are ignored, field names match in any case, and null
leaves a field as if it had not been sent (all of this is Go's encoding/json). What is wrong is told in
terms of the body, as in `messages[0].content`.
"""

from __future__ import annotations

import functools
import json
import re
from typing import Any, TypeVar, get_args

import msgspec

from paddock.errors import BadField, BadRequest

T = TypeVar("T", bound=msgspec.Struct)

_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
#: Python refuses to read longer whole numbers; nobody means them.
_DIGITS = 1000
_AT = re.compile(r"^(?P<what>.*?)(?: - at `\$(?P<path>[^`]*)`)?$", re.S)


def read(body: bytes, shape: type[T]) -> T:
    """`body` as a `shape`. Raises BadRequest, or BadField naming the field."""
    if not body.strip():
        raise BadRequest("missing request body")
    value = _first_value(body)
    if not isinstance(value, dict):
        raise BadRequest(f"the request body must be a JSON object, not {_kind(value)}")
    try:
        return msgspec.convert(folded(value, shape), shape)
    except msgspec.ValidationError as error:
        raise _in_our_words(error) from None


def _first_value(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:  # slower, but it stops after the first value and says where it stumbled
        text = body.decode("utf-8-sig")
        return _whole(_JSON.raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))[0])
    except UnicodeDecodeError as error:
        raise BadRequest(f"the request body is not UTF-8: byte {error.start} cannot be read") from None
    except json.JSONDecodeError as error:
        raise BadRequest(
            f"the request body is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except ValueError as error:
        raise BadRequest(f"the request body is not valid JSON: {error}") from None
    except RecursionError:
        raise BadRequest("the request body is nested too deeply") from None


def _refuse_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number")


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number has more than {_DIGITS} digits")
    return int(digits)


_JSON = json.JSONDecoder(parse_constant=_refuse_constant, parse_int=_integer)


def _whole(value: Any) -> Any:
    """`value` with U+FFFD for halves of characters (`\\ud800`), which no UTF-8 can hold."""
    match value:
        case str():
            return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        case list():
            return [_whole(entry) for entry in value]
        case dict():
            return {_whole(key): _whole(entry) for key, entry in value.items()}
    return value


def folded(value: dict[str, Any], shape: type[msgspec.Struct]) -> dict[str, Any]:
    """`value` with its keys spelled as `shape` spells them, and without its nulls."""
    fields = _spellings(shape)
    result: dict[str, Any] = {}
    for key, entry in value.items():
        spelling = fields.get(key.lower())
        if spelling is None or entry is None:
            continue
        name, inner = spelling
        if inner is not None and isinstance(entry, dict):
            entry = folded(entry, inner)
        elif inner is not None and isinstance(entry, list):
            entry = [folded(each, inner) if isinstance(each, dict) else each for each in entry]
        result[name] = entry
    return result


@functools.cache  # looking into a struct takes longer than reading a body
def _spellings(shape: type[msgspec.Struct]) -> dict[str, tuple[str, type[msgspec.Struct] | None]]:
    """For each field of `shape`, by its name in small letters: the right spelling, and its own struct."""
    return {
        field.encode_name.lower(): (field.encode_name, _struct_within(field.type))
        for field in msgspec.structs.fields(shape)
    }


def _struct_within(annotation: Any) -> type[msgspec.Struct] | None:
    """The struct that `annotation` is, or is a list or an option of."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    return next((found for part in get_args(annotation) if (found := _struct_within(part))), None)


def _in_our_words(error: msgspec.ValidationError) -> BadRequest:
    match = _AT.match(str(error))
    assert match is not None
    what = re.sub(r"`([^`]*)`", lambda m: _phrase(m.group(1)), match["what"])
    field = (match["path"] or "").removeprefix(".").replace("[...]", "[]")
    what = what[:1].lower() + what[1:]
    if missing := re.match(r"Object missing required field `([^`]*)`", match["what"]):
        field, what = f"{field}.{missing[1]}".lstrip("."), "it is required"
    return BadField(field, f"invalid value for {field}: {what}" if field else what)


def _phrase(kinds: str) -> str:
    return " or ".join(_WORDS.get(kind, kind) for kind in kinds.split(" | "))


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
