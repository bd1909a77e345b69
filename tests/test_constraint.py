"""From a request to the grammar an engine gets: kept, refused early, behind the thought of each format."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from grammars import Recognition, rules_of
from paddock.errors import BadGrammar, BadRequest, BadSchema
from paddock.messages import ChatRequest, Common, GenerateRequest, Think
from paddock.prompts.grammar import Grammar
from paddock.prompts.replies.formats import PLAIN, Channels, Format, Marked
from paddock.prompts.replies.thinking import Tags
from paddock.service import constraint
from paddock.service.constraint import Constraints

THINKING = Marked("thinking", Tags())
YES = ChatRequest("m", grammar='root ::= "yes"')


async def text(request: Common, speech: Format, think: Think | None, ending: str = "") -> Recognition:
    found = await constraint.text(await Constraints().of(request), request, speech, think, ending)
    return Recognition(Grammar(rules_of(found)))


async def test_without_a_wish_there_is_no_grammar() -> None:
    request = ChatRequest("m")
    assert await Constraints().of(request) is None
    assert await constraint.text(None, request, THINKING, True, "") == ""


async def test_a_grammar_is_made_once_for_those_who_ask_the_same() -> None:
    constraints = Constraints()
    schema = {"type": "array", "items": {"type": "integer"}}
    first = await constraints.of(ChatRequest("m", format=schema))
    assert await constraints.of(GenerateRequest("n", format=json.loads(json.dumps(schema)))) is first
    for number in range(100):
        await constraints.of(ChatRequest("m", format={"const": number}))
    again = await constraints.of(ChatRequest("m", format=schema))
    assert again is not first
    assert again == first


async def test_the_order_of_members_makes_another_schema() -> None:
    constraints = Constraints()
    one, two = ({"properties": {a: {}, b: {}}, "type": "object"} for a, b in ("xy", "yx"))
    assert await constraints.of(ChatRequest("m", format=one)) != await constraints.of(
        ChatRequest("m", format=two)
    )


async def test_what_is_wrong_is_raised_and_not_kept() -> None:
    constraints = Constraints()
    for _ in range(2):
        with pytest.raises(BadSchema):
            await constraints.of(ChatRequest("m", format={"not": {}}))
        with pytest.raises(BadGrammar):
            await constraints.of(ChatRequest("m", grammar="root"))
    with pytest.raises(BadRequest, match="format and grammar exclude each other"):
        await constraints.of(ChatRequest("m", format={}, grammar='root ::= "a"'))


async def test_the_loop_goes_on_while_a_schema_is_read() -> None:
    """Events that come meanwhile are served: the schema is read on a thread."""
    schema: Any = {
        "type": "object",
        "properties": {f"p{n}": {"pattern": "a.*b", "maxLength": 99} for n in range(3)},
    }
    served = 0

    async def serve() -> None:
        nonlocal served
        while True:
            await asyncio.sleep(0)
            served += 1

    server = asyncio.create_task(serve())
    await Constraints().of(ChatRequest("m", format=schema))
    server.cancel()
    assert served > 3


# ── formats ───────────────────────────────────────────────────────────────────────────────────────


async def test_a_model_that_does_not_think_answers_at_once() -> None:
    for speech, think in ((PLAIN, None), (PLAIN, True), (THINKING, False), (THINKING, None)):
        found = await text(YES, speech, think)
        assert found.accepts("yes")
        assert not found.accepts("<think>hm</think>yes")


async def test_a_model_that_thinks_may_do_so_first() -> None:
    found = await text(YES, THINKING, True, "<|im_start|>assistant\n")
    assert found.accepts("<think>hm</think>\n\nyes")
    assert found.accepts("yes")
    opened = await text(YES, THINKING, True, "<|im_start|>assistant\n<think>\n")
    assert opened.accepts("hm</think>\n\nyes")
    assert not opened.accepts("yes")


async def test_raw_prompts_and_holes_are_answered_at_once_unless_thinking_is_asked_for() -> None:
    raw = GenerateRequest("m", grammar=YES.grammar, raw=True)
    assert (await text(raw, THINKING, None)).accepts("yes")
    assert (await text(raw, THINKING, True)).accepts("<think>hm</think>yes")
    hole = GenerateRequest("m", grammar=YES.grammar, suffix=")")
    assert not (await text(hole, THINKING, None)).accepts("<think>hm</think>yes")


@pytest.mark.parametrize("think", ["low", False, True])
async def test_channels_hold_the_final_one_to_the_grammar(think: Think) -> None:
    found = await text(YES, Channels(), think, "…<|start|>assistant")
    thought = "<|channel|>analysis<|message|>They want yes.<|end|><|start|>assistant"
    assert found.accepts(f"{thought}<|channel|>final<|message|>yes")
    assert found.accepts("<|channel|>final<|message|>yes")
    assert not found.accepts("yes")
    assert not found.accepts(f"{thought}<|channel|>commentary<|message|>yes")


async def test_channels_that_the_prompt_has_opened_are_gone_on_with() -> None:
    inside = await text(YES, Channels(), True, "<|start|>assistant<|channel|>analysis<|message|>Well")
    assert inside.accepts(", yes.<|end|><|start|>assistant<|channel|>final<|message|>yes")
    assert not inside.accepts("<|channel|>final<|message|>yes")
    final = await text(YES, Channels(), True, "<|start|>assistant<|channel|>final<|message|>")
    assert final.accepts("yes")
