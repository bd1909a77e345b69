"""The thinking splitter: thought and answer apart, however the text is cut, and never half a tag."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddock.prompts.replies.said import Said
from paddock.prompts.replies.thinking import Tags, ThinkingSplitter


def said(
    *pieces: str, opened: bool = False, tags: tuple[str, str] = ("<think>", "</think>")
) -> tuple[str, str]:
    """Thinking and content of a whole answer that came in `pieces`."""
    splitter = ThinkingSplitter(Tags(*tags), opened=opened)
    parts = [*map(splitter.feed, pieces), splitter.flush()]
    return "".join(part.thinking for part in parts), "".join(part.content for part in parts)


def at_once(text: str, opened: bool, tags: tuple[str, str] = ("<think>", "</think>")) -> tuple[str, str]:
    """What the same text means when nobody is in a hurry."""
    opening, closing = map(re.escape, tags)
    start = "" if opened else rf"\s*{opening}"
    if whole := re.fullmatch(rf"{start}\s*(.*?)\s*{closing}\s*(.*)", text, re.DOTALL):
        return whole[1], whole[2]
    if thought := re.fullmatch(rf"{start}\s*(.*?)\s*", text, re.DOTALL):
        return thought[1], ""
    return "", text if text.strip() else ""


def cut(text: str, places: list[int]) -> list[str]:
    marks = [0, *sorted(min(place, len(text)) for place in places), len(text)]
    return [text[start:end] for start, end in itertools.pairwise(marks)]


@pytest.mark.parametrize(
    ("text", "thinking", "content"),
    [
        ("<think>why</think>because", "why", "because"),
        ("<think>\nwhy\nnot\n</think>\n\nbecause\n", "why\nnot", "because\n"),
        (" \n<think>why</think>because", "why", "because"),
        ("<think></think>because", "", "because"),
        ("<think> \n </think> because", "", "because"),
        ("<think>why", "why", ""),
        ("<think>why</thi", "why</thi", ""),
        ("<think>why \n", "why", ""),
        ("<think>", "", ""),
        ("<think>why</think>", "why", ""),
        ("<think>why</think> \n", "why", ""),
        ("because", "", "because"),
        ("  because ", "", "  because "),
        ("because <think>why</think>", "", "because <think>why</think>"),
        ("why</think>because", "", "why</think>because"),
        ("<thinking>hard</think>", "", "<thinking>hard</think>"),
        ("<thin", "", "<thin"),
        ("<thin air", "", "<thin air"),
        ("", "", ""),
        (" \n", "", ""),
        ("<think>a < b </ c</think>d", "a < b </ c", "d"),
        ("<think>a</thin</think>d", "a</thin", "d"),
        ("<think>a<</think>d", "a<", "d"),
        ("<think>a</think>b</think>c", "a", "b</think>c"),
        ("<think>a<think>b</think>c", "a<think>b", "c"),
        ("<THINK>a</THINK>b", "", "<THINK>a</THINK>b"),
    ],
)
def test_thought_and_answer_come_apart(text: str, thinking: str, content: str) -> None:
    assert said(text) == (thinking, content)
    assert said(*text) == (thinking, content)
    assert at_once(text, opened=False) == (thinking, content)


@pytest.mark.parametrize(
    ("text", "thinking", "content"),
    [
        ("why</think>because", "why", "because"),
        ("\n\nwhy\n</think>\n\nbecause", "why", "because"),
        ("</think>because", "", "because"),
        ("\n</think>\n", "", ""),
        ("why", "why", ""),
        ("why</think", "why</think", ""),
        ("", "", ""),
        (" \n", "", ""),
        ("<think>why</think>because", "<think>why", "because"),
    ],
)
def test_after_a_prompt_that_opened_the_thought_it_goes_on(text: str, thinking: str, content: str) -> None:
    assert said(text, opened=True) == (thinking, content)
    assert said(*text, opened=True) == (thinking, content)
    assert at_once(text, opened=True) == (thinking, content)


def test_what_is_certain_is_told_at_once() -> None:
    splitter = ThinkingSplitter()
    assert splitter.feed("<thi") == Said()
    assert splitter.feed("nk> wh") == Said(thinking="wh")
    assert splitter.feed("y no") == Said(thinking="y no")
    assert splitter.feed("t </th") == Said(thinking="t")
    assert splitter.feed("ere") == Said(thinking=" </there")
    assert splitter.feed("</think>\n") == Said()
    assert splitter.feed("\nbe") == Said(content="be")
    assert splitter.feed("cause \n") == Said(content="cause \n")
    assert splitter.flush() == Said()


def test_one_piece_may_hold_everything() -> None:
    assert ThinkingSplitter().feed("<think>why</think>because") == Said("why", "because")


def test_an_answer_without_thought_is_not_held_back() -> None:
    splitter = ThinkingSplitter()
    assert splitter.feed("b") == Said(content="b")
    assert splitter.feed(" <think>") == Said(content=" <think>")


def test_other_models_have_other_tags() -> None:
    tags = ("[THINK]", "[/THINK]")
    assert said("[THINK]why[/THINK]because", tags=tags) == ("why", "because")
    assert said("<think>why</think>", tags=tags) == ("", "<think>why</think>")


FRAGMENTS = [
    "<think>",
    "</think>",
    "<",
    "</",
    "</thi",
    "nk>",
    "think",
    ">",
    " ",
    "\n",
    "a",
    "b c",
    "é",
    "\u2003",
]
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=10).map("".join)
begun = st.tuples(st.sampled_from(["", "<think>", " \n<think>\n", "<th"]), texts).map("".join)
places = st.lists(st.integers(0, 60), max_size=8)


@settings(max_examples=400)
@given(begun, places, st.booleans())
def test_cutting_changes_nothing_and_the_meaning_is_the_patterns(
    text: str, where: list[int], opened: bool
) -> None:
    assert said(*cut(text, where), opened=opened) == at_once(text, opened)


@settings(max_examples=200)
@given(st.lists(st.sampled_from(["a", "ab", "aab", "aaab", "b", "x", " "]), max_size=10).map("".join), places)
def test_tags_that_overlap_themselves_are_found_all_the_same(text: str, where: list[int]) -> None:
    tags = ("x", "aab")
    assert said(*cut("x" + text, where), tags=tags) == at_once("x" + text, opened=False, tags=tags)


@settings(max_examples=200)
@given(begun, places, st.booleans())
def test_at_no_moment_has_more_been_told_than_will_turn_out_true(
    text: str, where: list[int], opened: bool
) -> None:
    thinking, content = at_once(text, opened)
    splitter = ThinkingSplitter(opened=opened)
    told_thinking = told_content = ""
    for piece in cut(text, where):
        part = splitter.feed(piece)
        told_thinking, told_content = told_thinking + part.thinking, told_content + part.content
        assert thinking.startswith(told_thinking)
        assert content.startswith(told_content)


@pytest.mark.parametrize(
    ("prompt", "changed"),
    [
        ("<|im_start|>assistant\n", "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
        ("<｜Assistant｜><think>\n", "<｜Assistant｜><think>\n\n</think>\n\n"),
        (
            "<|im_start|>assistant\n<think>\n\n</think>\n\n",
            "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
    ],
)
def test_an_empty_thought_at_the_end_of_the_prompt_turns_thinking_off(prompt: str, changed: str) -> None:
    assert Tags().without_thought(prompt) == changed
    assert not Tags().opened_by(changed)
