"""Modelfiles, as text: how an instruction and its value are written so that reading gives it back.

Values stand bare where they can, in quotes where they must: a value that spans lines, begins or ends
with a blank, or begins with a quote. Three quotes are used around a value that has quotes inside.
"""

from __future__ import annotations

from decimal import Decimal


def instruction(name: str, value: str) -> str:
    """One instruction, as in `FROM tiny` or `SYSTEM \"\"\"…\"\"\"`; no line break at the end."""
    return f"{name} {quoted(value)}"


def quoted(value: str) -> str:
    """`value`, in quotes where the Modelfile grammar asks for them."""
    if "\n" not in value and value == value.strip() and value[:1] != '"':
        return value
    return f'"""{value}"""' if '"' in value else f'"{value}"'


def plain(value: object) -> str:
    """An option's value as PARAMETER takes it: whole numbers without a point, booleans in lower case."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def go_literal(value: object) -> str:
    """An option's value as Go's `%#v` writes it, which is how Ollama's `parameters` text shows it.

    JSON numbers are floats to Go, so from a million on they have an exponent: `1.048576e+06`.
    """
    match value:
        case bool():
            return plain(value)
        case int() | float():
            return _go_float(float(value))
        case str():
            return _go_string(value)
        case None:
            return "<nil>"
    return str(value)


def _go_float(number: float) -> str:
    """Shortest digits that read back the same, as `strconv.FormatFloat(number, 'g', -1, 64)`."""
    shortest = Decimal(repr(number))
    if not shortest.is_finite() or not number:
        return repr(number).removesuffix(".0")
    sign, digits, exponent = shortest.normalize().as_tuple()
    assert isinstance(exponent, int)
    power = len(digits) - 1 + exponent
    if -4 <= power < 6:
        return format(shortest.normalize(), "f")
    text = "".join(map(str, digits))
    fraction = f".{text[1:]}" if len(text) > 1 else ""
    return f"{'-' if sign else ''}{text[0]}{fraction}e{power:+03d}"


_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def _go_string(text: str) -> str:
    return '"' + "".join(_go_character(character) for character in text) + '"'


def _go_character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
