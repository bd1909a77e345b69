"""Blobs: files named by the SHA-256 of what is in them.

`sha256-<64 hex>` in one flat directory, as Ollama keeps them; files that a very old Ollama named
`sha256:<hex>` are found too. A blob is hashed while it is written and gets its name last, so whatever
has a blob's name is whole. Reading never creates the directory.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from paddock.errors import BlobNotFound, DigestMismatch, InvalidDigest
from paddock.store.files import (
    changing,
    create_directory,
    discard,
    is_file,
    open_part,
    settle,
    sync_directory,
)

_DIGEST = re.compile(r"sha256[:-]([0-9a-fA-F]{64})")
_CHUNK = 1 << 20


def check_digest(text: str) -> str:
    """`text` as `sha256:<64 lower-case hex>`. Raises InvalidDigest; `sha256-<hex>` is understood too."""
    match = _DIGEST.fullmatch(text)
    if match is None:
        raise InvalidDigest(text)
    return f"sha256:{match[1].lower()}"


@dataclass(frozen=True, slots=True)
class Stored:
    """A blob that is safely in the store: its digest and its length in bytes."""

    digest: str
    size: int


class Blobs:
    """The blobs below one directory, which need not exist before the first write."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def path(self, digest: str) -> Path:
        """Where the blob lies, or would lie. Raises InvalidDigest."""
        name = check_digest(digest)
        place = self.directory / name.replace(":", "-")
        legacy = self.directory / name
        return legacy if not is_file(place) and is_file(legacy) else place

    def find(self, digest: str) -> Path:
        """The blob's file. Raises InvalidDigest and BlobNotFound."""
        path = self.path(digest)
        if not is_file(path):
            raise BlobNotFound(digest)
        return path

    def has(self, digest: str) -> bool:
        """Whether the blob is here. Raises InvalidDigest."""
        return is_file(self.path(digest))

    def receive(self) -> Incoming:
        """A new blob, to be written piece by piece; a context manager. Raises StoreError."""
        return Incoming(self.directory)

    def put(self, stream: BinaryIO, expected: str | None = None) -> Stored:
        """Everything `stream` has, as a blob. Raises StoreError, InvalidDigest, DigestMismatch."""
        with self.receive() as incoming:
            while chunk := stream.read(_CHUNK):
                incoming.write(chunk)
            return incoming.commit(expected)

    def link_or_copy_in(self, source: Path, digest: str) -> Stored:
        """Brings in a file of another blob store, as a hard link where that is possible.

        Only for files that nobody will write to again, that is, blobs: a link would change with them.
        The content is hashed first. Raises StoreError, InvalidDigest, DigestMismatch.
        """
        place = self.path(digest)
        with changing(place):
            size = source.stat().st_size
            if is_file(place):
                return Stored(check_digest(digest), size)
            with source.open("rb") as file:
                actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
                if actual != check_digest(digest):
                    raise DigestMismatch(check_digest(digest), actual)
                create_directory(self.directory)
                # Another file system, or one without links: the bytes are copied instead.
                with contextlib.suppress(OSError):
                    place.hardlink_to(source)
                    sync_directory(self.directory)
                    return Stored(actual, size)
                file.seek(0)
                return self.put(file, digest)

    def remove(self, digest: str) -> None:
        """Takes the blob out, if it is there. Raises StoreError and InvalidDigest."""
        place = self.path(digest)
        with changing(place):
            place.unlink(missing_ok=True)


class Incoming:
    """A blob on its way in. Leaving the context without `commit` leaves nothing behind."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._hash = hashlib.sha256()
        self._size = 0
        with changing(directory):
            create_directory(directory)
            self._part, self._path = open_part(directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        discard(self._part, self._path)

    def write(self, chunk: bytes) -> None:
        """Adds bytes. Raises StoreError."""
        self._hash.update(chunk)
        self._size += len(chunk)
        with changing(self._path):
            self._part.write(chunk)

    def commit(self, expected: str | None = None) -> Stored:
        """Gives the blob its name. Raises StoreError, InvalidDigest, and DigestMismatch when it is not
        the blob that was `expected`."""
        digest = f"sha256:{self._hash.hexdigest()}"
        if expected is not None and check_digest(expected) != digest:
            raise DigestMismatch(check_digest(expected), digest)
        place = self._directory / digest.replace(":", "-")
        with changing(place):
            settle(self._part, self._path, place)
        return Stored(digest, self._size)
