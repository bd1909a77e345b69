"""Pictures and recordings for tests, made when they are needed."""

from __future__ import annotations

import base64
import io
import math
import struct
import wave
import zlib

from PIL import Image

RED, BLUE = (200, 30, 30), (20, 40, 220)


def picture(
    width: int = 64, height: int = 48, format: str = "PNG", colour: tuple[int, ...] = RED, **how: object
) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(held, format, **how)
    return held.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG, with its checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    """A PNG whose frame is right, whatever it claims about its size and holds for pixels."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def recording(seconds: float = 0.2, rate: int = 16000) -> bytes:
    """A WAV with a tone."""
    held = io.BytesIO()
    with wave.open(held, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        tone = (int(8000 * math.sin(place / 5)) for place in range(round(seconds * rate)))
        out.writeframes(b"".join(struct.pack("<h", sample) for sample in tone))
    return held.getvalue()


def silence(frames: int = 20) -> bytes:
    """An MP3 of empty frames: MPEG 1 layer 3, 128 kbit/s, 44.1 kHz, mono, 417 bytes and 26 ms each."""
    return (bytes.fromhex("fffb90c4") + bytes(413)) * frames


def base64_of(data: bytes) -> str:
    return base64.b64encode(data).decode()
