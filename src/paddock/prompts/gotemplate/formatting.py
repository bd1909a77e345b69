"""Values as Go's fmt prints them: print, println, printf and what a template prints by itself.

The verbs and flags are those of https://pkg.go.dev/fmt. What fmt says of wrong verbs and missing operands
is said here too, in the text that is printed, because that is where templates show it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from paddock.prompts.gotemplate.numbers import formatted
from paddock.prompts.gotemplate.values import (
    JsonList,
    JsonMap,
    Names,
    Record,
    from_bytes,
    kind_of,
    to_bytes,
    to_json,
)

#: Characters that one call may print.
MOST_TEXT = 16 << 20
#: Go refuses wider fields.
_WIDEST = 1_000_000
_NO_VALUE = "<no value>"


class TooLong(Exception):
    """Something would print more than MOST_TEXT."""


@dataclass(frozen=True, slots=True)
class Spec:
    """One directive of a format: its flags, width, precision and verb."""

    verb: str = "v"
    plus: bool = False
    minus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    width: int | None = None
    precision: int | None = None
    named: bool = False  # %+v: structs show the names of their fields
    syntax: bool = False  # %#v: as Go source

    def pad(self, text: str) -> str:
        """`text` at least as wide as asked, counted in characters."""
        if self.width is None or len(text) >= self.width:
            return text
        return text.ljust(self.width) if self.minus else text.rjust(self.width, "0" if self.zero else " ")


_PLAIN = Spec()


def display(value: Any) -> str:
    """What a template prints for the value of an action."""
    match value:
        case str():
            return value
        case None:
            return _NO_VALUE
        case _:
            return shown(value, _PLAIN)


def _gathered(parts: Iterable[str]) -> list[str]:
    """The parts, unless they are too long together, which is noticed before the last one is made."""
    found, length = [], 0
    for part in parts:
        length += len(part) + 1
        if length > MOST_TEXT:
            raise TooLong
        found.append(part)
    return found


def sprint(values: Sequence[Any]) -> str:
    """fmt.Sprint: a space between two operands neither of which is a string."""

    def parts() -> Iterator[str]:
        for number, value in enumerate(values):
            if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
                yield " "
            yield shown(value, _PLAIN)

    return "".join(_gathered(parts()))


def sprintln(values: Sequence[Any]) -> str:
    """fmt.Sprintln: a space between all operands, and a line feed."""
    return " ".join(_gathered(shown(value, _PLAIN) for value in values)) + "\n"


# ── printf ────────────────────────────────────────────────────────────────────────────────────────

_DIRECTIVE = re.compile(
    r"%(?P<flags>[-+# 0]*)(?P<index1>\[[^\]]*\]|\[)?(?P<width>\*|\d+)?"
    r"(?P<dot>\.(?P<index2>\[[^\]]*\]|\[)?(?P<precision>\*|\d+)?)?(?P<index3>\[[^\]]*\]|\[)?(?P<verb>.)?",
    re.DOTALL,
)


class _Operands:
    """The operands of a format, taken one after another unless `[n]` picks one."""

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = values
        self._next = 0
        self.reordered = False
        self.good = True

    def pick(self, index: str | None) -> None:
        if index is None:
            return
        self.reordered = True
        number = int(index[1:-1]) if index[1:-1].isdecimal() else 0
        self.good = 0 < number <= len(self._values)
        if self.good:
            self._next = number - 1

    def take(self) -> Any:
        """The next one; raises IndexError."""
        value = self._values[self._next]
        self._next += 1
        return value

    def number(self) -> int | None:
        """The next one as a width or precision; None where it is none."""
        value = self._values[self._next] if self._next < len(self._values) else None
        self._next += self._next < len(self._values)
        fine = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _WIDEST
        return value if fine else None

    def extra(self) -> Sequence[Any]:
        return () if self.reordered else self._values[self._next :]


def sprintf(form: str, values: Sequence[Any]) -> str:
    """fmt.Sprintf."""
    return "".join(_gathered(_printed(form, _Operands(values))))


def _printed(form: str, operands: _Operands) -> Iterator[str]:
    at = 0
    while (percent := form.find("%", at)) >= 0:
        yield form[at:percent]
        found = _DIRECTIVE.match(form, percent)
        assert found is not None  # "%" alone matches
        yield from _directive(found, operands)
        at = found.end()
    yield form[at:]
    extra = operands.extra()
    if extra:
        yield "%!(EXTRA "
        for number, each in enumerate(extra):
            yield ", " if number else ""
            yield "<nil>" if each is None else f"{kind_of(each)}={shown(each, _PLAIN)}"
        yield ")"


def _directive(found: re.Match[str], operands: _Operands) -> Iterator[str]:
    verb, flags = found["verb"], set(found["flags"])
    operands.good = True
    operands.pick(found["index1"])
    width, precision = _size(found["width"], operands), None
    if width is None and found["width"]:
        yield "%!(BADWIDTH)"
    if found["dot"]:
        operands.pick(found["index2"])
        precision = _size(found["precision"] or "0", operands)
        if (precision is None or precision < 0) and found["precision"]:
            yield "%!(BADPREC)"
            precision = None
    operands.pick(found["index3"])
    if verb is None:
        yield "%!(NOVERB)"
        return
    if verb == "%":
        yield "%"
        return
    if not operands.good:
        yield f"%!{verb}(BADINDEX)"
        return
    try:
        value = operands.take()
    except IndexError:
        yield f"%!{verb}(MISSING)"
        return
    minus = "-" in flags or (width or 0) < 0
    spec = Spec(
        verb,
        plus="+" in flags,
        minus=minus,
        sharp="#" in flags,
        space=" " in flags,
        zero="0" in flags and not minus,
        width=None if width is None else abs(width),
        precision=precision,
    )
    if verb == "v":  # the two flags mean something else with %v
        spec = replace(spec, plus=False, sharp=False, named=spec.plus, syntax=spec.sharp)
    yield shown(value, spec)


def _size(text: str | None, operands: _Operands) -> int | None:
    if text is None:
        return None
    if text == "*":
        return operands.number()
    return int(text) if len(text) < 8 and int(text) <= _WIDEST else None


# ── values ────────────────────────────────────────────────────────────────────────────────────────


def shown(value: Any, spec: Spec, depth: int = 0) -> str:
    """`value` as one directive prints it."""
    if value is None:
        return _nil(spec, depth)
    if spec.verb == "T":
        return spec.pad(kind_of(value))
    if spec.verb in "vsxXq" and not spec.syntax:
        if _prints_as_json(value):
            return _string(to_json(value), spec)
        if isinstance(value, Names) and len(value) < 2:
            return _string("".join(value), spec)
    match value:
        case bool():
            return spec.pad("true" if value else "false") if spec.verb in "tv" else _bad(value, spec)
        case int():
            return _integer(value, spec)
        case float():
            return _float(value, spec)
        case complex():
            return _complex(value, spec)
        case str():
            return _string(value, spec)
        case bytes() if spec.verb in "sqxX":
            return _string(from_bytes(value), spec)
        case Record():
            return _record(value, spec, depth)
        case Mapping():
            return _map(value, spec, depth)
        case list() | tuple() | bytes():
            return _slice(value, spec, depth)
    return _bad(value, spec)


def _prints_as_json(value: Any) -> bool:
    if isinstance(value, Record):
        return value.plain is not None
    return isinstance(value, JsonList | JsonMap)


def _nil(spec: Spec, depth: int) -> str:
    if depth:  # the zero of an interface inside something else
        return "interface {}(nil)" if spec.syntax else "<nil>"
    return spec.pad("<nil>") if spec.verb in "vT" else f"%!{spec.verb}(<nil>)"


def _bad(value: Any, spec: Spec) -> str:
    return f"%!{spec.verb}({kind_of(value)}={shown(value, replace(spec, verb='v'))})"


def _slice(value: Sequence[Any], spec: Spec, depth: int) -> str:
    inside = _gathered(shown(each, spec, depth + 1) for each in value)
    if spec.syntax:
        if isinstance(value, bytes):
            inside = [f"0x{each:x}" for each in value]
            return f"[]byte{{{', '.join(inside)}}}"
        return f"{kind_of(value)}{{{', '.join(inside)}}}"
    return f"[{' '.join(inside)}]"


def _map(value: Mapping[Any, Any], spec: Spec, depth: int) -> str:
    keys = sorted(value)
    pairs = _gathered(f"{shown(key, spec, depth + 1)}:{shown(value[key], spec, depth + 1)}" for key in keys)
    return f"{kind_of(value)}{{{', '.join(pairs)}}}" if spec.syntax else f"map[{' '.join(pairs)}]"


def _record(value: Record, spec: Spec, depth: int) -> str:
    named = spec.named or spec.syntax
    inside = _gathered(
        (f"{name}:" if named else "") + shown(each, spec, depth + 1) for name, each in value.fields.items()
    )
    return f"{value.kind}{{{', '.join(inside)}}}" if spec.syntax else f"{{{' '.join(inside)}}}"


# ── numbers ───────────────────────────────────────────────────────────────────────────────────────

_BASES: Mapping[str, tuple[Callable[[int], str], str]] = {
    "d": (lambda n: format(n, "d"), ""),
    "v": (lambda n: format(n, "d"), ""),
    "b": (lambda n: format(n, "b"), "0b"),
    "o": (lambda n: format(n, "o"), "0"),
    "O": (lambda n: format(n, "o"), ""),
    "x": (lambda n: format(n, "x"), "0x"),
    "X": (lambda n: format(n, "X"), "0X"),
}


def _integer(value: int, spec: Spec) -> str:
    if spec.verb in "cqU":
        return _character(value, spec)
    if spec.verb not in _BASES:
        return _bad(value, spec)
    if spec.precision == 0 and value == 0:
        return " " * (spec.width or 0)
    write, prefix = _BASES[spec.verb]
    sign = "-" if value < 0 else "+" if spec.plus else " " if spec.space else ""
    digits = write(abs(value))
    if spec.precision is not None:
        digits = digits.rjust(spec.precision, "0")
    elif spec.zero and spec.width:
        digits = digits.rjust(spec.width - len(sign), "0")
    if spec.sharp and not (spec.verb == "o" and digits.startswith("0")):
        digits = prefix + digits
    if spec.verb == "O":
        digits = "0o" + digits
    return replace(spec, zero=False).pad(sign + digits)


def _character(value: int, spec: Spec) -> str:
    char = chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF else "\ufffd"
    if spec.verb == "c":
        return spec.pad(char)
    if spec.verb == "q":
        return spec.pad(_quoted(char, "'", ascii_only=spec.plus))
    code = f"U+{value:04X}" if value >= 0 else f"U+{value + (1 << 64):04X}"
    if spec.sharp and char.isprintable():
        code += f" '{char}'"
    return replace(spec, zero=False).pad(code)


def _float(value: float, spec: Spec, pad: bool = True) -> str:
    verb = "g" if spec.verb == "v" else spec.verb
    if verb not in "eEfFgGbxX":
        return _bad(value, spec)
    default = 6 if verb in "eEfF" else -1
    text = formatted(value, verb, default if spec.precision is None else spec.precision)
    if spec.sharp:
        text = _keep_zeros(text, verb, spec.precision)
    if text[0] not in "+-":
        text = "+" + text
    if text[1:] in ("Inf", "NaN"):
        spec = replace(spec, zero=False)
        return spec.pad("NaN" if text == "+NaN" and not spec.plus else text)
    sign = text[0] if spec.plus or text[0] == "-" else " " if spec.space else ""
    digits = text[1:]
    if not pad:
        return sign + digits
    if spec.zero and spec.width:
        return sign + digits.rjust(spec.width - len(sign), "0")
    return replace(spec, zero=False).pad(sign + digits)


def _keep_zeros(text: str, verb: str, precision: int | None) -> str:
    """With the flag # there is always a point, and %g keeps as many digits as its precision says."""
    mantissa, mark, power = text.partition("E" if "E" in text else "e")
    if "." not in mantissa:
        mantissa += "."
    if verb in "gG":
        digits = mantissa.lstrip("+-0.") if set(mantissa) & set("123456789") else mantissa.lstrip("+-")
        wanted = 6 if precision is None else precision or 1
        mantissa += "0" * max(wanted - sum(char.isdigit() for char in digits), 0)
    return mantissa + mark + power


def _complex(value: complex, spec: Spec) -> str:
    if spec.verb not in "vbgGxXfFeE":
        return _bad(value, spec)
    real = _float(value.real, replace(spec, zero=False))
    imaginary = _float(value.imag, replace(spec, plus=True, zero=False))
    return f"({real}{imaginary}i)"


# ── strings ───────────────────────────────────────────────────────────────────────────────────────


def _string(text: str, spec: Spec) -> str:
    match spec.verb:
        case "v" if spec.syntax:
            return spec.pad(_quoted(text, '"'))
        case "v" | "s":
            return spec.pad(text if spec.precision is None else text[: spec.precision])
        case "q":
            text = text if spec.precision is None else text[: spec.precision]
            if spec.sharp and _can_backquote(text):
                return spec.pad(f"`{text}`")
            return spec.pad(_quoted(text, '"', ascii_only=spec.plus))
        case "x" | "X":
            return spec.pad(_hexadecimal(to_bytes(text), spec))
    return _bad(text, spec)


def _hexadecimal(raw: bytes, spec: Spec) -> str:
    raw = raw if spec.precision is None else raw[: spec.precision]
    prefix = "0x" if spec.sharp else ""
    if not raw:
        return ""
    digits = f" {prefix}".join(f"{byte:02x}" for byte in raw) if spec.space else raw.hex()
    digits = prefix + digits
    return digits.upper() if spec.verb == "X" else digits


def _can_backquote(text: str) -> bool:
    return all(char == "\t" or (char not in "`\x7f\ufeff" and char >= " ") for char in text) and not any(
        "\ud800" <= char <= "\udfff" for char in text
    )


_SHORT = {
    "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v", "\\": "\\\\"
}  # fmt: skip


def _quoted(text: str, quote: str, ascii_only: bool = False) -> str:
    """strconv.Quote."""
    return quote + "".join(_quoted_char(char, quote, ascii_only) for char in text) + quote


def _quoted_char(char: str, quote: str, ascii_only: bool) -> str:
    if char == quote:
        return "\\" + char
    if char in _SHORT:
        return _SHORT[char]
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if char.isprintable() and (code < 128 or not ascii_only):
        return char
    if code < 128:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
