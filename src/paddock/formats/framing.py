"""Frames in a stream of bytes: newline-delimited JSON and server-sent events, without any I/O.

An incremental splitter speaks two verbs: `feed` takes bytes as they come and returns whole frames,
`flush` says what is left at the end. Pieces may be cut anywhere. Server-sent events follow the WHATWG
HTML standard as far as engines use it: `data:` lines, comments, a blank line ends an event; a line ends
with LF, CR LF or CR.
"""

from __future__ import annotations

#: A frame longer than this is not read on: an engine or registry gone wrong must not fill the memory.
MAX_FRAME = 8 * 1024 * 1024


class FrameTooLong(ValueError):
    """A frame passed MAX_FRAME bytes without an end; `size` is how far it was read."""

    def __init__(self, size: int) -> None:
        super().__init__(f"a frame of more than {MAX_FRAME} bytes has no end")
        self.size = size


class EventSplitter:
    """Bytes of an event stream in, the data of each event out; comments and other fields are dropped."""

    def __init__(self) -> None:
        self._rest = b""
        self._return = b""  # a CR at the end of a piece: an LF may belong to it

    def feed(self, piece: bytes) -> list[bytes]:
        """The data of every event that `piece` completes."""
        if self._return or b"\r" in piece:
            piece = self._with_plain_ends(piece)
        whole = self._rest + piece if self._rest else piece
        blocks = whole.split(b"\n\n")
        self._rest = blocks.pop()
        if len(self._rest) > MAX_FRAME:
            raise FrameTooLong(len(self._rest))
        return [data for block in blocks if (data := _data(block)) is not None]

    def flush(self) -> list[bytes]:
        """The data of an event that the stream's end cut off before its blank line."""
        rest, self._rest, self._return = self._rest, b"", b""
        data = _data(rest.removesuffix(b"\n"))
        return [] if data is None else [data]

    def _with_plain_ends(self, piece: bytes) -> bytes:
        piece = self._return + piece
        self._return = b"\r" if piece.endswith(b"\r") else b""
        return piece.removesuffix(b"\r").replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(block: bytes) -> bytes | None:
    if block.startswith(b"data: ") and b"\n" not in block:  # nearly all of them
        return block[6:]
    lines = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines) if lines else None
