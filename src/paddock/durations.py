"""Durations in Go's notation, which Ollama's API, environment and terminal all speak.

`1h30m`, `1.5s`, `-1m`, `300ms`. Parsing follows Go's `time.ParseDuration` down to the sentences of
its errors, because clients print them; printing follows `time.Duration.String`. Inside Paddock a
duration is a `float` of seconds and "for ever" is `math.inf`.
"""

from __future__ import annotations

import math
import re

_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER = re.compile(r"[0-9]+\.?[0-9]*|\.[0-9]+")
_UNIT = re.compile(r"[^0-9.]+")
#: Go counts nanoseconds in 64 bits; a longer duration is an error there.
_LONGEST = (1 << 63) / 1e9


class InvalidDuration(ValueError):
    """Text that Go would not read as a duration; `text` is what was given."""

    def __init__(self, sentence: str, text: str) -> None:
        super().__init__(sentence)
        self.text = text


def parse(text: str) -> float:
    """Seconds in `text`; the sign is kept. Raises InvalidDuration with Go's own sentence."""
    rest = text[1:] if text[:1] in ("+", "-") else text
    sign = -1.0 if text[:1] == "-" else 1.0
    if rest == "0":
        return 0.0
    if not rest:
        raise InvalidDuration(f"time: invalid duration {_quoted(text)}", text)
    total = 0.0
    while rest:
        number = _NUMBER.match(rest)
        if number is None:
            raise InvalidDuration(f"time: invalid duration {_quoted(text)}", text)
        rest = rest[number.end() :]
        unit = _UNIT.match(rest)
        if unit is None:
            raise InvalidDuration(f"time: missing unit in duration {_quoted(text)}", text)
        if unit.group() not in _UNITS:
            raise InvalidDuration(
                f"time: unknown unit {_quoted(unit.group())} in duration {_quoted(text)}", text
            )
        total += float(number.group()) * _UNITS[unit.group()]
        if total > _LONGEST:
            raise InvalidDuration(f"time: invalid duration {_quoted(text)}", text)
        rest = rest[unit.end() :]
    return sign * total


def keep_alive(value: str | int | float) -> float:
    """A keep-alive in seconds: a number of seconds or Go's notation. Negative is for ever, and so is what
    no 64 bits of nanoseconds hold."""
    seconds = parse(value) if isinstance(value, str) else value
    return float(seconds) if 0 <= seconds <= _LONGEST else math.inf


def show(nanoseconds: int) -> str:
    """`nanoseconds` as Go prints a duration: `1.234567ms`, `2m0.5s`, `0s`."""
    if nanoseconds == 0:
        return "0s"
    sign, n = ("-", -nanoseconds) if nanoseconds < 0 else ("", nanoseconds)
    if n < 1_000:
        return f"{sign}{n}ns"
    if n < 1_000_000:
        return f"{sign}{_decimal(n, 1_000)}µs"
    if n < 1_000_000_000:
        return f"{sign}{_decimal(n, 1_000_000)}ms"
    seconds, fraction = divmod(n, 1_000_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    text = _decimal(seconds * 1_000_000_000 + fraction, 1_000_000_000) + "s"
    if hours:
        return f"{sign}{hours}h{minutes}m{text}"
    return f"{sign}{minutes}m{text}" if minutes else f"{sign}{text}"


def _quoted(text: str) -> str:
    """`text` in quotes as Go's time package writes it: whatever is not plain ASCII byte by byte."""
    shown = (
        "".join(f"\\x{byte:02x}" for byte in sign.encode("utf-8", "surrogatepass"))
        if sign < " " or sign >= "\x80"
        else f"\\{sign}"
        if sign in '"\\'
        else sign
        for sign in text
    )
    return f'"{"".join(shown)}"'


def _decimal(amount: int, unit: int) -> str:
    whole, part = divmod(amount, unit)
    digits = str(part).rjust(len(str(unit)) - 1, "0").rstrip("0")
    return f"{whole}.{digits}" if digits else str(whole)
