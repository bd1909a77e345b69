"""Where pictures stand in a prompt: pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.messages import Medium, Message
from paddock.prompts import placing

SECRET = "5ec2e7"


def medium(number: int) -> Medium:
    return Medium("image", "png", "", str(number), f"images[{number}]")


def message(content: str, count: int) -> Message:
    return Message("user", content, media=tuple(map(medium, range(count))))


def seen(*messages: Message) -> list[str]:
    said, _ = placing.tagged(messages, SECRET)
    return [placing.untagged(each.content, SECRET) for each in said]


@pytest.mark.parametrize(
    ("content", "count", "placed"),
    [
        ("What is it?", 0, "What is it?"),
        ("What is it?", 1, "[img-0]What is it?"),
        ("What is it?", 2, "[img-0][img-1]What is it?"),
        ("This [img] or that [img]?", 2, "This [img-0] or that [img-1]?"),
        ("This [img] or?", 2, "[img-1]This [img-0] or?"),
        ("This [img] and [img]", 1, "This [img-0] and [img]"),
        ("[img-0] is text", 1, "[img-0][img-0] is text"),
        ("", 1, "[img-0]"),
    ],
)
def test_pictures_stand_where_the_text_says_or_before_it(content: str, count: int, placed: str) -> None:
    assert seen(message(content, count)) == [placed]


def test_they_are_numbered_through_a_conversation() -> None:
    said, media = placing.tagged([message("a", 2), message("b", 0), message("[img]c", 1)], SECRET)
    assert [placing.untagged(each.content, SECRET) for each in said] == ["[img-0][img-1]a", "b", "[img-2]c"]
    assert [each.digest for each in media] == ["0", "1", "0"]


def test_a_text_falls_apart_at_its_tags_only() -> None:
    (said,), _ = placing.tagged([message("x [img-0] [img]y", 1)], SECRET)
    assert list(placing.parts(said.content, SECRET)) == ["x [img-0] ", 0, "y"]
    assert list(placing.parts("", SECRET)) == [""]


@pytest.mark.parametrize(
    ("prompt", "count", "placed"),
    [
        ("What is it?", 2, "[img-0][img-1]What is it?"),
        ("A [img-1] B [img-0]", 2, "A [img-1] B [img-0]"),
        ("A [img] B [img-0]", 2, "A [img-1] B [img-0]"),
        ("A [img-7] B", 1, "[img-0]A [img-7] B"),
        ("A [img-0] B [img-0]", 1, "A [img-0] B [img-0]"),
    ],
)
def test_a_raw_prompt_may_number_its_pictures(prompt: str, count: int, placed: str) -> None:
    text = placing.tagged_prompt(prompt, count, SECRET)
    assert placing.untagged(text, SECRET) == placed
    if "7" not in prompt:
        assert all(number in set(placing.parts(text, SECRET)) for number in range(count))


@given(
    st.lists(st.tuples(st.text(st.sampled_from("[img]-01 x"), max_size=20), st.integers(0, 3)), max_size=4)
)
def test_no_picture_is_lost_and_no_text(conversation: list[tuple[str, int]]) -> None:
    messages = [message(content, count) for content, count in conversation]
    said, media = placing.tagged(messages, SECRET)
    found = [part for each in said for part in placing.parts(each.content, SECRET)]
    assert sorted(part for part in found if isinstance(part, int)) == list(range(len(media)))
    letters = "".join(part for part in found if isinstance(part, str)).replace("[img]", "")
    assert letters.count("x") == sum(content.count("x") for content, _ in conversation)
