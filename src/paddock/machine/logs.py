"""The end of the background server's log, and what is added to it.

The server renames `serve.log` to `serve.log.1` when it has grown to 1 MiB and begins a new one, so two
small files are all there ever is: reading them whole is simpler than reading them backwards.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from paddock.errors import PaddockError

_LOOK_AGAIN = 0.2


class NoLog(PaddockError):
    """There is no log to read: not at `path`, or not in any file where that is None."""

    def __init__(self, reason: str, path: Path | None = None) -> None:
        super().__init__(f"no log to show: {reason}")
        self.path = path


def tail(path: Path, lines: int) -> tuple[str, ...]:
    """The last `lines` lines, reaching back into the previous file where the present one is short."""
    with _opened(path) as file:
        return _last(path, file.read(), lines)


def since(path: Path, offset: int, lines: int) -> tuple[str, ...]:
    """The last `lines` lines written after `offset`; nothing when there is no log."""
    try:
        text = path.read_bytes()
    except OSError:
        return ()
    new = text[offset:] if len(text) >= offset else text
    return tuple(_text(new).splitlines()[-lines:])


def follow(path: Path, lines: int) -> Iterator[str]:
    """The last `lines` lines and then every new one, across rotation, until the caller has enough."""
    file = _opened(path)
    try:
        # One reading serves both, or what is written between two would be lost.
        *whole, rest = file.read().split(b"\n")
        yield from _last(path, b"\n".join(whole), lines)
        while True:
            rest += file.read()
            *whole, rest = rest.split(b"\n")
            yield from map(_text, whole)
            if _moved(file, path):
                # What was written between our read and the rename is still in the old file.
                rest += file.read()
                yield from _text(rest).splitlines()
                file.close()
                file, rest = _opened(path), b""
            else:
                time.sleep(_LOOK_AGAIN)
    finally:
        file.close()


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise NoLog(f"{path}: {error.strerror}", path) from error


def _last(path: Path, raw: bytes, lines: int) -> tuple[str, ...]:
    found = _text(raw).splitlines()
    if len(found) < lines:
        found = _previous(path) + found
    return tuple(found[-lines:]) if lines > 0 else ()


def _moved(file: BinaryIO, path: Path) -> bool:
    """Whether `path` is another file now, or the same one begun anew."""
    try:
        there = path.stat()
    except FileNotFoundError:  # between the rename and the new file
        return False
    here = os.fstat(file.fileno())
    return (there.st_dev, there.st_ino) != (here.st_dev, here.st_ino) or there.st_size < file.tell()


def _previous(path: Path) -> list[str]:
    try:
        return _text(path.with_name(path.name + ".1").read_bytes()).splitlines()
    except OSError:
        return []


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")
