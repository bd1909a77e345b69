"""The model in the box answers what it learnt, word for word, greedily.

`models/tiny/known.json` holds calls and their answers, written when the model was made.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from models.tiny import generate
from models.tiny.conversation import Conversation, segments

from calls import post
from conftest import RunningServer
from paddock.names import ModelName
from paddock.store.builtin import box
from paddock.store.models import ModelStore

ROOT = Path(__file__).parent.parent
KNOWN: list[dict[str, Any]] = json.loads((ROOT / "models/tiny/known.json").read_text(encoding="utf-8"))


def title(known: dict[str, Any]) -> str:
    request = known["request"]
    last = request.get("prompt") or request["messages"][-1]["content"]
    return f"{known['behaviour']}: {last[:40]}{' (thinking)' if request.get('think') else ''}"


@pytest.mark.parametrize("known", KNOWN, ids=title)
def test_it_answers_what_it_learnt(server: RunningServer, known: dict[str, Any]) -> None:
    answer = post(server.url, known["route"], model="tiny", stream=False, **known["request"])
    assert answer.status == 200, answer.body
    said = answer.json.get("message", answer.json)
    for field, text in known["answer"].items():
        if field != "tool_calls":
            assert said.get(field, "") == text
    calls = [call["function"] for call in said.get("tool_calls", [])]
    assert calls == [
        {"index": index} | call["function"]
        for index, call in enumerate(known["answer"].get("tool_calls", []))
    ]
    assert answer.json["done_reason"] == "stop"


def test_every_behaviour_has_a_known_answer() -> None:
    assert len({known["behaviour"] for known in KNOWN}) >= 14
    assert len(KNOWN) >= 35


WRITERS = (
    generate.single,
    generate.several,
    generate.recalling,
    generate.renamed,
    generate.reading,
    generate.calling,
    generate.choosing,
)


def trained_on(made: Conversation) -> str:
    """What training shows the model before the answer that it has to write."""
    own = 2 if made.thought is None else 3  # thought, answer, line break
    return "".join(piece.text for piece in segments(made)[:-own])


def test_both_of_its_templates_make_the_prompts_it_was_trained_on(
    serve: Callable[..., RunningServer],
) -> None:
    servers = {"go-template": serve(OLLAMA_GO_TEMPLATE="1"), "jinja": serve(OLLAMA_GO_TEMPLATE="0")}
    rng = Random("templates")
    for writer in WRITERS * 6:
        made = writer(rng)
        asked = {
            "messages": made.messages[:-1],
            "tools": made.tools,
            "think": made.thought is not None,
            "stream": False,
            "_debug_render_only": True,
        }
        for renderer, server in servers.items():
            answer = post(server.url, "/api/chat", model="tiny", **asked)
            assert answer.status == 200, answer.body
            assert answer.json["_debug_info"]["rendered_template"] == trained_on(made), renderer
    for renderer, server in servers.items():
        assert post(server.url, "/api/show", model="tiny").json["paddock"]["renderer"] == renderer


def test_it_is_small_and_its_licence_and_name_are_its_own() -> None:
    model = ModelStore(Path("/nonexistent"), box()).find(ModelName.parse("tiny"))
    assert model.size < 12_000_000
    assert model.texts().parameters == {"temperature": 0}
    assert any("MIT" in text for text in model.texts().licenses)
