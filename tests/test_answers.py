"""What an answer holds: its text to the last character, its tokens, their probabilities, and how it ended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from calls import Answer, post
from conftest import RunningServer
from stores import add_speaking, add_variant

KNOWN: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "models/tiny/known.json").read_text(encoding="utf-8")
)
GREEDY = {"temperature": 0}
#: What was said once is said for ever: a model that is stuck on a token.
STUCK = {"temperature": 0, "frequency_penalty": -100, "num_predict": 200}
LONG_PROMPT = "one two three four five six seven eight nine ten " * 60


def known(behaviour: str, think: bool = False) -> dict[str, Any]:
    """A call of /api/chat to which tiny knows the answer."""
    found = [k for k in KNOWN if k["route"] == "/api/chat" and bool(k["request"].get("think")) is think]
    request: dict[str, Any] = next(k["request"] for k in found if k["behaviour"].startswith(behaviour))
    return request


def chat(server: RunningServer, request: dict[str, Any], **more: Any) -> Answer:
    answer = post(server.url, "/api/chat", model="tiny", **request | {"options": GREEDY} | more)
    assert answer.status == 200, answer.body
    return answer


def generate(server: RunningServer, **asked: Any) -> Answer:
    answer = post(server.url, "/api/generate", **{"model": "tiny", "options": GREEDY} | asked)
    assert answer.status == 200, answer.body
    return answer


def tokens(answer: Answer) -> list[str]:
    return [entry["token"] for line in answer.lines for entry in line.get("logprobs", [])]


def said(answer: Answer) -> str:
    return "".join(line["message"].get("thinking", "") + line["message"]["content"] for line in answer.lines)


def rendered(server: RunningServer, path: str = "/api/generate", **asked: Any) -> str:
    answer = post(server.url, path, **{"model": "tiny"} | asked, _debug_render_only=True)
    assert answer.status == 200, answer.body
    text = answer.json["_debug_info"]["rendered_template"]
    assert isinstance(text, str)
    return text


# ── stop words ────────────────────────────────────────────────────────────────────────────────────


def test_an_empty_stop_word_ends_nothing(server: RunningServer) -> None:
    request = known("small talk")
    whole = chat(server, request).text
    assert whole
    assert chat(server, request, options={**GREEDY, "stop": ["", "☃"]}).text == whole


def test_text_that_waits_for_the_rest_of_a_stop_word_is_not_lost_at_the_limit(server: RunningServer) -> None:
    request = known("small talk")
    written = tokens(chat(server, request, logprobs=True))
    for count in range(1, len(written)):
        options = {**GREEDY, "stop": [written[count - 1] + "☃"], "num_predict": count}
        answer = chat(server, request, options=options)
        assert answer.text == "".join(written[:count])
        assert answer.lines[-1]["done_reason"] == "length"


def test_a_stop_word_is_no_part_of_the_context(server: RunningServer) -> None:
    prompt = known("small talk")["messages"][-1]["content"]
    asked = {"prompt": prompt, "think": False, "stream": False}
    whole = generate(server, **asked).json["response"]
    for word in (whole[4:9], whole[-3:]):  # cut at any place of a token
        answer = generate(server, **asked, options={**GREEDY, "stop": [word]}).json
        assert answer["response"] == whole.partition(word)[0]
        assert answer["done_reason"] == "stop"
        before = rendered(server, prompt="Go on.", context=answer["context"], think=False)
        assert answer["response"] in before
        assert word not in before


# ── log-probabilities ─────────────────────────────────────────────────────────────────────────────


def test_every_token_of_a_thought_and_its_answer_has_its_probability_in_the_line_of_its_text(
    server: RunningServer,
) -> None:
    answer = chat(server, known("sums", think=True), logprobs=True)
    *lines, last = answer.lines
    assert len(tokens(answer)) == last["eval_count"]
    for line in lines:
        text = line["message"].get("thinking", "") + line["message"]["content"]
        assert text
        assert "".join(entry["token"] for entry in line["logprobs"]).endswith(text.lstrip())
    whole = chat(server, known("sums", think=True), logprobs=True, stream=False)
    assert whole.json["logprobs"] == [entry for line in answer.lines for entry in line.get("logprobs", [])]
    assert said(whole) == said(answer)


def test_tokens_that_wait_for_a_stop_word_keep_their_own_text_and_place(server: RunningServer) -> None:
    request = known("small talk")
    plain = chat(server, request, logprobs=True)
    held = chat(server, request, logprobs=True, options={**GREEDY, "stop": [plain.text[2:9] + "☃"]})
    assert held.text == plain.text
    assert tokens(held) == tokens(plain)
    assert len(held.lines) < len(plain.lines)
    for line in held.lines:
        assert "".join(entry["token"] for entry in line.get("logprobs", [])) == line["message"]["content"]
        assert all(bytes(entry["bytes"]).decode() == entry["token"] for entry in line.get("logprobs", []))


@pytest.mark.parametrize("number", [1, 20])
def test_so_many_candidates_are_told_as_were_asked_for(server: RunningServer, number: int) -> None:
    answer = chat(server, known("small talk"), logprobs=True, top_logprobs=number, stream=False).json
    for entry in answer["logprobs"]:
        others = entry["top_logprobs"]
        assert len(others) == number
        assert [other["logprob"] for other in others] == sorted((o["logprob"] for o in others), reverse=True)
        assert (others[0]["token"], others[0]["logprob"]) == (entry["token"], entry["logprob"])
        assert list(entry) == ["token", "logprob", "bytes", "top_logprobs"]


@pytest.mark.parametrize("number", [-1, 21])
@pytest.mark.parametrize("path", ["/api/generate", "/api/chat"])
def test_other_numbers_of_candidates_are_refused(server: RunningServer, path: str, number: int) -> None:
    answer = post(server.url, path, model="tiny", prompt="x", logprobs=True, top_logprobs=number)
    assert (answer.status, answer.json) == (400, {"error": "top_logprobs must be between 0 and 20"})


def test_without_logprobs_there_are_no_candidates_either(server: RunningServer) -> None:
    assert "logprobs" not in chat(server, known("small talk"), top_logprobs=3, stream=False).json


# ── context ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "request_", [k["request"] for k in KNOWN if k["behaviour"].startswith("small talk")], ids=str
)
def test_the_context_has_every_token_those_inside_characters_too(
    server: RunningServer, request_: dict[str, Any]
) -> None:
    prompt = request_["messages"][-1]["content"]
    answer = generate(server, prompt=prompt, think=False, stream=False).json
    assert len(answer["context"]) == answer["prompt_eval_count"] + answer["eval_count"]
    assert answer["response"] in rendered(server, prompt="Go on.", context=answer["context"])


# ── the prompt, shown ─────────────────────────────────────────────────────────────────────────────


def test_what_is_shown_of_a_conversation_is_what_the_model_would_see_of_it(server: RunningServer) -> None:
    turns = [{"role": "system", "content": "You are Ada."}]
    for number in range(60):
        turns.append({"role": "user", "content": f"This is message number {number} of many."})
        turns.append({"role": "assistant", "content": "I see."})
    turns.append({"role": "user", "content": "Who are you?"})
    asked = {
        "model": "tiny",
        "messages": turns,
        "stream": False,
        "options": {"num_ctx": 256, "num_predict": 1},
    }
    shown = post(server.url, "/api/chat", **asked, _debug_render_only=True)
    text = shown.json["_debug_info"]["rendered_template"]
    assert "You are Ada." in text
    assert "Who are you?" in text
    assert "message number 0 " not in text
    answer = post(server.url, "/api/chat", **asked)
    assert shown.headers["x-paddock-prompt-truncated"] == answer.headers["x-paddock-prompt-truncated"]
    refused = post(server.url, "/api/chat", **asked | {"truncate": False}, _debug_render_only=True)
    assert refused.status == 400


def test_what_is_shown_of_a_long_prompt_lacks_its_middle(server: RunningServer) -> None:
    prompt = f"Begin here. {LONG_PROMPT}End there."
    options = {"num_ctx": 256, "num_keep": 16}
    text = rendered(server, prompt=prompt, options=options)
    assert "Begin" in text
    assert "End there." in text
    assert len(text) < len(prompt)


def test_what_is_shown_of_a_prompt_begins_with_its_context(server: RunningServer) -> None:
    first = generate(server, prompt="My name is Miro.", stream=False).json
    text = rendered(server, prompt="Hi there", context=first["context"])
    assert text.index("My name is Miro.") < text.index(first["response"]) < text.index("Hi there")


def test_a_raw_prompt_is_shown_as_it_is(server: RunningServer) -> None:
    assert rendered(server, prompt="<|x|> y", raw=True) == "<|x|> y"


def test_showing_a_prompt_is_one_object_streaming_or_not(server: RunningServer) -> None:
    for stream in (True, False):
        answer = post(
            server.url, "/api/chat", model="tiny", stream=stream, _debug_render_only=True,
            messages=[{"role": "user", "content": "Hi"}],
        )  # fmt: skip
        assert list(answer.json) == ["model", "created_at", "message", "done", "_debug_info"]
        assert answer.json["done"] is False


def test_a_prompt_that_was_read_before_counts_as_much_as_a_new_one(server: RunningServer) -> None:
    asked = {"prompt": f"Once more: {LONG_PROMPT}", "stream": False, "options": {"num_predict": 1}}
    first, again = (generate(server, **asked).json for _ in range(2))
    assert first["prompt_eval_count"] == again["prompt_eval_count"] > 600


# ── what a model brings along ─────────────────────────────────────────────────────────────────────


def test_a_models_own_system_prompt_and_messages_come_first(server: RunningServer) -> None:
    turns = [{"role": "user", "content": "Who was it?"}, {"role": "assistant", "content": "It was Bo."}]
    add_variant(server.store, "furnished", ("system", "You are Ada."), ("messages", json.dumps(turns)))
    question, other = {"role": "user", "content": "And now?"}, {"role": "system", "content": "You are Eve."}

    def places(text: str) -> list[int]:
        return [text.find(part) for part in ("You are Ada.", "You are Eve.", "Who was", "was Bo", "And now?")]

    def order(text: str) -> list[int]:
        """Which of those parts are there, in order."""
        found = [(at, number) for number, at in enumerate(places(text)) if at >= 0]
        return [number for _, number in sorted(found)]

    own = rendered(server, "/api/chat", model="furnished", messages=[question])
    assert order(own) == [0, 2, 3, 4]
    given = rendered(server, "/api/chat", model="furnished", messages=[other, question])
    assert order(given) == [2, 3, 1, 4]
    later = rendered(server, "/api/chat", model="furnished", messages=[question, other])
    assert order(later) == [0, 2, 3, 4, 1]
    assert order(rendered(server, model="furnished", prompt="And now?")) == [0, 2, 3, 4]
    assert order(rendered(server, model="furnished", prompt="And now?", system="You are Eve.")) == [
        1,
        2,
        3,
        4,
    ]
    assert order(rendered(server, model="furnished", prompt="And now?", context=[5])) == [0, 4]


# ── answers that were begun ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("think", [None, True, False])
def test_an_answer_that_was_begun_is_gone_on_with(server: RunningServer, think: bool | None) -> None:
    request = known("small talk")
    whole = chat(server, request).text
    begun = whole.rpartition(" ")[0]
    turns = [*request["messages"], {"role": "assistant", "content": begun}]
    asked = {**request, "messages": turns, "think": think}
    shown = rendered(server, "/api/chat", **asked)
    assert shown.endswith(begun)
    assert "<think>" not in shown
    answer = chat(server, asked)
    assert begun + answer.text == whole
    assert not any("thinking" in line["message"] for line in answer.lines)


# ── thinking with raw prompts ─────────────────────────────────────────────────────────────────────


def test_a_raw_answer_is_taken_apart_only_where_thinking_is_asked_for(server: RunningServer) -> None:
    request = known("sums", think=True)
    prompt = rendered(server, "/api/chat", **request | {"options": {}})
    asked = {"prompt": prompt, "raw": True, "stream": False}
    plain, apart, off = (
        generate(server, **asked, **how).json for how in ({}, {"think": True}, {"think": False})
    )
    assert "</think>" in plain["response"]
    assert plain["response"] == off["response"]
    assert "thinking" not in plain
    assert apart["thinking"]
    assert "</think>" not in apart["response"]
    assert plain["response"].endswith(apart["response"])


# ── how hard to think ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def effortful(server: RunningServer) -> str:
    """A model whose template shows what it is told about thinking."""
    template = (
        "{%- for m in messages %}{{ m.content }}{% endfor %}"
        "|{{ enable_thinking }}|{{ reasoning_effort }}|{# <think> </think> #}"
    )
    add_speaking(server.store, "effortful", template)
    return "effortful"


@pytest.mark.parametrize(
    ("think", "told"),
    [
        (None, "True||"), (True, "True||"), (False, "False||"),
        ("low", "True|low|"), ("medium", "True|medium|"), ("high", "True|high|"), ("max", "True|max|"),
    ],
)  # fmt: skip
def test_a_template_is_told_whether_and_how_hard_to_think(
    server: RunningServer, effortful: str, think: object, told: str
) -> None:
    for path, asked in (
        ("/api/generate", {"prompt": "Hi"}),
        ("/api/chat", {"messages": [{"role": "user", "content": "Hi"}]}),
    ):
        assert rendered(server, path, model=effortful, think=think, **asked).strip() == f"Hi|{told}"


@pytest.mark.parametrize(
    ("think", "error"),
    [
        (
            "extreme",
            'invalid think value: "extreme" (must be "high", "medium", "low", "max", true, or false)',
        ),
        ("", 'invalid think value: "" (must be "high", "medium", "low", "max", true, or false)'),
        (1, 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)'),
        ([], 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)'),
    ],
)
@pytest.mark.parametrize("path", ["/api/generate", "/api/chat"])
def test_other_ways_to_think_are_refused_in_the_documented_words(
    server: RunningServer, path: str, think: object, error: str
) -> None:
    answer = post(server.url, path, model="tiny", prompt="x", think=think)
    assert (answer.status, answer.json) == (400, {"error": error})


def test_a_model_that_cannot_think_refuses_to_and_does_not_mind_not_to(server: RunningServer) -> None:
    add_speaking(server.store, "plain", "{% for m in messages %}{{ m.content }}{% endfor %}")
    for path, asked in (
        ("/api/generate", {"prompt": "Hi"}),
        ("/api/generate", {"prompt": "Hi", "raw": True}),
        ("/api/chat", {"messages": [{"role": "user", "content": "Hi"}]}),
    ):
        for think in (True, "low"):
            answer = post(server.url, path, model="plain", think=think, **asked)
            assert (answer.status, answer.json) == (400, {"error": '"plain" does not support thinking'})
        options = {"num_predict": 1}
        assert post(server.url, path, model="plain", think=False, options=options, **asked).status == 200


def test_of_families_whose_older_files_cannot_think_one_is_told_to_pull_again(server: RunningServer) -> None:
    add_speaking(server.store, "deepseek-r1", "{% for m in messages %}{{ m.content }}{% endfor %}")
    answer = post(server.url, "/api/generate", model="deepseek-r1", prompt="Hi", think=True)
    assert (answer.status, answer.json["error"]) == (
        400,
        '"deepseek-r1" does not support thinking. Pull the model again to get the latest version with full '
        "thinking support",
    )


# ── an answer that is stuck ───────────────────────────────────────────────────────────────────────


def test_an_answer_that_is_stuck_on_a_token_ends_with_a_proper_last_line(server: RunningServer) -> None:
    answer = generate(server, prompt="Hello", raw=True, options=STUCK)
    last = answer.lines[-1]
    assert (last["done"], last["done_reason"], last["eval_count"]) == (True, "length", 31)
    assert len({line["response"] for line in answer.lines[:-1]}) == 1
    assert last["prompt_eval_count"] > 0
    assert last["eval_duration"] > 0
    whole = generate(server, prompt="Hello", raw=True, stream=False, options=STUCK)
    assert whole.json["response"] == answer.text
    assert whole.json["done_reason"] == "length"
    assert "came 32 times in a row" in server.text()


def test_the_slot_of_an_answer_that_was_stuck_is_free_again(server: RunningServer) -> None:
    for _ in range(6):  # more often than there are slots
        generate(server, prompt="Hello", raw=True, options=STUCK)
    assert chat(server, known("small talk")).lines[-1]["done_reason"] == "stop"


def test_a_context_goes_on_from_an_answer_that_was_stuck(server: RunningServer) -> None:
    answer = generate(server, prompt="ha " * 20, options=STUCK).lines[-1]
    assert answer["done_reason"] == "length"
    assert len(answer["context"]) == answer["prompt_eval_count"] + answer["eval_count"]


# ── field by field ────────────────────────────────────────────────────────────────────────────────


def test_fields_come_in_ollamas_order(server: RunningServer) -> None:
    costs = ["total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration",
             "eval_count", "eval_duration"]  # fmt: skip
    request = known("sums", think=True)
    whole = chat(server, request, stream=False, logprobs=True).json
    assert list(whole) == ["model", "created_at", "message", "done", "done_reason", "logprobs", *costs]
    assert list(whole["message"]) == ["role", "content", "thinking"]
    prompt = request["messages"][-1]["content"]
    made = generate(server, prompt=prompt, think=True, stream=False, logprobs=True).json
    assert list(made) == [
        "model", "created_at", "response", "thinking", "done", "done_reason", "context", *costs, "logprobs",
    ]  # fmt: skip
    loaded = post(server.url, "/api/generate", model="tiny").json
    assert list(loaded) == ["model", "created_at", "response", "done", "done_reason"]
    vectors = post(server.url, "/api/embed", model="tiny", input="x").json
    assert list(vectors) == ["model", "embeddings", "total_duration", "load_duration", "prompt_eval_count"]
    assert post(server.url, "/api/embed", model="tiny", input=[]).json == {"model": "tiny", "embeddings": []}
