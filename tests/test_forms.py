"""Replies in the forms of other models, over HTTP: a grammar makes the model in the box write them.

How each form is read is tested in `test_replies`; here it is that a template's marks choose it, that they
reach us from the engine, and that what is told has none of them.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from calls import post
from conftest import RunningServer
from stores import add_speaking, add_variant

TOOLS = [
    {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": {}}}}
    for name in ("get_weather", "now")
]
PARIS = ("get_weather", {"city": "Paris"})
NOW = ("now", {})

#: A name, what its template contains, a reply, and what is to be told of it: thinking, content, calls.
FORMS = [
    (
        "tiny",
        "",
        'Two.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>\n'
        '<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
        ("", "Two.", [PARIS, NOW]),
    ),
    (
        "tiny",
        "",
        '<think>Hm.</think>\n\n<tool_call>{"name": "wipe", "arguments": {}}</tool_call>',
        ("Hm.", '<tool_call>{"name": "wipe", "arguments": {}}</tool_call>', []),
    ),
    (
        "like-llama",
        "{% if tools %}{% endif %}<|start_header_id|> <|python_tag|>",
        '{"name": "get_weather", "parameters": {"city": "Paris"}}',
        ("", "", [PARIS]),
    ),
    (
        "like-mistral",
        "{% if tools %}{% endif %}[TOOL_CALLS]",
        '[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]now[ARGS]{}',
        ("", "", [PARIS, NOW]),
    ),
    (
        "like-gemma",
        "{% if tools %}{% endif %}<start_of_turn>",
        '[get_weather(city="Paris"), now()]',
        ("", "", [PARIS, NOW]),
    ),
    (
        "like-r1",
        "{% if tools %}{% endif %}<｜tool▁calls▁begin｜> {{ ''.split('</think>')[0] }}",
        "<think>\nHm.\n</think>\n\n<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
        '```json\n{"city": "Paris"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
        ("Hm.", "", [PARIS]),
    ),
]


@pytest.mark.parametrize(("name", "marks", "reply", "expected"), FORMS)
def test_a_reply_in_the_form_of_another_model(
    server: RunningServer, name: str, marks: str, reply: str, expected: tuple[str, str, Any]
) -> None:
    if marks:
        add_speaking(server.store, name, marks + "{% for m in messages %}{{ m.content }}{% endfor %}")
    lines = post(
        server.url,
        "/api/chat",
        model=name,
        messages=[{"role": "user", "content": "Go."}],
        tools=TOOLS,
        think=False,
        grammar=f"root ::= {json.dumps(reply, ensure_ascii=False)}",
    ).lines
    messages = [line["message"] for line in lines]
    calls = [call["function"] for message in messages for call in message.get("tool_calls", ())]
    assert [call["index"] for call in calls] == list(range(len(calls)))
    told = [(call["name"], call["arguments"]) for call in calls]
    thinking = "".join(message.get("thinking", "") for message in messages)
    assert (thinking, "".join(message["content"] for message in messages), told) == expected
    assert len(messages) > 1
    assert lines[-1]["done_reason"] == "stop"


GO = (
    "{{ if .Tools }}{{ .Tools }}{{ end }}{{ .Suffix }}{{ range .Messages }}"
    "{{ .Role }}: {{ if .Thinking }}<hm>{{ .Thinking }}</hm>{{ end }}{{ .Content }}"
    '{{ range .ToolCalls }}<call>{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}'
    "</call>{{ end }}{{ .ToolName }}\n{{ end }}assistant: "
)


def test_the_tags_of_a_go_template_are_those_of_its_replies(server: RunningServer) -> None:
    add_variant(server.store, "like-go", ("template", GO))
    shown = post(server.url, "/api/show", model="like-go").json
    assert shown["paddock"] == {"renderer": "go-template", "splitter": "tagged, thinking"}
    assert {"tools", "thinking"} <= set(shown["capabilities"])
    reply = '<hm>Why.</hm>Yes.\n<call>{"name": "get_weather", "arguments": {"city": "Paris"}}</call>'
    asked: dict[str, Any] = {"model": "like-go", "tools": TOOLS, "stream": False, "think": False}
    turns = [{"role": "user", "content": "Go."}]
    said = post(server.url, "/api/chat", messages=turns, grammar=f"root ::= {json.dumps(reply)}", **asked)
    message = said.json["message"]
    assert (message["thinking"], message["content"]) == ("Why.", "Yes.")
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == [{"city": "Paris"}]
    turns += [message, {"role": "tool", "content": "mild"}]
    prompt = post(server.url, "/api/chat", messages=turns, _debug_render_only=True, **asked).json
    assert prompt["_debug_info"]["rendered_template"].endswith(
        'assistant: <hm>Why.</hm>Yes.<call>{"name": "get_weather", "arguments": {"city":"Paris"}}</call>\n'
        "tool: mildget_weather\nassistant: <hm>\n\n</hm>\n\n"
    )


def test_messages_in_channels_come_apart(server: RunningServer) -> None:
    template = (
        "{% for m in messages %}{{ m.content }}{% endfor %}{% if tools %}{% endif %}"
        "<|start|>assistant{# <|channel|><|message|> #}"
    )
    add_speaking(server.store, "like-oss", template)
    call = "<|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>"
    message = post(
        server.url,
        "/api/chat",
        model="like-oss",
        messages=[
            {"role": "user", "content": "Go."},
            {"role": "assistant", "content": "<|channel|>final<|message|>Well. "},  # which goes on
        ],
        tools=TOOLS,
        stream=False,
        grammar="root ::= " + json.dumps("Four.<|end|>" + call + '{"city": "Paris"}'),
    ).json["message"]
    assert message["content"] == "Four."
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == [{"city": "Paris"}]
    reply = "Four.<|end|><|start|>assistant<|channel|>analysis<|message|>Hm.<|end|>"
    answer = post(
        server.url,
        "/api/generate",
        model="like-oss",
        prompt="Go.<|start|>assistant<|channel|>final<|message|>",
        raw=True,
        think=True,
        stream=False,
        grammar=f"root ::= {json.dumps(reply)}",
    ).json
    assert (answer["response"], answer["thinking"]) == ("Four.", "Hm.")
