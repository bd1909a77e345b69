"""Server-sent events: however the bytes are cut, the same events come out."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from paddock.formats.framing import MAX_FRAME, EventSplitter, FrameTooLong


def events(*pieces: bytes) -> list[bytes]:
    splitter = EventSplitter()
    found = [event for piece in pieces for event in splitter.feed(piece)]
    return found + splitter.flush()


def cut(stream: bytes, places: list[int]) -> list[bytes]:
    marks = [0, *sorted(min(place, len(stream)) for place in places), len(stream)]
    return [stream[start:end] for start, end in itertools.pairwise(marks)]


def by_the_book(stream: bytes) -> list[bytes]:
    """The standard's own algorithm, line by line; the last event counts although nothing ends it."""
    text = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    found: list[bytes] = []
    data: list[bytes] = []
    for line in [*text.split(b"\n"), b""]:
        if line.startswith(b"data:"):
            value = line[5:]
            data.append(value[1:] if value.startswith(b" ") else value)
        elif not line and data:
            found.append(b"\n".join(data))
            data = []
    return found


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"data: one\n\ndata: two\n\n", [b"one", b"two"]),
        (b"data: one\r\n\r\ndata: two\r\n\r\n", [b"one", b"two"]),
        (b"data: one\r\rdata: two\r\r", [b"one", b"two"]),
        (b"data: one\n\r\ndata: two\r\n\n", [b"one", b"two"]),
        (b"data:tight\n\n", [b"tight"]),
        (b"data:  two spaces\n\n", [b" two spaces"]),
        (b"data: a\ndata: b\ndata:\ndata: c\n\n", [b"a\nb\n\nc"]),
        (b"data:  a\ndata:  b\n\n", [b" a\n b"]),
        (b": a comment\n\ndata: x\n\n", [b"x"]),
        (b": a comment\ndata: x\n: another\n\n", [b"x"]),
        (b"event: delta\nid: 7\nretry: 3\ndata: x\n\n", [b"x"]),
        (b"event: ping\n\ndata: x\n\n", [b"x"]),
        (b"\n\n\n\ndata: x\n\n\n\n\ndata: y\n\n", [b"x", b"y"]),
        (b"data:\n\n", [b""]),
        (b"data: \n\n", [b""]),
        (b"database: x\n\n data: x\n\nDATA: x\n\n", []),
        (b"data: [DONE]\n\n", [b"[DONE]"]),
        (b"data: data: x\n\n", [b"data: x"]),
        ("data: 日本 ü\n\n".encode(), ["日本 ü".encode()]),
        (b"", []),
        (b"\r\n", []),
    ],
)
def test_events_are_read(stream: bytes, expected: list[bytes]) -> None:
    assert events(stream) == expected
    assert events(*(bytes([byte]) for byte in stream)) == expected


def test_an_event_comes_out_with_the_piece_that_ends_it() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: on") == []
    assert splitter.feed(b"e\n") == []
    assert splitter.feed(b"\ndata: two\n\nda") == [b"one", b"two"]
    assert splitter.feed(b"ta: three\r\n\r") == []
    assert splitter.feed(b"\n") == [b"three"]
    assert splitter.flush() == []


@pytest.mark.parametrize(
    "rest", [b"data: last", b"data: last\n", b"data: last\r\n", b"data: last\r", b"data: last\n\r"]
)
def test_an_event_that_the_end_cut_off_is_told_at_the_end(rest: bytes) -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: first\n\n" + rest) == [b"first"]
    assert splitter.flush() == [b"last"]
    assert splitter.flush() == []


def test_after_the_end_nothing_of_the_old_stream_is_left() -> None:
    splitter = EventSplitter()
    splitter.feed(b"data: old\n\r")
    splitter.flush()
    assert splitter.feed(b"\ndata: new\n\n") == [b"new"]


streams = st.lists(
    st.sampled_from(
        [
            b"data: x",
            b"data:",
            b"data: y z",
            b":",
            b"event: e",
            b"\n",
            b"\n\n",
            b"\r\n",
            b"\r",
            b"\r\n\r\n",
            b" ",
            b"d",
        ]
    ),
    max_size=14,
).map(b"".join)


@settings(max_examples=300)
@given(streams, st.lists(st.integers(0, 60), max_size=8))
@example(b"data: a\r\r\n\r\n", [9])
@example(b"data: a\r\n\r\ndata: b", [8, 9, 10])
def test_however_it_is_cut_a_stream_says_what_the_standard_says(stream: bytes, places: list[int]) -> None:
    assert events(*cut(stream, places)) == by_the_book(stream)


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=5), st.data())
def test_json_survives_the_way(texts: list[str], data: st.DataObject) -> None:
    stream = b"".join(b"data: " + json.dumps({"content": text}).encode() + b"\n\n" for text in texts)
    pieces = cut(stream, data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    assert [json.loads(event)["content"] for event in events(*pieces)] == texts


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=6))
def test_no_bytes_make_it_fail(stream: bytes, places: list[int]) -> None:
    assert events(*cut(stream, places)) == by_the_book(stream)


def test_a_frame_without_an_end_is_refused_before_it_fills_the_memory() -> None:
    splitter = EventSplitter()
    half = b"x" * (MAX_FRAME // 2)
    assert splitter.feed(half) == splitter.feed(half) == []
    with pytest.raises(FrameTooLong, match=f"more than {MAX_FRAME} bytes has no end") as caught:
        splitter.feed(b"x")
    assert caught.value.size == MAX_FRAME + 1


def test_many_frames_together_may_be_longer_than_one_may_be() -> None:
    event = b"data: " + b"x" * (MAX_FRAME // 4) + b"\n\n"
    assert len(events(event * 5)) == 5
