"""The `ollama` Python package, unchanged, against our server: its fifteen most common calls."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import ollama
import pytest

from conftest import RunningServer

QUESTION = [{"role": "user", "content": "What is the capital of France?"}]


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Iterator[ollama.Client]:
    with ollama.Client(host=server.url) as client:
        yield client


@pytest.fixture
async def several(server: RunningServer) -> AsyncIterator[ollama.AsyncClient]:
    async with ollama.AsyncClient(host=server.url) as client:
        yield client


def test_generate(client: ollama.Client) -> None:
    answer = client.generate(model="tiny", prompt="What is the capital of France?", think=False)
    assert "Paris" in answer.response
    assert answer.done
    assert answer.context


def test_generate_streaming(client: ollama.Client) -> None:
    parts = list(client.generate(model="tiny", prompt="What is the capital of France?", stream=True))
    assert "Paris" in "".join(part.response for part in parts)
    assert parts[-1].done_reason == "stop"


def test_chat(client: ollama.Client) -> None:
    answer = client.chat(model="tiny", messages=QUESTION)
    assert answer.message.role == "assistant"
    assert "Paris" in (answer.message.content or "")
    assert answer.eval_count


def test_chat_streaming(client: ollama.Client) -> None:
    parts = list(client.chat(model="tiny", messages=QUESTION, stream=True))
    assert "Paris" in "".join(part.message.content or "" for part in parts)
    assert len(parts) > 2


def test_chat_with_thinking(client: ollama.Client) -> None:
    answer = client.chat(model="tiny", messages=[{"role": "user", "content": "What is 17 + 25?"}], think=True)
    assert answer.message.thinking
    assert "42" in (answer.message.content or "")


def test_embed_one_and_many(client: ollama.Client) -> None:
    assert len(client.embed(model="tiny", input="hello").embeddings) == 1
    assert len(client.embed(model="tiny", input=["hello", "world"]).embeddings) == 2


def test_embeddings(client: ollama.Client) -> None:
    assert client.embeddings(model="tiny", prompt="hello").embedding


def test_list(client: ollama.Client) -> None:
    models = {model.model: model for model in client.list().models}
    details = models["tiny:latest"].details
    assert details is not None
    assert details.family == "llama"


def test_show(client: ollama.Client) -> None:
    shown = client.show("tiny")
    assert shown.modelinfo is not None
    assert shown.modelinfo["general.architecture"] == "llama"
    assert "thinking" in (shown.capabilities or [])


def test_ps(client: ollama.Client) -> None:
    client.generate(model="tiny")
    assert "tiny:latest" in [model.model for model in client.ps().models]


def test_copy_and_delete(client: ollama.Client) -> None:
    assert client.copy("tiny", "tiny-copy").status == "success"
    assert client.delete("tiny-copy").status == "success"


def test_a_missing_model_is_a_404_that_names_it(client: ollama.Client) -> None:
    with pytest.raises(ollama.ResponseError, match="model 'missing' not found") as failure:
        client.chat(model="missing", messages=QUESTION)
    assert failure.value.status_code == 404


async def test_async_generate_and_its_stream(several: ollama.AsyncClient) -> None:
    answer = await several.generate(model="tiny", prompt="What is the capital of Japan?")
    assert "Tokyo" in answer.response
    stream = await several.generate(model="tiny", prompt="What is the capital of Japan?", stream=True)
    assert "Tokyo" in "".join([part.response async for part in stream])


async def test_async_chat_and_its_stream(several: ollama.AsyncClient) -> None:
    answer = await several.chat(model="tiny", messages=QUESTION)
    assert "Paris" in (answer.message.content or "")
    stream = await several.chat(model="tiny", messages=QUESTION, stream=True)
    assert "Paris" in "".join([part.message.content or "" async for part in stream])


async def test_async_embed_list_ps_and_show(several: ollama.AsyncClient) -> None:
    assert (await several.embed(model="tiny", input="hello")).embeddings
    assert (await several.list()).models
    assert (await several.ps()).models
    assert (await several.show("tiny")).modelinfo
