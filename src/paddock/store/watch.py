"""Whether a name still means what it meant: a few looks at the file system instead of reading it again.

Manifests are replaced by renaming, so a changed one is another file; and a name that comes to mean another
file, or none, changes a directory on the way to it. Equal looks therefore mean an equal answer.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


class Watch:
    """The state of some files and directories at the moment it was made; missing ones count as such."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(map(str, paths))
        self._seen = self._look()

    def changed(self) -> bool:
        """Whether any of them is another file now, or has been written to."""
        return self._look() != self._seen

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(map(_facts, self._paths))


def _facts(path: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  without a Path: this is done for every request
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
