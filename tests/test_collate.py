"""Which messages and tokens a model sees when not all of them fit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.messages import Message, ToolCall
from paddock.prompts.collate import (
    beginnings,
    conversation,
    drop_middle,
    fewest_dropped,
    template_values,
    template_variables,
    without_oldest,
)

RULES = Message("system", "rules")
OTHER = Message("system", "other rules")
HELLO, HI, BYE = Message("user", "hello"), Message("assistant", "hi"), Message("user", "bye")


@pytest.mark.parametrize(
    ("stored", "asked", "system", "whole"),
    [
        ((), (HELLO,), "rules", (RULES, HELLO)),
        ((), (HELLO,), None, (HELLO,)),
        ((), (HELLO,), "", (HELLO,)),
        ((), (OTHER, HELLO), "rules", (OTHER, HELLO)),
        ((), (HELLO, OTHER), "rules", (RULES, HELLO, OTHER)),
        ((HELLO, HI), (BYE,), "rules", (RULES, HELLO, HI, BYE)),
        ((HELLO, HI), (BYE,), None, (HELLO, HI, BYE)),
        ((HELLO, HI), (OTHER, BYE), "rules", (HELLO, HI, OTHER, BYE)),
        ((OTHER,), (BYE,), "rules", (RULES, OTHER, BYE)),
        ((HELLO, HI), (), "rules", (RULES, HELLO, HI)),
    ],
)
def test_stored_messages_come_first_and_the_models_system_prompt_before_them_unless_the_request_has_one(
    stored: tuple[Message, ...], asked: tuple[Message, ...], system: str | None, whole: tuple[Message, ...]
) -> None:
    assert conversation(stored, asked, system) == whole


def test_system_messages_survive_the_dropping_of_the_oldest() -> None:
    said = (RULES, HELLO, HI, OTHER, BYE)
    assert without_oldest(said, 0) == said
    assert without_oldest(said, 1) == said
    assert without_oldest(said, 2) == (RULES, HI, OTHER, BYE)
    assert without_oldest(said, 4) == (RULES, OTHER, BYE)
    assert without_oldest(said, 5) == (RULES, OTHER)


messages = st.lists(st.builds(Message, st.sampled_from(["system", "user"]), st.text(max_size=2)), max_size=8)


@given(messages, st.integers(0, 8))
def test_only_the_oldest_that_are_not_the_systems_go(said: list[Message], drop: int) -> None:
    left = without_oldest(said, drop)
    assert [m for m in left if m.role == "system"] == [m for m in said if m.role == "system"]
    assert [m for m in left if m.role != "system"] == [m for m in said[drop:] if m.role != "system"]


ANSWER, CALLED = Message("assistant", "answer"), Message("tool", "result")


@pytest.mark.parametrize(
    ("said", "may_go"),
    [
        ((), (0,)),
        ((HELLO,), (0,)),
        ((RULES, HELLO), (0, 1)),
        ((RULES, HELLO, HI, BYE), (0, 1, 3)),
        ((HELLO, HI, BYE, ANSWER, CALLED), (0, 2)),
        ((HELLO, ANSWER, CALLED), (0, 2)),
        ((ANSWER, CALLED), (0, 1)),
    ],
)
def test_what_is_left_begins_with_a_question(said: tuple[Message, ...], may_go: tuple[int, ...]) -> None:
    assert beginnings(said) == may_go


@given(messages)
def test_something_is_always_left(said: list[Message]) -> None:
    choices = beginnings(said)
    assert list(choices) == sorted(set(choices))
    assert choices[0] == 0
    assert choices[-1] < max(len(said), 1)


@given(st.lists(st.integers(0, 200), min_size=1, unique=True).map(sorted), st.integers(0, 220))
async def test_as_few_as_possible_are_dropped_and_hardly_anybody_is_asked(
    choices: list[int], enough: int
) -> None:
    asked: list[int] = []

    async def fits(drop: int) -> bool:
        asked.append(drop)
        return drop >= enough

    found = await fewest_dropped(choices, fits)
    assert found == next((drop for drop in choices if drop >= enough), choices[-1])
    assert len(asked) <= math.ceil(math.log2(len(choices))) + 1
    assert set(asked) <= set(choices)


def test_the_middle_goes_and_both_ends_stay() -> None:
    tokens = tuple(range(100))
    assert drop_middle(tokens, window=20, keep=4) == (0, 1, 2, 3, *range(92, 100))
    assert drop_middle(tokens, window=20, keep=0) == tuple(range(90, 100))


def test_what_leaves_room_for_an_answer_is_not_cut() -> None:
    tokens = tuple(range(12))
    assert drop_middle(tokens, window=20, keep=4) == tokens
    assert len(drop_middle((*tokens, 12), window=20, keep=4)) == 12


def test_not_more_than_half_a_window_is_kept_whatever_is_asked() -> None:
    assert drop_middle(tuple(range(100)), window=20, keep=99) == (*range(10), *range(95, 100))
    # A negative number asks for everything.
    assert drop_middle(tuple(range(100)), window=20, keep=-1) == (*range(10), *range(95, 100))


@given(st.integers(0, 300), st.integers(4, 100), st.integers(-5, 300))
def test_a_cut_prompt_always_leaves_room_and_keeps_its_beginning_and_its_end(
    length: int, window: int, keep: int
) -> None:
    tokens = tuple(range(length))
    left = drop_middle(tokens, window, keep)
    assert len(left) < window
    if left == tokens:
        return
    kept = min(keep, window // 2) if keep >= 0 else window // 2
    # Half of what is not kept is left free, so cutting again happens only after a good many tokens.
    assert window - len(left) == max((window - kept) // 2, 1)
    assert left[:kept] == tokens[:kept]
    assert left[kept:] == tokens[len(tokens) - len(left) + kept :]
    assert len(left) > kept  # the newest tokens are there at all


def test_a_template_sees_a_message_as_openais_api_writes_it() -> None:
    call = ToolCall("weather", {"city": "Bern"}, 0, "call_1")
    seen = template_values(
        [
            HELLO,
            Message("assistant", "", tool_calls=(call,)),
            Message("tool", "12°", "", (), "weather", "call_1"),
        ]
    )
    function = {"name": "weather", "arguments": {"city": "Bern"}}
    assert seen == [
        {"role": "user", "content": "hello"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": "call_1", "type": "function", "function": function}],
        },
        {"role": "tool", "content": "12°", "name": "weather", "tool_call_id": "call_1"},
    ]


def test_a_template_is_told_about_thinking_only_where_the_model_can_think() -> None:
    assert template_variables(None) == {}
    assert template_variables(True) == {"enable_thinking": True}
    assert template_variables(False) == {"enable_thinking": False}
    assert template_variables("high") == {"enable_thinking": True, "reasoning_effort": "high"}
