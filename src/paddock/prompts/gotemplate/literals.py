"""How Go writes numbers, characters and strings, read into values.

The forms are those of the Go specification (https://go.dev/ref/spec#Lexical_elements). A Go string is a
string of bytes: those that are no UTF-8 are kept as Python's surrogate escapes.
"""

from __future__ import annotations

import re

_INTEGER = re.compile(
    r"[+-]?(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|0(?:_?[0-7])*|[1-9](?:_?[0-9])*)"
)
_DECIMAL = re.compile(r"[+-]?(?:[0-9](?:_?[0-9])*)?(?:\.(?:[0-9](?:_?[0-9])*)?)?(?:[eE][+-]?[0-9]+)?")
_HEXADECIMAL = re.compile(
    r"[+-]?0[xX](?:_?[0-9a-fA-F])*(?:\.(?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?)?[pP][+-]?[0-9]+"
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\'\"])|([0-7]{3})|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|\\|[^\\]+"
)
_SHORT = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}

INT_MIN, INT_MAX = -(1 << 63), (1 << 63) - 1


def number(text: str) -> int | float | complex:
    """The number that `text` writes. Raises ValueError with a sentence."""
    if text.endswith("i"):
        return _complex(text)
    if _INTEGER.fullmatch(text):
        value = _integer(text)
        if not INT_MIN <= value <= INT_MAX:
            raise ValueError(f"{text} overflows int")
        return value
    return _float(text)


def character(text: str) -> int:
    """The code point of a character in single quotes. Raises ValueError."""
    value = _unescaped(text[1:-1], "'")
    if isinstance(value, bytes) and len(value) == 1:  # '\xff' is a code point, not a byte
        return value[0]
    decoded = value.decode("utf-8", "surrogateescape")
    if len(decoded) != 1:
        raise ValueError(f"malformed character constant: {text}")
    return ord(decoded)


def string(text: str) -> str:
    """The string that a quoted text stands for. Raises ValueError."""
    if text[0] == "`":
        return text[1:-1].replace("\r", "")
    if "\\" not in text:
        return text[1:-1]
    return _unescaped(text[1:-1], '"').decode("utf-8", "surrogateescape")


def _integer(text: str) -> int:
    digits = text.replace("_", "").lower()
    sign, digits = (-1 if digits[0] == "-" else 1), digits.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        return sign * int(digits, 8)
    return sign * int(digits, 0)


def _float(text: str) -> float:
    plain = text.replace("_", "")
    if _HEXADECIMAL.fullmatch(text):
        return float.fromhex(plain)
    if not _DECIMAL.fullmatch(text) or not any(c.isdigit() for c in text.lower().partition("e")[0]):
        raise ValueError(f"bad number syntax: {text!r}")
    if not set(".eE") & set(text):
        raise ValueError(f"integer overflow: {text!r}" if text[0] != "0" else f"bad number syntax: {text!r}")
    value = float(plain)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"bad number syntax: {text!r}: value out of range")
    return value


def _complex(text: str) -> complex:
    # The imaginary part begins at the last sign that is not an exponent's.
    digits = text[:-1]
    signs = [i for i, c in enumerate(digits) if c in "+-" and i and digits[i - 1] not in "eEpP"]
    split = signs[-1] if signs else 0
    return complex(_part(digits[:split] or "0"), _part(digits[split:]))


def _part(text: str) -> float:
    # In an imaginary part a leading zero means nothing: 010i is 10i.
    decimal = re.fullmatch(r"[+-]?[0-9_]+", text)
    value = int(text) if decimal else number(text)
    if isinstance(value, complex):
        raise ValueError(f"bad number syntax: {text!r}")
    return float(value)


def _unescaped(text: str, quote: str) -> bytes:
    found = bytearray()
    for match in _ESCAPE.finditer(text):
        short, octal, byte, four, eight = match.groups()
        if short in ("'", '"'):
            if short != quote:
                raise ValueError(f"invalid syntax: \\{short}")
            found += short.encode()
        elif short:
            found += _SHORT[short].encode()
        elif octal or byte:
            value = int(octal, 8) if octal else int(byte, 16)
            if value > 255:
                raise ValueError(f"invalid syntax: \\{octal}")
            found.append(value)
        elif four or eight:
            value = int(four or eight, 16)
            if value > 0x10FFFF or 0xD800 <= value <= 0xDFFF:
                raise ValueError(f"invalid syntax: {match[0]}")
            found += chr(value).encode()
        elif match[0] == "\\":
            raise ValueError("invalid syntax: unknown escape")
        else:
            found += match[0].encode("utf-8", "surrogateescape")
    return bytes(found)
