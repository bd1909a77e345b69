"""What stands in `images`: base64 of a picture or a recording, read and checked before an engine sees it.

Engines decode PNG, JPEG, GIF (its first picture), BMP, WAV and MP3 by themselves. They do not decode WebP, so
such a picture becomes a PNG here, with Pillow, which is imported by the first that needs it (25 ms). All of
this is work for a thread.
"""

from __future__ import annotations

import binascii
import hashlib
import io

from paddock.errors import BadField, InvalidMedia
from paddock.formats.pictures import picture_format, picture_size
from paddock.formats.recordings import recording_format, recording_seconds
from paddock.messages import Medium

__all__ = ["read"]

#: Of a decoded recording: 16,000 floating-point numbers.
_BYTES_A_SECOND = 64_000

#: The spelling that is taken is that of RFC 4648, section 4, with its padding; line breaks are passed over.
_BREAKS = str.maketrans("", "", "\r\n")


def read(encoded: str, field: str) -> Medium:
    """The medium behind base64 text that stood in `field`. Raises BadField, which names it."""
    text = encoded.translate(_BREAKS) if "\n" in encoded or "\r" in encoded else encoded
    try:
        return _medium(_decoded(text), text, field)
    except InvalidMedia as error:
        raise BadField(field, f"invalid value for {field}: {error}") from None


def _decoded(text: str) -> bytes:
    if text.startswith("data:"):
        raise InvalidMedia("a data URL, where the base64 alone is expected")
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError as error:
        why = "the URL alphabet is not taken" if "-" in text or "_" in text else str(error).lower()
        raise InvalidMedia(f"not base64 ({why})") from None


def _medium(data: bytes, text: str, field: str) -> Medium:
    digest = hashlib.sha256(data).hexdigest()
    if format := picture_format(data):
        width, height = picture_size(data, format)
        if format == "webp":
            format, text = "png", binascii.b2a_base64(_png_of(data), newline=False).decode()
        return Medium("image", format, text, digest, field, 3 * width * height)
    if format := recording_format(data):
        seconds = recording_seconds(data, format)
        return Medium("audio", format, text, digest, field, round(_BYTES_A_SECOND * seconds))
    raise InvalidMedia(
        "neither a picture (PNG, JPEG, WebP, GIF, BMP) nor a recording (WAV, MP3)" if data else "it is empty"
    )


def _png_of(webp: bytes) -> bytes:
    """The picture, or the first of several, as a PNG. Its size has been checked."""
    from PIL import Image, UnidentifiedImageError

    held = io.BytesIO()
    try:
        with Image.open(io.BytesIO(webp), formats=("WEBP",)) as picture:
            picture.convert("RGB").save(held, "PNG", compress_level=1)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise InvalidMedia(f"the webp picture is damaged ({error})") from None
    return held.getvalue()
