"""Sizes, ages and tables in the words people know from Ollama. Pure: values in, text out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime

_UNITS = ("B", "KB", "MB", "GB", "TB", "PB")
_FOREVER_HOURS = 20 * 365 * 24


def size(amount: int) -> str:
    """Bytes in decimal units: `1.5 GB`, `42 GB`. Cut, not rounded, from ten up."""
    value, unit = float(amount), 0
    while value >= 1000 and unit < len(_UNITS) - 1:
        value, unit = value / 1000, unit + 1
    whole = value >= 10 or value == int(value)
    return f"{int(value)} {_UNITS[unit]}" if whole else f"{value:.1f} {_UNITS[unit]}"


def count(amount: int) -> str:
    """A number of parameters: `8.0B`, and `8B` where it is exact."""
    if amount >= 1_000_000_000:
        return _short(amount, 1_000_000_000, 1) + "B"
    if amount >= 1_000_000:
        return _short(amount, 1_000_000, 2) + "M"
    if amount >= 1_000:
        return f"{amount // 1_000}K"
    return str(amount)


def _short(amount: int, unit: int, places: int) -> str:
    return str(amount // unit) if amount % unit == 0 else f"{amount / unit:.{places}f}"


def span(seconds: float) -> str:
    """A length of time to one word's precision: `About a minute`, `3 weeks`."""
    minutes, hours = int(seconds / 60), int(seconds / 3600 + 0.5)
    steps = (
        (seconds < 1, "Less than a second"),
        (int(seconds) == 1, "1 second"),
        (seconds < 60, f"{int(seconds)} seconds"),
        (minutes == 1, "About a minute"),
        (minutes < 60, f"{minutes} minutes"),
        (hours == 1, "About an hour"),
        (hours < 48, f"{hours} hours"),
        (hours < 24 * 7 * 2, f"{hours // 24} days"),
        (hours < 24 * 30 * 2, f"{hours // 24 // 7} weeks"),
        (hours < 24 * 365 * 2, f"{hours // 24 // 30} months"),
    )
    return next((words for fits, words in steps if fits), f"{hours // 24 // 365} years")


def age(stamp: str, now: datetime) -> str:
    """How long ago `stamp` (RFC 3339) was, or how far away it is; twenty years off is `Forever`."""
    seconds = (now - datetime.fromisoformat(stamp)).total_seconds()
    if seconds >= 0:
        return f"{span(seconds)} ago"
    return "Forever" if -seconds / 3600 > _FOREVER_HOURS else f"{span(-seconds)} from now"


def width(text: str) -> int:
    """The columns `text` takes on a terminal: two for a Japanese character, none for an accent."""
    return sum(map(columns, text))


def columns(character: str) -> int:
    """The columns one character takes."""
    if unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def table(rows: Iterable[Sequence[str]], indent: int = 0) -> str:
    """Rows as left-aligned columns four spaces apart; no border and no space at the end of a line."""
    lines = [tuple(row) for row in rows]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    return "\n".join(" " * indent + _row(line, widths) for line in lines)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (wide + 4 - width(cell)) for cell, wide in zip(cells, widths, strict=True))
    return "".join(padded).rstrip()
