"""Pictures and recordings as files: told apart, measured, and refused where they are damaged."""

from __future__ import annotations

import base64
import io
import struct
import subprocess
import sys
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from paddock.errors import BadField, InvalidMedia
from paddock.formats import media
from paddock.formats.pictures import MAX_PARTS, MAX_SIDE, picture_format, picture_size
from paddock.formats.recordings import MAX_SECONDS, recording_format, recording_seconds
from samples import base64_of, chunk, picture, png, recording, silence

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP")
HUGE_GIF = b"GIF89a" + struct.pack("<HHBBB", 60000, 60000, 0, 0, 0) + b"\x2c" + bytes(10) + b"\x01\x00\x00"


def refusal(encoded: str) -> str:
    with pytest.raises(BadField) as caught:
        media.read(encoded, "images[3]")
    assert caught.value.field == "images[3]"
    assert str(caught.value).startswith("invalid value for images[3]: ")
    return str(caught.value).removeprefix("invalid value for images[3]: ")


# ── pictures ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (64, 48), (3, 500), (700, 5)])
def test_a_picture_is_known_by_its_bytes_and_measured(format: str, size: tuple[int, int]) -> None:
    data = picture(*size, format=format)
    assert picture_format(data) == format.lower()
    assert picture_size(data, format.lower()) == size


@pytest.mark.parametrize(
    ("format", "how"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"exif": b"Exif\0\0" + bytes(40)}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_their_variants_are_measured_too(format: str, how: dict[str, object]) -> None:
    assert picture_size(picture(30, 20, format=format, **how), format.lower()) == (30, 20)


def test_a_jpeg_may_be_filled_up_between_its_segments() -> None:
    data = picture(30, 20, format="JPEG")
    end = 4 + int.from_bytes(data[4:6], "big")  # of the first segment
    assert picture_size(data[:end] + bytes(3) + b"\xff\xff" + data[end:], "jpeg") == (30, 20)


def test_a_webp_with_an_alpha_channel_and_one_that_moves() -> None:
    held = io.BytesIO()
    Image.new("RGBA", (30, 20), (1, 2, 3, 4)).save(held, "WEBP")
    assert picture_size(held.getvalue(), "webp") == (30, 20)
    moving = io.BytesIO()
    frames = [Image.new("RGB", (30, 20), (shade, 0, 0)) for shade in (0, 90, 250)]
    frames[0].save(moving, "WEBP", save_all=True, append_images=frames[1:])
    assert picture_size(moving.getvalue(), "webp") == (30, 20)
    assert media.read(base64_of(moving.getvalue()), "x").format == "png"


def test_a_gif_that_moves_is_measured_by_its_first_picture() -> None:
    held = io.BytesIO()
    frames = [Image.new("RGB", (30, 20), (shade, 0, 0)) for shade in (0, 90, 250)]
    frames[0].save(held, "GIF", save_all=True, append_images=frames[1:])
    assert picture_size(held.getvalue(), "gif") == (30, 20)


@pytest.mark.parametrize("format", FORMATS)
def test_a_picture_that_was_cut_off_is_refused(format: str) -> None:
    data = picture(300, 200, format=format)
    for length in (len(data) - 3, len(data) * 2 // 3, len(data) // 3, 30, 20):
        assert "cut off" in refusal(base64_of(data[:length])) or length < 40


@pytest.mark.parametrize("at", [20, 60, -20])
def test_a_changed_byte_of_a_png_is_found_by_its_checksum(at: int) -> None:
    data = bytearray(picture(300, 200))
    data[at] ^= 1
    assert "damaged" in refusal(base64_of(bytes(data)))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (png(100_000, 100_000), "at most"),
        (png(MAX_SIDE, MAX_SIDE), "at most"),
        (png(MAX_SIDE + 1, 1000), "at most"),
        (png(10, 0), "10 x 0"),
        (png(2001, 10), "more than 200 times"),
        (
            b"GIF89a" + struct.pack("<HHBBB", 60000, 60000, 0, 0, 0) + b"\x2c" + bytes(10) + b"\x01\x00\x00",
            "at most",
        ),
    ],
)
def test_a_picture_that_would_fill_the_memory_is_refused_by_what_it_claims(data: bytes, why: str) -> None:
    assert why in refusal(base64_of(data))


def test_a_webp_that_only_its_decoder_finds_damaged_is_refused() -> None:
    data = bytearray(picture(300, 200, format="WEBP", lossless=True))
    data[26:] = bytes(len(data) - 26)
    assert "webp picture" in refusal(base64_of(bytes(data)))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (
            b"\x89PNG\r\n\x1a\n" + png(4, 4)[8:33] + chunk(b"tEXt", b"") * (MAX_PARTS + 1),
            "png picture has more",
        ),
        (b"\xff\xd8" + b"\xff\xe0\x00\x02" * (MAX_PARTS + 1), "jpeg picture has more"),
        (b"GIF89a\1\0\1\0\0\0\0" + b"\x21\xfe\x00" * (MAX_PARTS + 1), "gif picture has more"),
        (b"GIF89a\1\0\1\0\0\0\0\x21\xfe" + b"\1x" * (MAX_PARTS + 1), "gif picture has more"),
        (b"RIFF\0\0\0\0WAVE" + b"LIST\0\0\0\0" * 1001, "more than 1000 chunks"),
    ],
)
def test_a_file_of_countless_small_parts_keeps_nobody_busy(data: bytes, why: str) -> None:
    assert why in refusal(base64_of(data))


def test_a_png_without_pixels_or_size_is_refused() -> None:
    mark, end = b"\x89PNG\r\n\x1a\n", chunk(b"IEND", b"")
    size = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 2, 0, 0, 0))
    assert "no pixels" in refusal(base64_of(mark + size + end))
    assert "does not begin with its size" in refusal(base64_of(mark + chunk(b"IDAT", b"x") + end))


def test_webp_becomes_png_with_the_same_pixels() -> None:
    held = io.BytesIO()
    Image.linear_gradient("L").convert("RGB").save(held, "WEBP", lossless=True)
    read = media.read(base64_of(held.getvalue()), "x")
    assert (read.kind, read.format) == ("image", "png")
    turned = Image.open(io.BytesIO(base64.b64decode(read.encoded)))
    assert turned.tobytes() == Image.linear_gradient("L").convert("RGB").tobytes()


def test_the_converter_is_imported_by_the_first_that_needs_it() -> None:
    program = "import sys, paddock.serve, paddock.formats.media; print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_other_formats_pass_as_they_are() -> None:
    for format in ("PNG", "JPEG", "GIF", "BMP"):
        encoded = base64_of(picture(format=format))
        assert media.read(encoded, "x").encoded == encoded


# ── recordings ────────────────────────────────────────────────────────────────────────────────────


def test_recordings_are_known_by_their_bytes_and_measured() -> None:
    assert recording_format(recording()) == "wav"
    assert recording_seconds(recording(0.25), "wav") == 0.25
    assert recording_format(silence()) == "mp3"
    assert recording_seconds(silence(100), "mp3") == pytest.approx(100 * 1152 / 44100)
    assert media.read(base64_of(recording()), "x").kind == "audio"


@pytest.mark.parametrize("flag", [0, 0x10])
def test_an_mp3_may_begin_with_a_tag(flag: int) -> None:
    footer = bytes(10) if flag else b""
    data = b"ID3\x04\x00" + bytes([flag, 0, 0, 1, 0]) + bytes(128) + footer + silence(10)
    assert recording_format(data) == "mp3"
    assert recording_seconds(data, "mp3") == pytest.approx(10 * 1152 / 44100)


@pytest.mark.parametrize(
    ("header", "length", "seconds"),
    [
        ("fff364c4", 144, 576 / 24000),  # MPEG 2, 48 kbit/s at 24 kHz
        ("ffe318c4", 72, 576 / 8000),  # MPEG 2.5, 8 kbit/s at 8 kHz
        ("fff366c4", 145, 576 / 24000),  # and padded
    ],
)
def test_frames_of_mpeg_2_are_measured(header: str, length: int, seconds: float) -> None:
    data = (bytes.fromhex(header) + bytes(length - 4)) * 50
    assert recording_seconds(data, "mp3") == pytest.approx(50 * seconds)


def test_a_wav_that_was_written_into_a_pipe_ends_where_it_ends() -> None:
    data = bytearray(recording(0.5))
    data[40:44] = b"\xff\xff\xff\xff"
    assert recording_seconds(bytes(data), "wav") == 0.5


def test_a_wav_of_several_channels_and_with_other_chunks() -> None:
    held = io.BytesIO()
    with wave.open(held, "wb") as out:
        out.setnchannels(2)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes(4 * 8000))
    data = held.getvalue()
    noted = data[:12] + b"LIST" + struct.pack("<I", 3) + b"abc\0" + data[12:]
    assert recording_seconds(noted, "wav") == 1.0


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (recording(1)[:9000], "cut off"),
        (recording(1)[:30], "cut off"),
        (recording(0), "empty"),
        (b"RIFF\0\0\0\0WAVEdata" + bytes(8), "format is missing"),
        (b"ID3\x03\0\0\0\0\0\x0a" + bytes(500), "does not begin with a frame"),
        (b"ID3\x03\0\0\x7f\x7f\x7f\x7f", "does not begin with a frame"),
    ],
)
def test_a_damaged_recording_is_refused(data: bytes, why: str) -> None:
    assert why in refusal(base64_of(data))


def test_a_recording_that_is_too_long_is_refused_by_what_it_claims() -> None:
    data = bytearray(recording(2))
    data[28:32] = struct.pack("<I", 10)  # bytes a second
    with pytest.raises(InvalidMedia, match="at most 3600"):
        recording_seconds(bytes(data), "wav")
    long = (bytes.fromhex("ffe318c4") + bytes(68)) * round(MAX_SECONDS * 8000 / 576 + 60)
    with pytest.raises(InvalidMedia, match="at most 3600"):
        recording_seconds(long, "mp3")


# ── base64 ────────────────────────────────────────────────────────────────────────────────────────


def test_line_breaks_are_passed_over() -> None:
    plain = base64_of(picture())
    broken = "\r\n".join(plain[at : at + 76] for at in range(0, len(plain), 76)) + "\n"
    assert media.read(broken, "x") == media.read(plain, "x")


@pytest.mark.parametrize(
    ("encoded", "why"),
    [
        ("", "it is empty"),
        ("aGk", "not base64"),
        ("a" * 5, "not base64"),
        ("aGk=aGk=", "not base64"),
        ("aG k=", "not base64"),
        ("é", "not base64"),
        ("_-8=", "the URL alphabet"),
        ("data:image/png;base64,aGk=", "a data URL"),
        ("aGk=", "neither a picture"),
        (base64_of(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "neither a picture"),
        (base64_of(b"\x00\x00\x00\x18ftypmp42" + bytes(40)), "neither a picture"),
        (base64_of(b"fLaC" + bytes(60)), "neither a picture"),
    ],
)
def test_what_is_no_base64_of_a_medium_is_refused_with_the_reason(encoded: str, why: str) -> None:
    assert why in refusal(encoded)


BEGINNINGS = [picture(9, 9, format=f)[:size] for f in FORMATS for size in (4, 12, 30, 60, 10**6)]
BEGINNINGS += [recording(0.01)[:size] for size in (12, 30, 44, 10**6)] + [silence(2), b"ID3", b""]


@given(st.sampled_from(BEGINNINGS), st.binary(max_size=60), st.integers(0, 300), st.binary(max_size=3))
def test_any_bytes_are_a_medium_or_refused_by_name(start: bytes, rest: bytes, at: int, put: bytes) -> None:
    data = bytearray(start + rest)
    data[at : at + len(put)] = put
    try:
        read = media.read(base64_of(bytes(data)), "images[0]")
    except BadField as error:
        assert error.field == "images[0]"
    else:
        assert read.format in ("png", "jpeg", "gif", "bmp", "wav", "mp3")
