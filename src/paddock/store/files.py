"""Writing files so that a reader, or a power cut, never meets half of one.

A file is written beside its place, synced, renamed, and then its directory is synced. What the
operating system refuses becomes StoreError with the file and the cause.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from paddock.errors import StoreError, cause_of


def is_file(path: Path) -> bool:
    """Whether a file is there to be read. What cannot be looked at, too long names included, is not there."""
    try:
        return path.is_file()
    except OSError:
        return False


@contextmanager
def changing(path: Path) -> Iterator[None]:
    """Turns every OSError inside into a StoreError that names `path` and the cause."""
    try:
        yield
    except OSError as error:
        sentence = f"cannot write {error.filename or path}: {cause_of(error)}"
        raise StoreError(sentence, str(path)) from error


def create_directory(path: Path) -> None:
    """`path` and its parents, each entry synced. Raises OSError."""
    if path.is_dir():
        return
    create_directory(path.parent)
    path.mkdir(exist_ok=True)
    sync_directory(path.parent)


def sync_directory(path: Path) -> None:
    """Makes renames and removals inside `path` last."""
    handle = os.open(path, os.O_RDONLY)
    try:
        # Some file systems cannot sync a directory; their renames are as safe as they will get.
        with contextlib.suppress(OSError):
            os.fsync(handle)
    finally:
        os.close(handle)


def open_part(directory: Path) -> tuple[BinaryIO, Path]:
    """A new file in `directory` under a name that nothing looks for. Raises OSError.

    The leading dot makes the name invalid as tag and as digest, here and in Ollama.
    """
    path = directory / f".part-{secrets.token_hex(8)}"
    # Not tempfile: its files are readable by their owner only, and an Ollama that runs as another
    # user must be able to read this store.
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    return os.fdopen(handle, "wb"), path


def settle(part: BinaryIO, path: Path, place: Path) -> None:
    """Closes `part`, whose name is `path`, and gives it its final name. Raises OSError."""
    part.flush()
    os.fsync(part.fileno())
    part.close()
    path.replace(place)
    sync_directory(place.parent)


def discard(part: BinaryIO, path: Path) -> None:
    """Forgets a part that will not be finished; says nothing when even that fails."""
    with contextlib.suppress(OSError):
        part.close()
    with contextlib.suppress(OSError):
        path.unlink()


def replace_file(place: Path, content: bytes) -> None:
    """Puts `content` at `place`, whole or not at all. Raises StoreError."""
    with changing(place):
        create_directory(place.parent)
        part, path = open_part(place.parent)
        try:
            part.write(content)
            settle(part, path, place)
        except BaseException:
            discard(part, path)
            raise
