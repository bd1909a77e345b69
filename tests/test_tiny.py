"""The model in the box answers what it learnt, word for word, greedily.

`models/tiny/known.json` holds calls and their answers, written when the model was made.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

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


def test_it_is_small_and_its_licence_and_name_are_its_own() -> None:
    model = ModelStore(Path("/nonexistent"), box()).find(ModelName.parse("tiny"))
    assert model.size < 12_000_000
    assert model.texts().parameters == {"temperature": 0}
    assert any("MIT" in text for text in model.texts().licenses)
