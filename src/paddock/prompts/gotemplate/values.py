"""How Python values stand for Go's inside templates.

| Python | Go |
|---|---|
| None | nil, and a value that is not there |
| bool, int, float, complex, str | bool, int, float64, complex128, string |
| bytes | []byte |
| list, tuple | []any |
| dict | map[string]any |
| Record | a struct |

A Go string is bytes. A str with surrogate escapes holds bytes that are no UTF-8; lengths and indexes are
counted in bytes.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Record:
    """A Go struct: `fields` under Go's names, in order. With `plain` it prints as the JSON of that."""

    kind: str
    fields: Mapping[str, Any]
    plain: Any = field(default=None)


class Byte(int):
    """An element of a string or of bytes: Go's uint8."""

    __slots__ = ()


class Names(tuple[str, ...]):
    """A slice of strings that prints bare where there is one, as JSON schemas write a single type."""

    __slots__ = ()


class JsonList(tuple[Any, ...]):
    """A slice that prints as JSON."""

    __slots__ = ()


class JsonMap(dict[str, Any]):
    """A map that prints as JSON, its keys in their own order; a loop goes through them sorted."""

    __slots__ = ()


Slice = (list, tuple, bytes)
_SURROGATE = re.compile("[\ud800-\udfff]")
_NO_ESCAPE = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def truth(value: Any) -> bool:
    """Whether Go's templates take `value` for true: a struct always is."""
    return isinstance(value, Record) or bool(value)


def kind_of(value: Any) -> str:
    """Go's name for the type of a value, as messages show it."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "bool"
        case Byte():
            return "uint8"
        case int():
            return "int"
        case float():
            return "float64"
        case complex():
            return "complex128"
        case str():
            return "string"
        case bytes():
            return "[]uint8"
        case Record(kind=kind):
            return kind
        case list() | tuple():
            return "[]interface {}"
        case _:
            return "map[string]interface {}"


def to_bytes(text: str) -> bytes:
    """The bytes of a Go string."""
    return text.encode("utf-8", "surrogateescape")


def from_bytes(raw: bytes) -> str:
    """The Go string that consists of these bytes."""
    return raw.decode("utf-8", "surrogateescape")


def plain_text(text: str) -> str:
    """Proper Unicode: halves of a character that met are whole again, other strange bytes become U+FFFD."""
    if text.isascii() or not _SURROGATE.search(text):
        return text
    known = _NO_ESCAPE.sub("\ufffd", text)  # half of a UTF-16 pair stands for no byte
    return _SURROGATE.sub("\ufffd", from_bytes(to_bytes(known)))


# ── JSON as Go writes it ──────────────────────────────────────────────────────────────────────────

_ESCAPES = {
    chr(code): f"\\u{code:04x}" for code in (*range(32), ord("<"), ord(">"), ord("&"), 0x2028, 0x2029)
}
_ESCAPES |= {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
_TABLE = str.maketrans(_ESCAPES | {chr(code): "\\ufffd" for code in range(0xD800, 0xE000)})


def to_json(value: Any) -> str:
    """`value` as encoding/json writes it: compact, with `<`, `>` and `&` escaped, and the keys of plain maps
    sorted."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value.translate(_TABLE)}"'
        case int():
            return str(value)
        case float():
            return json_number(value)
        case Record(plain=None, fields=fields):
            return _json_object(fields, fields)
        case Record(plain=plain):
            return to_json(plain)
        case Names() if len(value) == 1:
            return to_json(value[0])
        case list() | tuple():
            return f"[{','.join(map(to_json, value))}]"
        case bytes():
            return f'"{base64.b64encode(value).decode()}"'
        case JsonMap():
            return _json_object(value, value)
        case Mapping():
            return _json_object(value, sorted(value))
        case _:
            return "null"


def _json_object(value: Mapping[str, Any], keys: Any) -> str:
    return f"{{{','.join(f'{to_json(str(key))}:{to_json(value[key])}' for key in keys)}}}"


def json_number(value: float) -> str:
    """A float as encoding/json writes it: 3 for 3.0, exponents only outside 1e-6 … 1e21."""
    if not math.isfinite(value):
        return "null"
    size = abs(value)
    if size and not 1e-6 <= size < 1e21:
        mantissa, _, exponent = repr(value).partition("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"
    digits = format(value, "f") if size >= 1e16 else repr(value)
    if "e" in digits:  # between 1e-6 and 1e-4 Python uses an exponent
        mantissa, _, exponent = digits.partition("e")
        places = len(mantissa.partition(".")[2].replace("0", "", 0)) + -int(exponent)
        digits = format(value, f".{places}f")
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
