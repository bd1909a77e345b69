"""Pictures by their bytes: which format, how large, and whether the file is whole. Nothing is decoded.

A decoder is told sizes by the file itself, so they are read and bounded here first: a few hundred bytes can
claim a picture of gigabytes. What is checked is the frame of each format (chunks, segments, blocks, checksums
where it has them), which finds every file that was cut off and most that were changed; what only a decoder
can find is found by the one that follows.

Sources: PNG (ISO/IEC 15948), JPEG (ITU-T T.81, annex B), GIF89a (CompuServe, 1990), BMP (BITMAPINFOHEADER
in Microsoft's documentation), WebP container (RFC 9649).
"""

from __future__ import annotations

import itertools
import struct
import zlib
from collections.abc import Iterator

from paddock.errors import InvalidMedia

#: An engine takes three bytes a pixel to decode a picture: 192 MiB for one of this size.
MAX_PIXELS = 1 << 26
MAX_SIDE = 1 << 15
#: The longer side in shorter ones. Projectors round the shorter side of a thread to nothing.
MAX_RATIO = 200
#: Chunks, segments or blocks of one file; the largest pictures have tens of thousands.
MAX_PARTS = 1 << 18

_PNG = b"\x89PNG\r\n\x1a\n"
#: Start-of-frame markers: all of C0-CF but the tables DHT (C4), JPG (C8) and DAC (CC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: JPEG markers without a length: TEM, and the restarts.
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})


def picture_format(data: bytes) -> str:
    """`png`, `jpeg`, `gif`, `bmp`, `webp`, or nothing, by the first bytes alone."""
    if data.startswith(_PNG):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith(b"BM") and len(data) > 18 and _u32(data, 14) in (12, 40, 52, 56, 64, 108, 124):
        return "bmp"
    return ""


def picture_size(data: bytes, format: str) -> tuple[int, int]:
    """Width and height in pixels of a picture in a format that `picture_format` named.

    Raises InvalidMedia for a file that is damaged or too large to be decoded.
    """
    readers = {"png": _png, "jpeg": _jpeg, "gif": _gif, "bmp": _bmp, "webp": _webp}
    try:
        width, height = readers[format](data)
    except (IndexError, struct.error):
        raise InvalidMedia(f"the {format} picture is cut off") from None
    if width < 1 or height < 1:
        raise InvalidMedia(f"the {format} picture is {width} x {height} pixels")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise InvalidMedia(
            f"the picture is {width} x {height} pixels; at most {MAX_SIDE} on a side and "
            f"{MAX_PIXELS >> 20} million in all can be read"
        )
    if max(width, height) > MAX_RATIO * min(width, height):
        raise InvalidMedia(
            f"the picture is {width} x {height} pixels, more than {MAX_RATIO} times as long as it is wide"
        )
    return width, height


def _png(data: bytes) -> tuple[int, int]:
    at, seen = len(_PNG), set[bytes]()
    for _ in _parts("png"):
        if b"IEND" in seen:
            break
        length, kind = _u32(data, at, big=True), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            raise InvalidMedia("the png picture is cut off")
        if not seen and (kind, length) != (b"IHDR", 13):
            raise InvalidMedia("the png picture does not begin with its size")
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != _u32(data, end - 4, big=True):
            raise InvalidMedia(f"the png picture is damaged: a checksum is wrong at byte {at}")
        seen.add(kind)
        at = end
    if b"IDAT" not in seen:
        raise InvalidMedia("the png picture has no pixels")
    return _u32(data, 16, big=True), _u32(data, 20, big=True)


def _jpeg(data: bytes) -> tuple[int, int]:
    at, size = 2, (0, 0)
    for _ in _parts("jpeg"):
        at = data.find(b"\xff", at)  # some programs fill up behind a segment
        if at < 0:
            raise InvalidMedia("the jpeg picture is cut off")
        while data[at] == 0xFF:  # any number of them may stand before a marker
            at += 1
        marker = data[at]
        at += 1
        if marker in _BARE:
            continue
        length = struct.unpack_from(">H", data, at)[0]
        if length < 2:
            raise InvalidMedia(f"the jpeg picture is damaged at byte {at}")
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 3)
            size = (width, height)
        at += length
        if marker == 0xDA:  # the pixels begin, and end with the mark of the end
            break
    if data.find(b"\xff\xd9", at) < 0:
        raise InvalidMedia("the jpeg picture is cut off")
    return size


def _gif(data: bytes) -> tuple[int, int]:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    at, parts = 13 + _gif_colours(flags), _parts("gif")
    for _ in parts:  # extensions before the first picture
        if data[at] != 0x21:
            break
        at = _gif_blocks(data, at + 2, parts)
    if data[at] != 0x2C:
        raise InvalidMedia("the gif picture has no pixels")
    _gif_blocks(data, at + 11 + _gif_colours(data[at + 9]), parts)
    return width, height


def _gif_colours(flags: int) -> int:
    """Bytes of the colour table that `flags` announces."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _gif_blocks(data: bytes, at: int, parts: Iterator[None]) -> int:
    """Where the chain of blocks that begins at `at` ends."""
    for _ in parts:
        if not data[at]:
            break
        at += data[at] + 1
    return at + 1


def _bmp(data: bytes) -> tuple[int, int]:
    pixels, header = _u32(data, 10), _u32(data, 14)
    if header == 12:
        width, height, _, bits = struct.unpack_from("<HHHH", data, 18)
        compression = 0
    else:
        width, height, _, bits, compression = struct.unpack_from("<iiHHI", data, 18)
        height = abs(height)  # negative: stored from the top
    if compression not in (0, 3):
        raise InvalidMedia("the bmp picture is compressed, which engines cannot read")
    if width > 0 and pixels + (width * bits + 31) // 32 * 4 * height > len(data):
        raise InvalidMedia("the bmp picture is cut off")
    return width, height


def _webp(data: bytes) -> tuple[int, int]:
    if _u32(data, 4) + 8 > len(data):
        raise InvalidMedia("the webp picture is cut off")
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = _u32(data, 21)
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return width & 0x3FFF, height & 0x3FFF
    raise InvalidMedia("the webp picture is damaged: it has no frame")


def _parts(format: str) -> Iterator[None]:
    """As many turns as a file may have parts: small ones could keep a thread busy for long."""
    yield from itertools.repeat(None, MAX_PARTS)
    raise InvalidMedia(f"the {format} picture has more than {MAX_PARTS} parts")


def _u32(data: bytes, at: int, big: bool = False) -> int:
    number: int = struct.unpack_from(">I" if big else "<I", data, at)[0]
    return number
