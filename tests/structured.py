"""A hundred schemas, the same in every run, and what a server must answer to them."""

from __future__ import annotations

import functools
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator

from calls import Answer, post
from conftest import RunningServer
from paddock.errors import BadSchema
from paddock.prompts.grammar import of_schema
from schemas import SUCH_AS_SENT, made


def ask(server: RunningServer, question: str = "What is the capital of France?", **body: Any) -> Answer:
    messages = [{"role": "user", "content": question}]
    return post(server.url, "/api/chat", **{"model": "tiny", "messages": messages, "stream": False} | body)


@functools.cache
def hundred() -> list[Any]:
    """The same hundred schemas in every run: those that are sent, and such as hypothesis makes."""
    found: dict[str, Any] = {json.dumps(each): each for each in SUCH_AS_SENT}

    @settings(max_examples=300, database=None, derandomize=True, deadline=None,
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(made)
    def collect(one: Any) -> None:
        if len(found) < 100 and "enum" not in one[0] and "const" not in one[0]:
            try:
                of_schema(one[0])
            except BadSchema:
                return
            found.setdefault(json.dumps(one[0]), one[0])

    collect()
    assert len(found) == 100
    return list(found.values())


def require_valid_answers(server: RunningServer) -> None:
    """Every answer at temperature 1 that ended by itself satisfies its schema."""
    schemas = hundred()

    def answered(number: int) -> Answer:
        options = {"temperature": 1, "seed": number, "num_predict": 60}
        return ask(server, "Answer in JSON.", format=schemas[number], think=False, options=options)

    with ThreadPoolExecutor(4) as several:
        answers = list(several.map(answered, range(len(schemas))))
    ended = 0
    for each, answer in zip(schemas, answers, strict=True):
        assert answer.status == 200, answer.text
        if answer.json["done_reason"] == "stop":
            ended += 1
            judge = Draft202012Validator(each, format_checker=Draft202012Validator.FORMAT_CHECKER)
            judge.validate(json.loads(answer.text))
    assert ended >= 60
