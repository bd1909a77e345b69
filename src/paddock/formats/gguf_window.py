"""A file read through a buffer that only moves forward, and never past the file's end.

The file is not mapped into memory: when a mapped file is cut short by somebody else, the kernel kills
the process, and no `except` helps. Nothing is allocated before the file is known to hold it.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

from paddock.errors import InvalidGGUF

MAX_HEADER = 256 << 20
_WINDOW = 1 << 20
_LARGEST_F32 = 3.4e38  # rounding may not lead beyond it; infinities and NaN stay as they are
_U32 = struct.Struct("<I")
_U64 = struct.Struct("<Q")


class Window:
    """A file seen through a buffer that only moves forward; every step is checked against the file's end."""

    def __init__(self, name: str, file: BinaryIO, size: int) -> None:
        self._name = name
        self._file = file
        self.size = size
        self._buffer = b""
        self._start = 0  # the file offset of the buffer's first byte
        self.offset = 0

    def error(self, cause: str, at: int | None = None) -> InvalidGGUF:
        """The error to raise for what is wrong at byte `at`, by default where the window stands."""
        offset = self.offset if at is None else at
        return InvalidGGUF(f"{self._name}: byte {offset}: {cause}", offset, cause)

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        begin = self._reach(count)
        self.offset += count
        return self._buffer[begin : begin + count]

    def skip(self, count: int) -> None:
        """Passes over `count` bytes without reading them."""
        self._check(count)
        self.offset += count

    def u32(self) -> int:
        """The next four bytes as an unsigned number."""
        begin = self._reach(4)  # before the buffer is named: reaching may replace it
        value: int = _U32.unpack_from(self._buffer, begin)[0]
        self.offset += 4
        return value

    def u64(self) -> int:
        """The next eight bytes as an unsigned number."""
        begin = self._reach(8)  # before the buffer is named: reaching may replace it
        value: int = _U64.unpack_from(self._buffer, begin)[0]
        self.offset += 8
        return value

    def f32(self) -> float:
        """The next four bytes as the double people mean by them: 1e-05, not 9.999999747378752e-06."""
        single = self.take(4)
        value: float = struct.unpack("<f", single)[0]
        for digits in (6, 7, 8):
            near = float(f"{value:.{digits}g}")
            if abs(near) < _LARGEST_F32 and struct.pack("<f", near) == single:
                return near
        return value

    def skip_strings(self, count: int) -> None:
        """Passes over `count` strings; the inner loop is what makes listing a big vocabulary quick."""
        unpack = _U64.unpack_from
        while count:
            begin = self._reach(8)
            buffer, position, last = self._buffer, begin, len(self._buffer) - 8
            while count and position <= last:
                position += 8 + unpack(buffer, position)[0]
                count -= 1
            self.skip(position - begin)

    def _check(self, count: int) -> None:
        if self.offset + count > self.size:
            raise self.error(f"the file ends after {self.size} bytes, {count} more are needed here")
        if self.offset + count > MAX_HEADER:
            raise self.error(f"the header is longer than {MAX_HEADER >> 20} MiB")

    def _reach(self, count: int) -> int:
        """Makes the next `count` bytes available and returns where in the buffer they begin."""
        begin = self.offset - self._start
        if begin + count <= len(self._buffer):
            return begin
        self._check(count)
        self._file.seek(self.offset)
        self._buffer, self._start = self._fill(max(count, _WINDOW)), self.offset
        if len(self._buffer) < count:
            raise self.error("the file became shorter while it was read")
        return 0

    def _fill(self, count: int) -> bytes:
        """An unbuffered read may return less than was asked for."""
        pieces = []
        while count > 0 and (piece := self._file.read(count)):
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)
