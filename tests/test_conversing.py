"""The engine's own chat route, without an engine: its events, and calls put together from pieces."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from paddock.engines.conversing import CallPart, Conversation, Reading, Told, conversation_body
from paddock.engines.dialect import Error
from paddock.options import Sampling
from paddock.prompts.replies.said import Said
from paddock.service.conversing import Calls


def event(**delta: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "finish_reason": None, "delta": delta}]}).encode()


def test_events_become_steps_and_the_figures_come_last() -> None:
    reading = Reading()
    assert reading.told(event(role="assistant", content=None)) is None
    assert reading.told(event(reasoning_content="Hm.")) == Told(thinking="Hm.", written=1)
    assert reading.told(event(content="Yes")) == Told(content="Yes", written=2)
    part = {"index": 0, "id": "x", "type": "function", "function": {"name": "now", "arguments": "{"}}
    assert reading.told(event(tool_calls=[part])) == Told(calls=(CallPart(0, "now", "{"),), written=3)
    assert reading.told(b'{"choices":[{"finish_reason":"length","index":0,"delta":{}}]}') is None
    timings = {"cache_n": 3, "prompt_n": 4, "prompt_ms": 1.5, "predicted_n": 9, "predicted_ms": 2.0}
    told = reading.told(json.dumps({"choices": [], "timings": timings}).encode())
    assert isinstance(told, Told)
    assert told.end is not None
    assert (told.end.reason, told.end.prompt_tokens, told.end.cached_tokens) == ("length", 7, 3)
    assert (told.end.prompt_ns, told.end.output_tokens, told.end.output_ns) == (1_500_000, 9, 2_000_000)
    assert reading.told(b"[DONE]") is None


def test_progress_and_errors_are_told_apart() -> None:
    reading = Reading()
    told = reading.told(b'{"choices":[],"prompt_progress":{"total":9,"cache":1,"processed":5,"time_ms":2}}')
    assert isinstance(told, Told)
    assert told.progress is not None
    assert (told.progress.total, told.progress.cached, told.progress.processed) == (9, 1, 5)
    assert isinstance(reading.told(b'{"error":{"code":500,"message":"no"}}'), Error)
    with pytest.raises(msgspec.DecodeError):
        reading.told(b'{"choices":[{"delta":{"content":5}}]}')


def test_the_body_has_the_definitions_whole_and_every_sampling_value() -> None:
    tool = {"type": "function", "function": {"name": "f", "strict": True}}
    wanted = Conversation([], [tool], {"enable_thinking": False}, Sampling(), 10, 100, thoughts=False)
    body = conversation_body(wanted)
    assert body["chat_template_kwargs"] == {"enable_thinking": False, "tools": [tool]}
    assert (body["n_predict"], body["stream"], body["reasoning_format"]) == (10, True, "none")
    assert {"temperature", "top_k", "seed", "samplers", "stop"} <= set(body)


def test_calls_are_put_together_and_what_is_none_is_text() -> None:
    calls = Calls({"now": {}, "add": {}})
    assert calls.feed([CallPart(0, "add"), CallPart(0, arguments='{"a"')]) == Said()
    said = calls.feed([CallPart(0, arguments=":1}"), CallPart(1, "now")])
    assert [(call.name, call.arguments, call.index) for call in said.tool_calls] == [("add", {"a": 1}, 0)]
    assert [(call.name, call.arguments, call.index) for call in calls.flush().tool_calls] == [("now", {}, 1)]
    assert calls.flush() == Said()
    for broken in (CallPart(2, "wipe", "{}"), CallPart(2, "add", '{"a":')):
        calls.feed([broken])
        assert calls.flush() == Said(content=broken.name + broken.arguments)
