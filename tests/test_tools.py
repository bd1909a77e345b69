"""Tools and thinking over HTTP, with the real engine and the model in the box."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import ollama
import pytest

from calls import Answer, post
from conftest import RunningServer
from stores import add_speaking, boxed

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "description": "city"}},
            "required": ["city"],
        },
    },
}
QUESTION = {"role": "user", "content": "What is the weather in Paris?"}
CALL = {"function": {"name": "get_weather", "arguments": {"city": "Paris"}}}
RESULT = {"role": "tool", "tool_name": "get_weather", "content": "18 degrees, cloudy"}
ANSWER = "Here is what I found: 18 degrees, cloudy."


def chat(server: RunningServer, *messages: dict[str, Any], model: str = "tiny", **more: Any) -> Answer:
    return post(server.url, "/api/chat", model=model, messages=list(messages), **more)


def rendered(server: RunningServer, *messages: dict[str, Any], model: str = "tiny", **more: Any) -> str:
    answer = chat(server, *messages, model=model, _debug_render_only=True, **more)
    assert answer.status == 200, answer.body
    return str(answer.json["_debug_info"]["rendered_template"])


def check_call(calls: list[dict[str, Any]]) -> str:
    """That this is the one call expected; its id."""
    (call,) = calls
    assert call["function"] == {"index": 0, "name": "get_weather", "arguments": {"city": "Paris"}}
    assert re.fullmatch(r"call_[a-z0-9]{8}", call["id"])
    return str(call["id"])


# ── calls ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("think", [True, False, None])
def test_a_call_is_streamed_in_a_chunk_of_its_own(server: RunningServer, think: bool | None) -> None:
    lines = chat(server, QUESTION, tools=[WEATHER], think=think).lines
    (calling,) = (line for line in lines if "tool_calls" in line["message"])
    assert (calling["done"], calling["message"]["content"]) == (False, "")
    check_call(calling["message"]["tool_calls"])
    assert (lines[-1]["done"], lines[-1]["done_reason"]) == (True, "stop")
    assert lines[-1]["message"] == {"role": "assistant", "content": ""}
    assert "".join(line["message"]["content"] for line in lines) == ""
    assert lines[-1]["eval_count"] > 3


@pytest.mark.parametrize("think", [True, False])
def test_a_whole_answer_has_the_call_in_its_message(server: RunningServer, think: bool) -> None:
    message = chat(server, QUESTION, tools=[WEATHER], think=think, stream=False).json["message"]
    check_call(message["tool_calls"])
    assert message["content"] == ""


def test_every_call_has_an_id_of_its_own(server: RunningServer) -> None:
    ids = {
        check_call(chat(server, QUESTION, tools=[WEATHER], stream=False).json["message"]["tool_calls"])
        for _ in range(2)
    }
    assert len(ids) == 2


@pytest.mark.parametrize("stream", [True, False])
def test_the_result_of_a_call_is_answered(server: RunningServer, stream: bool) -> None:
    said = chat(server, QUESTION, tools=[WEATHER], stream=False).json["message"]
    for result in (
        RESULT,
        {"role": "tool", "tool_call_id": said["tool_calls"][0]["id"], "content": RESULT["content"]},
        {"role": "tool", "content": RESULT["content"]},
    ):
        answer = chat(server, QUESTION, said, result, tools=[WEATHER], stream=stream)
        assert "".join(line["message"]["content"] for line in answer.lines) == ANSWER
        assert all("tool_calls" not in line["message"] for line in answer.lines)


def test_tools_that_do_not_fit_are_not_called(server: RunningServer) -> None:
    message = chat(server, {"role": "user", "content": "Hello!"}, tools=[WEATHER], stream=False).json[
        "message"
    ]
    assert message["content"] == "Hello! How can I help you today?"
    assert "tool_calls" not in message


def test_generate_tells_of_calls_that_its_prompt_asked_for(server: RunningServer) -> None:
    """The turns of a chat with tools, sent by hand."""
    turns = re.findall(
        r"<\|im_start\|>(system|user)\n(.*?)<\|im_end\|>",
        rendered(server, QUESTION, tools=[WEATHER]),
        re.DOTALL,
    )
    said = dict(turns)
    asked = {"model": "tiny", "prompt": said["user"], "system": said.get("system", "")}
    streamed = post(server.url, "/api/generate", **asked).lines
    (calling,) = (line for line in streamed if "tool_calls" in line)
    assert (calling["response"], calling["done"]) == ("", False)
    check_call(calling["tool_calls"])
    whole = post(server.url, "/api/generate", stream=False, **asked).json
    check_call(whole["tool_calls"])
    assert whole["response"] == ""
    assert len(whole["context"]) >= whole["prompt_eval_count"]


# ── what a model is told ──────────────────────────────────────────────────────────────────────────

#: Prints everything a template is given.
SHOWING = (
    "{% if tools %}{{ tools | tojson }}{% endif %}{% for m in messages %}|{{ m.role }}:{{ m.content }}"
    "{% for c in m.tool_calls %}<tool_call>{{ c.id }} {{ c.function.name }} "
    "{{ c.function.arguments | tojson }}</tool_call>{% endfor %}"
    "{% if m.role == 'tool' %}({{ m.name }} {{ m.tool_call_id }}){% endif %}{% endfor %}"
    "{% if add_generation_prompt %}>{% endif %}"
)


@pytest.fixture(scope="module")
def showing(server: RunningServer) -> str:
    add_speaking(server.store, "showing", SHOWING)
    return "showing"


def test_no_keyword_of_a_definition_is_dropped(server: RunningServer, showing: str) -> None:
    tool = {
        "function": {
            "name": "book",
            "parameters": {
                "type": "object",
                "additionalProperties": False,
                "properties": {
                    "seats": {"type": "integer", "minimum": 1, "default": 2},
                    "date": {"type": ["string", "null"], "format": "date"},
                    "class": {"oneOf": [{"const": 1}, {"const": 2}]},
                },
                "$defs": {"x": {}},
            },
            "strict": True,
        },
        "x-mine": [1],
    }
    text = rendered(server, QUESTION, model=showing, tools=[tool])
    (told,) = json.loads(text.partition("|")[0])
    assert told == {"type": "function", **tool}
    assert list(told["function"]["parameters"]["properties"]) == ["seats", "date", "class"]


def test_several_calls_of_one_turn_and_their_results_find_each_other(
    server: RunningServer, showing: str
) -> None:
    other = {"function": {"name": "get_time", "arguments": {"b": 1, "a": [2]}}, "id": "call_abcdefgh"}
    calling = {"role": "assistant", "content": "", "tool_calls": [CALL, other]}
    results = [
        {"role": "tool", "tool_call_id": "call_abcdefgh", "content": "noon"},
        {"role": "tool", "tool_name": "get_weather", "content": "mild"},
    ]
    text = rendered(server, QUESTION, calling, *results, model=showing, tools=[WEATHER])
    assert text.partition("|")[2] == (
        "user:What is the weather in Paris?|assistant:"
        '<tool_call>call00001 get_weather {"city": "Paris"}</tool_call>'
        '<tool_call>call_abcdefgh get_time {"b": 1, "a": [2]}</tool_call>'
        "|tool:noon(get_time call_abcdefgh)|tool:mild(get_weather call00001)>"
    )


def test_a_thought_of_an_earlier_turn_reaches_the_template(server: RunningServer) -> None:
    """Which may want it while calls are being made: those of Qwen 3 and gpt-oss do."""
    template = "{% for m in messages %}[{{ m.reasoning_content }}]{{ m.content }}{% endfor %}"
    add_speaking(server.store, "pensive", template)
    said = {"role": "assistant", "content": "Hm.", "thinking": "Weather?"}
    assert "[Weather?]Hm." in rendered(server, QUESTION, said, QUESTION, model="pensive")


def test_ids_are_made_short_for_templates_that_refuse_others(server: RunningServer) -> None:
    template = (
        "{# [TOOL_CALLS] #}{% if tools %}{% endif %}{% for m in messages %}{% for c in m.tool_calls %}"
        "{% if c.id | length != 9 %}{{ raise_exception('bad id') }}{% endif %}{{ c.id }}{% endfor %}"
        "{% if m.role == 'tool' %} {{ m.tool_call_id }}{% endif %}{{ m.content }}{% endfor %}"
    )
    add_speaking(server.store, "picky", template)
    calling = {"role": "assistant", "content": "", "tool_calls": [CALL | {"id": "call_abcdefgh"}]}
    result = RESULT | {"tool_call_id": "call_abcdefgh"}
    text = rendered(server, QUESTION, calling, result, model="picky", tools=[WEATHER])
    assert "call00001 call00001" in text


# ── refusals ──────────────────────────────────────────────────────────────────────────────────────


def test_a_model_without_tools_says_so_in_ollamas_words(server: RunningServer) -> None:
    add_speaking(server.store, "mute", "{% for m in messages %}{{ m.content }}{% endfor %}")
    answer = chat(server, QUESTION, model="mute", tools=[WEATHER])
    assert (answer.status, answer.json) == (
        400,
        {"error": "registry.ollama.ai/library/mute:latest does not support tools"},
    )
    assert chat(server, QUESTION, model="mute", think=True).json == {
        "error": '"mute" does not support thinking'
    }
    assert chat(server, QUESTION, model="mute", think=False, options={"num_predict": 1}).status == 200
    assert post(server.url, "/api/show", model="mute").json["capabilities"] == ["completion", "insert"]


@pytest.mark.parametrize(
    ("tools", "field"),
    [
        ("get_weather", "tools"),
        (["get_weather"], "tools[0]"),
        ([WEATHER, {"type": "function"}], "tools[1].function"),
        ([{"function": {"description": "?"}}], "tools[0].function.name"),
    ],
)
def test_tools_that_cannot_be_understood_are_named(server: RunningServer, tools: object, field: str) -> None:
    answer = chat(server, QUESTION, tools=tools)
    assert answer.status == 400
    assert answer.json["error"].startswith(f"invalid value for {field}: ")


# ── thinking ──────────────────────────────────────────────────────────────────────────────────────


def test_thinking_on_and_off(server: RunningServer) -> None:
    sum_ = {"role": "user", "content": "What is 27 plus 48?"}
    for stream in (True, False):
        thoughtful = chat(server, sum_, think=True, stream=stream).lines
        assert "".join(line["message"].get("thinking", "") for line in thoughtful).startswith("Ones: ")
        assert "".join(line["message"]["content"] for line in thoughtful) == "27 + 48 = 75."
        quiet = chat(server, sum_, think=False, stream=stream).lines
        assert all("thinking" not in line["message"] for line in quiet)
        assert "".join(line["message"]["content"] for line in quiet) == "27 + 48 = 75."


def test_a_template_that_always_opens_a_thought_is_quietened(server: RunningServer) -> None:
    """As those of DeepSeek-R1, which know nothing of a switch."""
    template = (
        "{% for m in messages %}{{ m.content.split('</think>')[-1] }}{% endfor %}"
        "{% if add_generation_prompt %}<think>\n{% endif %}"
    )
    add_speaking(server.store, "thinker", template)
    assert rendered(server, QUESTION, model="thinker").endswith("<think>\n")
    assert rendered(server, QUESTION, model="thinker", think=False).endswith("<think>\n\n</think>\n\n")
    prompt = post(
        server.url, "/api/generate", model="thinker", prompt="x", think=False, _debug_render_only=True
    )
    assert prompt.json["_debug_info"]["rendered_template"].endswith("<think>\n\n</think>\n\n")


def test_gpt_oss_is_told_how_hard_to_think(server: RunningServer) -> None:
    template = (
        "Reasoning: {{ reasoning_effort }}. {% for m in messages %}{{ m.content }}{% endfor %}"
        "<|start|>assistant{# <|channel|><|message|> #}"
    )
    add_speaking(server.store, "oss", template)
    efforts = {
        think: re.findall(r"Reasoning: (\w+)", rendered(server, QUESTION, model="oss", think=think))
        for think in (None, True, False, "low", "medium", "high", "max")
    }
    assert efforts == {
        None: ["medium"],
        True: ["medium"],
        False: ["low"],
        "low": ["low"],
        "medium": ["medium"],
        "high": ["high"],
        "max": ["high"],
    }


# ── a form that only the engine reads ─────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def odd(server: RunningServer) -> str:
    """The template of the model in the box, with its marks spelled so that they are not recognised."""
    template = boxed()[1].chat_template
    for mark in ("<tool_call>", "</tool_call>"):
        template = template.replace(mark, f"{mark[:4]}' + '{mark[4:]}")
    assert "l_call>" in template
    assert "<tool_call>" not in template
    add_speaking(server.store, "odd", template)
    return "odd"


@pytest.mark.parametrize(("stream", "think"), [(True, True), (False, False)])
def test_the_engine_reads_calls_in_a_form_that_nobody_wrote_down(
    server: RunningServer, odd: str, stream: bool, think: bool
) -> None:
    lines = chat(server, QUESTION, model=odd, tools=[WEATHER], stream=stream, think=think).lines
    (calling,) = (line for line in lines if "tool_calls" in line["message"])
    check_call(calling["message"]["tool_calls"])
    assert calling["done"] is not stream
    last = lines[-1]
    assert (last["done"], last["done_reason"]) == (True, "stop")
    assert last["prompt_eval_count"] > 20
    assert last["eval_count"] > 3
    answered = chat(
        server, QUESTION, calling["message"], RESULT, model=odd, tools=[WEATHER], stream=stream, think=think
    ).lines
    assert "".join(line["message"]["content"] for line in answered) == ANSWER


def test_the_engines_way_has_no_tags_and_no_log_probabilities(server: RunningServer, odd: str) -> None:
    assert post(server.url, "/api/show", model=odd).json["paddock"]["splitter"] == "engine, thinking"
    assert "tools" in post(server.url, "/api/show", model=odd).json["capabilities"]
    hello = {"role": "user", "content": "Hello!"}
    for think in (True, False):
        message = chat(server, hello, model=odd, tools=[WEATHER], think=think, stream=False).json["message"]
        assert message == {"role": "assistant", "content": "Hello! How can I help you today?"}
    refused = chat(server, hello, model=odd, tools=[WEATHER], logprobs=True)
    assert (refused.status, refused.json["error"][:10]) == (400, "logprobs: ")


def test_the_engines_way_keeps_to_the_window_and_the_limit(server: RunningServer, odd: str) -> None:
    turns = [QUESTION, {"role": "assistant", "content": "I see."}] * 40
    options = {"num_ctx": 256, "num_predict": 2}
    answer = chat(server, *turns, QUESTION, model=odd, tools=[WEATHER], stream=False, options=options)
    assert answer.json["done_reason"] == "length"
    assert answer.json["eval_count"] == 2
    assert int(answer.headers["x-paddock-prompt-truncated"]) > 0
    long = {"role": "user", "content": "many words " * 300}
    assert (
        chat(server, long, model=odd, tools=[WEATHER], options=options)
        .json["error"]
        .startswith("the prompt is longer than the context length")
    )


# ── where it is visible ───────────────────────────────────────────────────────────────────────────


def paddock(server: RunningServer, *arguments: str) -> str:
    command = [sys.executable, "-P", "-m", "paddock", *arguments]
    done = subprocess.run(
        command, env=server.env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_show_names_the_renderer_and_the_splitter(server: RunningServer) -> None:
    shown = post(server.url, "/api/show", model="tiny").json
    assert shown["paddock"] == {"renderer": "go-template", "splitter": "hermes, thinking"}
    assert "tools" in shown["capabilities"]
    assert re.search(r"splitter +hermes, thinking", paddock(server, "show", "tiny"))


def test_the_terminal_shows_a_thought_apart(server: RunningServer) -> None:
    told = paddock(server, "run", "tiny", "--think", "What is 27 plus 48?")
    assert re.fullmatch(
        r"Thinking\.\.\.\nOnes: .*\n\.\.\.done thinking\.\n\n27 \+ 48 = 75\.\n\n", told, re.DOTALL
    )
    assert paddock(server, "run", "tiny", "--think=false", "What is 27 plus 48?") == "27 + 48 = 75.\n\n"


# ── the `ollama` package ──────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[ollama.Client]:
    with ollama.Client(host=server.url) as client:
        yield client


@pytest.fixture
async def several(server: RunningServer) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(host=server.url) as client:
        yield client


def get_weather(city: str) -> str:
    """Get the current weather

    Args:
        city: city
    """
    return f"18 degrees, cloudy in {city}"


def test_a_python_function_is_a_tool(client: ollama.Client) -> None:
    messages: list[Any] = [QUESTION]
    said = client.chat(model="tiny", messages=messages, tools=[get_weather]).message
    assert said.tool_calls
    (call,) = said.tool_calls
    assert call.function.name == "get_weather"
    result = get_weather(**call.function.arguments)
    messages += [said, {"role": "tool", "tool_name": call.function.name, "content": result}]
    answer = client.chat(model="tiny", messages=messages, tools=[get_weather])
    assert answer.message.content == f"Here is what I found: {result}."


def test_a_call_comes_out_of_the_packages_stream(client: ollama.Client) -> None:
    parts = list(client.chat(model="tiny", messages=[QUESTION], tools=[get_weather], stream=True, think=True))
    calls = [call for part in parts for call in part.message.tool_calls or ()]
    assert [dict(call.function.arguments) for call in calls] == [{"city": "Paris"}]
    assert parts[-1].done


async def test_the_asynchronous_client_calls_too(several: ollama.AsyncClient) -> None:
    answer = await several.chat(model="tiny", messages=[QUESTION], tools=[get_weather])
    assert [call.function.name for call in answer.message.tool_calls or ()] == ["get_weather"]
