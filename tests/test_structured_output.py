"""Structured answers over HTTP: what engines write under a grammar, on the engine in the box and another."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ollama
import pytest
from pydantic import BaseModel

from calls import call, post
from conftest import RunningServer, serving
from paddock.prompts.grammar import formats, schema
from structured import ask, require_valid_answers

SUM = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}


# ── format ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_json_mode_writes_an_object(server: RunningServer, path: str) -> None:
    question = "Answer in JSON: what is the capital of France?"
    asked = (
        {"messages": [{"role": "user", "content": question}]} if path == "/api/chat" else {"prompt": question}
    )
    answer = post(server.url, path, model="tiny", format="json", think=False, **asked)
    assert answer.lines[-1]["done_reason"] == "stop"
    assert json.loads(answer.text)["capital"] == "Paris"


def test_a_schema_decides_what_is_written(server: RunningServer) -> None:
    cities = {"type": "string", "enum": ["Berlin", "Paris", "Rome"]}
    for stream in (True, False):
        assert json.loads(ask(server, format=cities, think=False, stream=stream).text) in cities["enum"]


@pytest.mark.parametrize("unset", [None, ""])
def test_null_and_nothing_are_unset(server: RunningServer, unset: Any) -> None:
    assert "The capital of France is Paris" in ask(server, format=unset, grammar=None, think=False).text


@pytest.mark.parametrize("think", [True, None])
def test_a_thought_comes_first_where_the_model_thinks(server: RunningServer, think: Any) -> None:
    message = ask(server, "What is 27 plus 48?", format=SUM, think=think).json["message"]
    assert "Together: 75" in message["thinking"]
    assert list(json.loads(message["content"])) == ["sum"]
    message = ask(server, "What is 27 plus 48?", format=SUM, think=False).json["message"]
    assert "thinking" not in message
    assert list(json.loads(message["content"])) == ["sum"]


def test_an_answer_that_was_cut_off_is_no_error(server: RunningServer) -> None:
    answer = ask(server, format="json", options={"num_predict": 4}, think=False)
    assert (answer.status, answer.json["done_reason"]) == (200, "length")
    assert answer.text.startswith("{")


@pytest.mark.parametrize(
    ("sent", "quoted"), [("xml", r'"\"xml\""'), (["json"], r'"[\"json\"]"'), (True, '"true"'), (7, '"7"')]
)
def test_what_is_no_format_is_refused_in_ollamas_words(server: RunningServer, sent: Any, quoted: str) -> None:
    answer = ask(server, format=sent)
    error = f'invalid format: {quoted}; expected "json" or a valid JSON Schema object'
    assert (answer.status, answer.json) == (500, {"error": error})


def test_a_schema_that_cannot_be_held_is_refused_before_a_model_is_loaded(server: RunningServer) -> None:
    asked = {"type": "object", "properties": {"tags": {"type": "array", "contains": {}}}}
    for path in ("/api/chat", "/api/generate"):
        answer = post(server.url, path, model="tiny", prompt="x", messages=[], format=asked)
        assert answer.status == 400
        assert answer.json["error"].startswith('invalid format: "contains" at #/properties/tags: ')


def test_the_ollama_package_reads_its_classes_back(server: RunningServer) -> None:
    class City(BaseModel):
        name: str
        country: str | None = None
        inhabitants: int

    with ollama.Client(host=server.url) as client:
        question = [{"role": "user", "content": "Tell me about Paris."}]
        options = {"num_predict": 200, "temperature": 0}
        answer = client.chat("tiny", question, format=City.model_json_schema(), options=options, think=False)
    if answer.done_reason == "stop":
        City.model_validate_json(answer.message.content or "")
    assert (answer.message.content or "").startswith('{"name":')


# ── grammar ───────────────────────────────────────────────────────────────────────────────────────


def test_a_grammar_of_the_clients_own(server: RunningServer) -> None:
    grammar = 'root ::= "Berlin" | "It is " city "."\ncity ::= [A-Z] [a-z]{2,8}'
    assert ask(server, grammar=grammar, think=False).text.removeprefix("It is ").strip(".").isalpha()
    thought = ask(server, "What is 27 plus 48?", grammar='root ::= [0-9 +=]+ "."', think=True).json["message"]
    assert "Together: 75" in thought["thinking"]
    assert thought["content"] == "27 + 48 = 75."


def test_special_tokens_that_spell_a_grammars_text_are_written_out(server: RunningServer) -> None:
    written = "a<|im_start|>b<|fim_prefix|><s>"
    assert ask(server, grammar=f'root ::= "{written}"', think=False).text == written


def test_a_bad_grammar_is_refused_and_the_engine_lives_on(server: RunningServer) -> None:
    ask(server, options={"num_predict": 1})
    engines = server.engines()
    for grammar in (
        'root ::= "a',
        "root ::= other",
        'root ::= root "a"',
        "root ::= [\\uD800]",
        "%llguidance {}",
    ):
        answer = ask(server, grammar=grammar)
        assert answer.status == 400
        assert answer.json["error"].startswith("invalid grammar: ")
    assert ask(server, grammar='root ::= "a"', format="json").status == 400
    assert ask(server, grammar="root ::= [a-z]{3000}", options={"num_predict": 2}).status == 200
    assert server.engines() == engines


# ── engines ───────────────────────────────────────────────────────────────────────────────────────


def test_a_hundred_schemas_on_the_engine_in_the_box(server: RunningServer) -> None:
    require_valid_answers(server)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server on a llama-server of the user's."""
    home = tmp_path_factory.mktemp("home")
    program = home / "llama-server"
    script = Path(__file__).parent / "llama_server.py"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    program.chmod(0o755)
    with serving(home, {"PADDOCK_LLAMA_SERVER": str(program)}) as running:
        yield running


def test_a_hundred_schemas_on_another_engine(other: RunningServer) -> None:
    require_valid_answers(other)


# ── the page about it ─────────────────────────────────────────────────────────────────────────────

PAGE = (Path(__file__).parent.parent / "docs/structured-output.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.M | re.S)


def test_the_calls_on_the_page_answer_as_it_says(server: RunningServer) -> None:
    asked = [
        re.match(r"curl http://127\.0\.0\.1:11434(\S+) -d '(.*)'\s*$", each, re.S) for each in blocks("sh")
    ]
    answers = [call(server.url, "POST", found[1], json.loads(found[2])) for found in asked if found]
    assert [answer.status for answer in answers] == [200, 200]
    assert f"`content` is `{answers[0].text}`" in PAGE
    assert re.fullmatch(r"\d+ \+ \d+ = \d\d", answers[1].text)


def test_the_programs_on_the_page_print_what_it_says(server: RunningServer) -> None:
    for program, printed in zip(blocks("python"), ["True", blocks("text")[0].strip()], strict=True):
        ended = subprocess.run(
            [sys.executable, "-c", program],
            env=server.env,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.stderr, ended.stdout.strip()) == ("", printed)


def test_the_refusal_on_the_page_is_ours(server: RunningServer) -> None:
    answer = ask(server, format={"type": "object", "properties": {"age": {"not": {}}}})
    assert answer.json == json.loads(blocks("json")[0])


def test_every_keyword_is_on_the_page() -> None:
    for keyword in (*schema.SHAPES, *formats.EXPRESSIONS):
        base = re.sub(r"^(idn-|iri)|uuid\d|-reference|ipvanyaddress", "", keyword)
        assert not base or f"`{base}`" in PAGE, keyword
