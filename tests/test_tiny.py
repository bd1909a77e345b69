"""The model in the box answers what it learnt, word for word, greedily.

`models/tiny/known.json` holds calls and their answers, written when the model was made.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from calls import post
from conftest import RunningServer
from paddock.engines.installed import bundled
from paddock.engines.launch import Plan
from paddock.engines.launcher import Launcher, private_directory
from paddock.engines.runner import Completion
from paddock.names import ModelName
from paddock.options import Sampling
from paddock.store.builtin import box
from paddock.store.models import ModelStore

ROOT = Path(__file__).parent.parent
KNOWN: list[dict[str, Any]] = json.loads((ROOT / "models/tiny/known.json").read_text(encoding="utf-8"))
#: Tools cannot be offered over the API yet; these are asked of the runner below.
WITH_TOOLS = [known for known in KNOWN if known["request"].get("tools")]
WITHOUT = [known for known in KNOWN if known not in WITH_TOOLS]


def title(known: dict[str, Any]) -> str:
    request = known["request"]
    last = request.get("prompt") or request["messages"][-1]["content"]
    return f"{known['behaviour']}: {last[:40]}{' (thinking)' if request.get('think') else ''}"


@pytest.mark.parametrize("known", WITHOUT, ids=title)
def test_it_answers_what_it_learnt(server: RunningServer, known: dict[str, Any]) -> None:
    answer = post(server.url, known["route"], model="tiny", stream=False, **known["request"])
    assert answer.status == 200, answer.body
    said = answer.json.get("message", answer.json)
    for field, text in known["answer"].items():
        if field != "tool_calls":
            assert said.get(field, "") == text
    assert answer.json["done_reason"] == "stop"


def test_every_behaviour_has_a_known_answer() -> None:
    assert len({known["behaviour"] for known in KNOWN}) >= 14
    assert len(KNOWN) >= 35


async def test_it_calls_a_tool_in_the_form_that_it_learnt() -> None:
    weights = ModelStore(Path("/nonexistent"), box()).find(ModelName.parse("tiny")).weights
    assert weights is not None
    calls = [known for known in WITH_TOOLS if known["answer"]["tool_calls"]]
    assert calls
    with private_directory() as directory:
        engine = await Launcher(directory, os.environ, 60, bundled("test")).start(Plan(weights, window=2048))
        try:
            for known in calls:
                request = known["request"]
                prompt = await engine.runner.apply_template(
                    request["messages"], request["tools"], enable_thinking=request["think"]
                )
                tokens = await engine.runner.tokenize(prompt)
                wanted = Completion(tokens, Sampling(temperature=0.0), 100)
                text = "".join([piece.text async for piece in engine.runner.complete(wanted)])
                (call,) = known["answer"]["tool_calls"]
                assert text.endswith("</tool_call>")
                written = text.partition("<tool_call>")[2].removesuffix("</tool_call>")
                assert json.loads(written) == call["function"]
        finally:
            await engine.stop()


def test_it_is_small_and_its_licence_and_name_are_its_own() -> None:
    model = ModelStore(Path("/nonexistent"), box()).find(ModelName.parse("tiny"))
    assert model.size < 12_000_000
    assert model.texts().parameters == {"temperature": 0}
    assert any("MIT" in text for text in model.texts().licenses)
