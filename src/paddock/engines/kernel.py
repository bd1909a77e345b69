"""Small text files of the kernel's: read as they are, and nothing said counts as nothing."""

from __future__ import annotations

from pathlib import Path


def read(path: Path) -> str:
    """The text of a file; "" where it cannot be read."""
    try:
        # Unbuffered: these are read for every measurement of memory, and a stream costs as much again.
        with path.open("rb", buffering=0) as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def number(text: str) -> int | None:
    """The whole number that `text` is; None for `max`, for nothing, and for whatever else it may be."""
    text = text.strip()
    return int(text) if text.isdecimal() else None
