"""Prompts made by Go templates, over HTTP: models with the weights of the one in the box and layers of
their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calls import Answer, call, post, until
from conftest import RunningServer, serving
from stores import add_variant, boxed

CHAT = """{{- if .System }}<sys>{{ .System }}</sys>
{{ end }}
{{- range $i, $m := .Messages }}
{{- if ne $m.Role "system" }}<{{ $m.Role }}>{{ $m.Content }}</{{ $m.Role }}>
{{ end }}
{{- end }}<assistant>"""

LEGACY = """{{ if .System }}<|system|>{{ .System }}<|end|>
{{ end }}{{ if .Prompt }}<|user|>{{ .Prompt }}<|end|>
{{ end }}<|assistant|>{{ .Response }}<|end|>
"""

INSERT = "{{ if .Suffix }}<PRE>{{ .Prompt }}<SUF>{{ .Suffix }}<MID>{{ else }}{{ .Prompt }}{{ end }}"

LAST = """{{- $last := 0 }}
{{- range $i, $m := .Messages }}{{ if eq $m.Role "user" }}{{ $last = $i }}{{ end }}{{ end }}
{{- range $i, $m := .Messages }}{{ if eq $i $last }}>>> {{ end }}{{ $m.Content }}
{{ end }}"""

THOUGHT = """{{ range .Messages }}{{ if .Thinking }}<think>{{ .Thinking }}</think>{{ end }}{{ .Content }}
{{ end }}{{ if .IsThinkSet }}[{{ .Think }} {{ .ThinkLevel }}]{{ end }}"""

STORED = json.dumps([{"role": "user", "content": "Ping?"}, {"role": "assistant", "content": "Pong."}])


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server that prefers Go templates, with models that have them."""
    home = tmp_path_factory.mktemp("home")
    store = home / ".ollama" / "models"
    add_variant(store, "chat", ("template", CHAT), ("system", "Be kind."), ("messages", STORED))
    add_variant(store, "legacy", ("template", LEGACY), ("system", "Be kind."))
    add_variant(store, "insert", ("template", INSERT))
    add_variant(store, "last", ("template", LAST))
    add_variant(store, "thought", ("template", THOUGHT))
    add_variant(store, "bare", ("template", "{{ .Prompt }}"))
    add_variant(store, "qwen", ("template", CHAT), model_family="qwen3")
    add_variant(store, "broken", ("template", "line\n{{ if .Prompt }}never ended"))
    add_variant(store, "failing", ("template", "{{ .Messages }}{{ .System.Name }}"))
    with serving(home, {"OLLAMA_GO_TEMPLATE": "1"}) as running:
        yield running


def rendered(answer: Answer) -> str:
    assert answer.status == 200, answer.body
    text = answer.json["_debug_info"]["rendered_template"]
    assert isinstance(text, str)
    return text


def generated(server: RunningServer, model: str, prompt: str, **more: Any) -> str:
    return rendered(
        post(
            server.url,
            "/api/generate",
            model=model,
            prompt=prompt,
            stream=False,
            _debug_render_only=True,
            **more,
        )
    )


def chatted(server: RunningServer, model: str, *turns: tuple[str, str], **more: Any) -> str:
    messages = [{"role": role, "content": content} for role, content in turns]
    return rendered(
        post(
            server.url,
            "/api/chat",
            model=model,
            messages=messages,
            stream=False,
            _debug_render_only=True,
            **more,
        )
    )


PAGE = (Path(__file__).parent.parent / "docs/templates.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The examples on the page about templates, without the line feed at their end."""
    return [str(found) for found in re.findall(rf"^```{language}\n(.*?)\n```$", PAGE, re.M | re.S)]


# ── conversations ─────────────────────────────────────────────────────────────────────────────────


def test_system_prompt_stored_messages_and_the_requests_own_reach_the_template(
    templates: RunningServer,
) -> None:
    stored = "<user>Ping?</user>\n<assistant>Pong.</assistant>\n"
    assert (
        chatted(templates, "chat", ("user", "Hi."))
        == generated(templates, "chat", "Hi.")
        == f"<sys>Be kind.</sys>\n{stored}<user>Hi.</user>\n<assistant>"
    )


def test_the_requests_system_prompt_comes_instead_of_the_models(templates: RunningServer) -> None:
    assert "<sys>Be rude.</sys>" in generated(templates, "chat", "Hi.", system="Be rude.")
    told = chatted(templates, "chat", ("system", "Be rude."), ("user", "Hi."))
    assert told.startswith("<sys>Be rude.</sys>\n<user>Ping?")
    assert "kind" not in told


def test_system_messages_are_one_text_and_neighbours_of_one_role_one_message(
    templates: RunningServer,
) -> None:
    turns = [("system", "One."), ("user", "Hi."), ("user", "There."), ("system", "Two.")]
    told = chatted(templates, "chat", *turns)
    assert told.startswith("<sys>One.\n\nTwo.</sys>\n")
    assert told.endswith("<user>Hi.\n\nThere.</user>\n<assistant>")
    tools = chatted(templates, "chat", ("user", "Q"), ("tool", "1"), ("tool", "2"))
    assert tools.endswith("<tool>1</tool>\n<tool>2</tool>\n<assistant>")


def test_an_older_template_is_rendered_for_every_exchange_and_cut_where_the_model_goes_on(
    templates: RunningServer,
) -> None:
    system = "<|system|>Be kind.<|end|>\n"
    assert generated(templates, "legacy", "Hi.") == f"{system}<|user|>Hi.<|end|>\n<|assistant|>"
    told = chatted(templates, "legacy", ("user", "A?"), ("assistant", "B."), ("user", "C?"))
    assert told == f"{system}<|user|>A?<|end|>\n<|assistant|>B.<|end|>\n<|user|>C?<|end|>\n<|assistant|>"
    begun = chatted(templates, "legacy", ("user", "A?"), ("assistant", "B."))
    assert begun == f"{system}<|user|>A?<|end|>\n<|assistant|>B."


def test_a_template_that_says_neither_gets_the_answer_at_its_end(templates: RunningServer) -> None:
    assert generated(templates, "bare", "Hi.") == "Hi."
    assert chatted(templates, "bare", ("user", "A?"), ("assistant", "B."), ("user", "C?")) == "A?B.C?"


def test_a_template_finds_the_last_question(templates: RunningServer) -> None:
    turns = [("user", "A?"), ("assistant", "B."), ("user", "C?"), ("assistant", "D")]
    assert chatted(templates, "last", *turns) == "A?\nB.\n>>> C?\nD\n"


@pytest.mark.parametrize(
    ("think", "shown"), [(True, "[true medium]"), (False, "[false ]"), ("high", "[true high]")]
)
def test_thinking_reaches_the_template(templates: RunningServer, think: object, shown: str) -> None:
    messages = [
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "A", "thinking": "hm"},
        {"role": "user", "content": "R"},
    ]
    told = post(
        templates.url, "/api/chat", model="thought", messages=messages, think=think, _debug_render_only=True
    )
    assert rendered(told) == f"Q\n<think>hm</think>A\nR\n{shown}"


def test_qwen_3_does_not_see_its_old_thoughts(templates: RunningServer) -> None:
    turns = [("user", "A?"), ("assistant", "<think>hm\nhm</think>\n\nB."), ("user", "C?")]
    assert "<assistant>B.</assistant>" in chatted(templates, "qwen", *turns)
    assert "<think>hm" in chatted(templates, "last", *turns)


def test_the_model_answers_what_the_template_made(templates: RunningServer) -> None:
    """The same prompt, by the model's own Jinja template and word for word through a Go template."""
    options = {"temperature": 0, "num_predict": 12}
    box = rendered(
        post(
            templates.url,
            "/api/generate",
            model="tiny",
            prompt="Hello!",
            think=False,
            _debug_render_only=True,
        )
    )
    before, after = box.split("Hello!")
    copy = json.dumps(before)[1:-1], json.dumps(after)[1:-1]
    template = f'{{{{ "{copy[0]}" }}}}{{{{ .Prompt }}}}{{{{ "{copy[1]}" }}}}'
    asked = {"prompt": "Hello!", "stream": False, "think": False, "options": options}
    own = post(templates.url, "/api/generate", model="tiny", **asked).json
    told = post(templates.url, "/api/generate", model="tiny", template=template, **asked).json
    assert own["response"]
    assert told["response"] == own["response"]
    assert told["prompt_eval_count"] == own["prompt_eval_count"]


# ── what a request brings ─────────────────────────────────────────────────────────────────────────


def test_a_requests_template_comes_instead_of_the_models(
    templates: RunningServer, server: RunningServer
) -> None:
    assert generated(server, "tiny", "Hi.", template="X {{ .Prompt }}") == "X Hi."
    shown = generated(templates, "chat", "Hi.", template=LEGACY, system="Be rude.")
    assert shown.startswith(
        "<|system|>Be rude.<|end|>\n<|user|>Ping?<|end|>\n<|assistant|>Pong.<|end|>\n<|user|>Hi."
    )


def test_a_template_that_cannot_be_read_is_an_error_that_says_where(server: RunningServer) -> None:
    answer = post(server.url, "/api/generate", model="tiny", prompt="x", template="one\ntwo {{ nosuch }}")
    assert answer.status == 500
    assert answer.json == {"error": "template: :2:8: function 'nosuch' not defined"}


def test_one_that_fails_while_it_is_rendered_too(templates: RunningServer) -> None:
    answer = post(templates.url, "/api/chat", model="failing", messages=[{"role": "user", "content": "x"}])
    assert answer.status == 500
    assert answer.json == {"error": "template: :1:19: can't evaluate field Name in type string"}


def test_a_model_with_a_broken_template_is_rendered_by_its_other_one(templates: RunningServer) -> None:
    assert chatted(templates, "broken", ("user", "Hi.")) == chatted(templates, "tiny", ("user", "Hi."))
    until(lambda: "the Go template cannot be read" in templates.text())


def test_a_text_is_inserted_through_a_template_that_knows_of_it(templates: RunningServer) -> None:
    assert generated(templates, "insert", "def f(", suffix="):") == "<PRE>def f(<SUF>):<MID>"
    assert generated(templates, "insert", "def f(") == "def f("
    own = "{{ .Suffix }} | {{ .Prompt }}"
    assert generated(templates, "insert", "a", suffix="b", template=own) == "b | a"


def test_raw_knows_no_template(templates: RunningServer) -> None:
    assert generated(templates, "chat", "Hi.", raw=True) == "Hi."
    answer = post(templates.url, "/api/generate", model="chat", prompt="x", raw=True, template="y")
    assert answer.status == 400


def test_a_context_comes_first_and_stored_messages_do_not(templates: RunningServer) -> None:
    options = {"num_predict": 4, "temperature": 0}
    first = post(
        templates.url,
        "/api/generate",
        model="chat",
        prompt="Hello!",
        think=False,
        stream=False,
        options=options,
    ).json
    shown = generated(templates, "chat", "And?", context=first["context"])
    assert shown.count("Ping?") == 1
    assert shown.index("Ping?") < shown.index("<user>And?</user>")


# ── too long ──────────────────────────────────────────────────────────────────────────────────────


def test_a_conversation_that_is_too_long_keeps_its_system_prompt_and_its_end(
    templates: RunningServer,
) -> None:
    turns = [("system", "Be brief.")]
    for number in range(30):
        turns += [("user", f"Question {number}?"), ("assistant", f"Answer {number}.")]
    messages = [{"role": role, "content": content} for role, content in [*turns, ("user", "The last?")]]
    answer = post(
        templates.url, "/api/chat", model="chat", messages=messages, options={"num_ctx": 200},
        _debug_render_only=True,
    )  # fmt: skip
    shown = rendered(answer)
    assert shown.startswith("<sys>Be brief.</sys>\n<user>")
    assert shown.endswith("<user>The last?</user>\n<assistant>")
    assert "Question 0?" not in shown
    assert "Answer 29." in shown
    assert int(answer.headers["x-paddock-prompt-truncated"]) > 0
    until(lambda: "shortened" in templates.text())


def test_a_single_prompt_that_is_too_long_loses_its_middle(templates: RunningServer) -> None:
    long = " ".join(f"word{number}" for number in range(300))
    asked = {"model": "legacy", "prompt": long, "stream": False, "_debug_render_only": True}
    answer = post(templates.url, "/api/generate", **asked, options={"num_ctx": 100, "num_keep": 10})
    shown = rendered(answer)
    assert shown.startswith("<|system|>")
    assert shown.endswith("word299<|end|>\n<|assistant|>")
    assert "word150" not in shown
    assert int(answer.headers["x-paddock-prompt-truncated"]) > 100
    refused = post(templates.url, "/api/generate", **asked, options={"num_ctx": 100}, truncate=False)
    assert refused.status == 400


# ── the page about it ─────────────────────────────────────────────────────────────────────────────


def test_the_call_on_the_page_gives_the_prompt_on_the_page(server: RunningServer) -> None:
    (command,) = blocks("sh")
    found = re.match(r"curl http://127\.0\.0\.1:11434(\S+) -d '(.*)'$", command, re.S)
    assert found is not None
    text = rendered(call(server.url, "POST", found[1], found[2].encode()))
    assert f'`"rendered_template": {json.dumps(text)}`' in PAGE


@pytest.mark.parametrize("number", range(3))
def test_the_templates_on_the_page_give_the_prompts_on_the_page(
    templates: RunningServer, number: int
) -> None:
    (conversation,) = blocks("json")
    template, prompt = blocks("go-template")[number], blocks("prompt")[number]
    assert len(blocks("go-template")) == len(blocks("prompt")) == 3
    add_variant(templates.store, f"page{number}", ("template", template))
    messages = [(turn["role"], turn["content"]) for turn in json.loads(conversation)]
    assert chatted(templates, f"page{number}", *messages) == prompt


# ── what is shown ─────────────────────────────────────────────────────────────────────────────────


def test_show_says_which_renderer_a_model_takes_and_shows_its_template(templates: RunningServer) -> None:
    shown = post(templates.url, "/api/show", model="chat").json
    assert (shown["paddock"]["renderer"], shown["template"]) == ("go-template", CHAT)
    broken = post(templates.url, "/api/show", model="broken").json
    assert broken["paddock"]["renderer"] == "jinja"
    assert broken["template"] == boxed()[1].chat_template


def test_the_users_word_decides_which_template_is_taken(
    templates: RunningServer, server: RunningServer
) -> None:
    # Without one it goes by what the two can do: the box's Jinja template knows thinking, this one does not.
    add_variant(server.store, "legacy", ("template", LEGACY))
    of_itself = post(server.url, "/api/show", model="legacy").json
    told = post(templates.url, "/api/show", model="legacy").json
    assert (of_itself["paddock"]["renderer"], told["paddock"]["renderer"]) == ("jinja", "go-template")
    assert of_itself["template"] != told["template"] == LEGACY
    assert "<|assistant|>" not in chatted(server, "legacy", ("user", "Hi."))


def test_abilities_are_told_from_the_template(templates: RunningServer) -> None:
    assert "insert" in post(templates.url, "/api/show", model="insert").json["capabilities"]
    assert "thinking" in post(templates.url, "/api/show", model="thought").json["capabilities"]
