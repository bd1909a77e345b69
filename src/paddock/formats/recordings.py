"""Recordings by their bytes: WAV or MP3, how long, and whether the file is whole. Nothing is decoded.

An engine decodes a recording to 64 kB a second before it looks at it, and a small MP3 can be very long, so
the length is found and bounded here first.

Sources: RIFF WAVE (Microsoft and IBM, 1991; Microsoft's documentation of WAVEFORMATEX), MPEG audio frames
(ISO/IEC 11172-3 and 13818-3), ID3v2 (id3.org).
"""

from __future__ import annotations

import struct

from paddock.errors import InvalidMedia

MAX_SECONDS = 3600.0

#: Of MPEG 1 layer 3, and of MPEG 2 and 2.5: kilobits a second by the four bits of a frame's header.
_BITRATES_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_BITRATES_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_RATES = (44100, 48000, 32000)
#: A WAV that was written into a pipe does not know its own length.
_UNKNOWN = (0, 0xFFFFFFFF)
_MAX_CHUNKS = 1000


def recording_format(data: bytes) -> str:
    """`wav`, `mp3`, or nothing, by the first bytes alone."""
    if data.startswith(b"RIFF") and data[8:12] == b"WAVE":
        return "wav"
    return "mp3" if data.startswith(b"ID3") or _frame(data, 0) else ""


def recording_seconds(data: bytes, format: str) -> float:
    """How long a recording in a format that `recording_format` named is.

    Raises InvalidMedia for a file that is damaged, empty or too long to be read.
    """
    try:
        seconds = _wav(data) if format == "wav" else _mp3(data)
    except struct.error:
        raise InvalidMedia(f"the {format} recording is cut off") from None
    if seconds <= 0:
        raise InvalidMedia(f"the {format} recording is empty")
    if seconds > MAX_SECONDS:
        raise InvalidMedia(
            f"the recording is {seconds:.0f} seconds long; at most {MAX_SECONDS:.0f} can be read"
        )
    return seconds


def _wav(data: bytes) -> float:
    at, per_second = 12, 0
    length: int
    for _ in range(_MAX_CHUNKS):
        kind, length = struct.unpack_from("<4sI", data, at)
        if kind == b"data":
            break
        if kind == b"fmt ":
            channels, rate, _, block, bits = struct.unpack_from("<HIIHH", data, at + 10)
            if not 0 < channels <= 64 or not 0 < rate <= 384_000 or not block or not bits:
                raise InvalidMedia("the wav recording is damaged: its format makes no sense")
            per_second = struct.unpack_from("<I", data, at + 16)[0]
        at += 8 + length + (length & 1)
    else:
        raise InvalidMedia(f"the wav recording has more than {_MAX_CHUNKS} chunks before its sound")
    if not per_second:
        raise InvalidMedia("the wav recording is damaged: its format is missing")
    there = len(data) - at - 8
    if length in _UNKNOWN:
        length = there
    if length > there:
        raise InvalidMedia("the wav recording is cut off")
    return length / per_second


def _mp3(data: bytes) -> float:
    at = _after_tag(data)
    if not _frame(data, at):
        raise InvalidMedia("the mp3 recording is damaged: it does not begin with a frame")
    seconds = 0.0
    while found := _frame(data, at):
        length, duration = found
        at += length
        seconds += duration
        if seconds > MAX_SECONDS:
            break
    return seconds


def _after_tag(data: bytes) -> int:
    """Where the frames begin, behind an ID3v2 tag. Its length has seven bits a byte."""
    if not data.startswith(b"ID3"):
        return 0
    length = 0
    for byte in data[6:10]:
        length = length << 7 | byte
    return 10 + length + (10 if len(data) > 5 and data[5] & 0x10 else 0)


def _frame(data: bytes, at: int) -> tuple[int, float] | None:
    """The length in bytes and the seconds of the layer 3 frame at `at`; None where there is none."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE6 != 0xE2:
        return None
    version, bitrate, rate = data[at + 1] >> 3 & 3, data[at + 2] >> 4, data[at + 2] >> 2 & 3
    if version == 1 or rate == 3 or not 0 < bitrate < 15:
        return None
    first = version == 3
    hertz = _RATES[rate] // (1 if first else 2 if version == 2 else 4)
    samples = 1152 if first else 576
    kilobits = (_BITRATES_1 if first else _BITRATES_2)[bitrate]
    return samples * kilobits * 125 // hertz + (data[at + 2] >> 1 & 1), samples / hertz
