"""The prompt formats of six families of models, each through a Go template and through a Jinja template.

tests/data/families has, for each, a conversation with a system prompt, several turns and a tool, both
templates, and the prompt that its vendor documents, without the mark at the very beginning, which the
tokenizer puts. Sources:

- Llama 3.1 and 3.2: llama.com/docs/model-cards-and-prompt-formats, JSON based tool calling and zero-shot
  function calling
- DeepSeek-R1 and its distills: the chat template and the usage recommendations of its model card
- Qwen 2.5: qwen.readthedocs.io, function calling, the template of the tokenizer
- Gemma 3: ai.google.dev/gemma/docs, formatting and function calling
- Mistral: mistral-common, instruct requests of tokenizer version 3
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from calls import post
from conftest import RunningServer, serving
from stores import add_speaking, add_variant

FAMILIES = Path(__file__).parent / "data" / "families"
NAMES = sorted(place.name for place in FAMILIES.iterdir())
#: What `show` says of the splitter: both templates of a family must lead to the same.
SPLITTERS = {
    "deepseek-r1": "deepseek",
    "gemma3": "gemma",
    "llama3.1": "llama",
    "llama3.2": "llama",
    "mistral": "mistral",
    "qwen2.5": "hermes",
}


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server with two models of each family: one has the Go template, the other Jinja."""
    home = tmp_path_factory.mktemp("home")
    store = home / ".ollama" / "models"
    for name in NAMES:
        add_variant(store, f"{name}-go", ("template", read(name, "template.gotmpl")))
        add_speaking(store, f"{name}-jinja", read(name, "template.jinja"))
    with serving(home, {"OLLAMA_GO_TEMPLATE": "1"}) as running:
        yield running


def read(name: str, file: str) -> str:
    return (FAMILIES / name / file).read_text(encoding="utf-8")


def test_there_are_six_of_them() -> None:
    assert sorted(SPLITTERS) == NAMES


@pytest.mark.parametrize("kind", ["go", "jinja"])
@pytest.mark.parametrize("name", NAMES)
def test_the_prompt_is_the_one_that_the_vendor_documents(
    families: RunningServer, name: str, kind: str
) -> None:
    asked: dict[str, Any] = json.loads(read(name, "conversation.json"))
    answer = post(
        families.url, "/api/chat", model=f"{name}-{kind}", **asked, stream=False,
        options={"num_ctx": 2048}, _debug_render_only=True,
    )  # fmt: skip
    assert answer.status == 200, answer.body
    assert answer.json["_debug_info"]["rendered_template"] == read(name, "prompt.txt")


@pytest.mark.parametrize("name", NAMES)
def test_both_templates_lead_to_the_same_splitter(families: RunningServer, name: str) -> None:
    go, jinja = (
        post(families.url, "/api/show", model=f"{name}-{kind}").json["paddock"] for kind in ("go", "jinja")
    )
    assert (go["renderer"], jinja["renderer"]) == ("go-template", "jinja")
    assert go["splitter"].startswith(SPLITTERS[name])
    assert jinja["splitter"].startswith(SPLITTERS[name])
