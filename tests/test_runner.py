"""A runner over the real engine: completing, leaving, dying."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from paddock.engines import launch
from paddock.engines.launch import Plan
from paddock.engines.launcher import Engine, Launcher, private_directory
from paddock.engines.runner import Completion, Piece
from paddock.errors import BadRequest, EngineGone, EngineLoadFailed, EngineRefused, EngineSlow
from paddock.names import ModelName
from paddock.options import Sampling
from paddock.store.builtin import box
from paddock.store.models import ModelStore
from stores import add_endless

GREEDY = Sampling(temperature=0.0)


def tiny() -> Path:
    weights = ModelStore(Path("/nonexistent"), box()).find(ModelName.parse("tiny")).weights
    assert weights is not None
    return weights


@pytest.fixture(scope="session")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that never stops by itself."""
    root = tmp_path_factory.mktemp("store")
    add_endless(root)
    weights = ModelStore(root).find(ModelName.parse("endless")).weights
    assert weights is not None
    return weights


@asynccontextmanager
async def engine_for(plan: Plan, stall: float = 60.0) -> AsyncIterator[Engine]:
    with private_directory() as directory:
        engine = await Launcher(directory, os.environ, stall).start(plan)
        try:
            yield engine
        finally:
            await engine.stop()


async def gathered(pieces: AsyncIterator[Piece]) -> list[Piece]:
    return [piece async for piece in pieces]


async def idle(engine: Engine) -> None:
    async with asyncio.timeout(10):
        while await engine.runner.busy_slots():
            await asyncio.sleep(0.01)


async def test_a_completion_streams_pieces_and_ends_with_the_figures() -> None:
    async with engine_for(Plan(tiny(), window=512, slots=2)) as engine:
        prompt = await engine.runner.tokenize("<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n")
        first, *pieces, last = await gathered(engine.runner.complete(Completion(prompt, GREEDY, 16)))
        assert first == Piece()
        assert any(piece.progress for piece in pieces)
        tokens = [token for piece in pieces for token in piece.tokens]
        assert last.end is not None
        assert last.end.prompt_tokens == len(prompt)
        assert 0 < last.end.output_tokens <= 16
        text = "".join(piece.text for piece in pieces)
        assert (await engine.runner.detokenize(tokens)).startswith(text)
        again = (await gathered(engine.runner.complete(Completion(prompt, GREEDY, 16))))[-1].end
        assert again is not None
        assert again.cached_tokens > 0


async def test_the_abilities_tell_what_the_engine_says_of_itself() -> None:
    async with engine_for(Plan(tiny(), window=300, slots=3)) as engine:
        able = engine.runner.abilities
        assert (able.slots, able.window) == (3, 300)
        assert (able.vision, able.audio, able.embeds, able.shifts) == (False, False, False, True)
        assert "im_start" in able.chat_template
        assert await engine.runner.healthy()
        prompt = await engine.runner.apply_template([{"role": "user", "content": "Hi"}], enable_thinking=True)
        assert prompt.endswith("<think>")


async def test_a_prompt_larger_than_the_window_is_refused_by_the_engine_before_it_starts() -> None:
    async with engine_for(Plan(tiny(), window=256)) as engine:
        with pytest.raises(BadRequest, match="exceeds the available context size"):
            await gathered(engine.runner.complete(Completion((5,) * 300, GREEDY, 4)))
        with pytest.raises(EngineRefused):
            await engine.runner.embed((5, 6))


async def test_leaving_while_it_writes_returns_when_the_slot_is_free(endless: Path) -> None:
    async with engine_for(Plan(endless, window=1024, slots=2)) as engine:
        for _ in range(5):
            async with aclosing(engine.runner.complete(Completion((5, 6, 7), GREEDY, 100000))) as pieces:
                async for piece in pieces:
                    if piece.tokens:
                        break
            await idle(engine)


async def test_leaving_while_the_prompt_is_read_frees_the_slot(endless: Path) -> None:
    async with engine_for(Plan(endless, window=4096, slots=1)) as engine:
        async with aclosing(engine.runner.complete(Completion((7,) * 4000, GREEDY, 100000))) as pieces:
            await anext(pieces)
        await idle(engine)
        assert (await gathered(engine.runner.complete(Completion((5, 6), GREEDY, 2))))[-1].end is not None


async def test_cancelling_a_task_that_reads_is_leaving_too(endless: Path) -> None:
    async with engine_for(Plan(endless, window=1024)) as engine:
        reading = asyncio.create_task(gathered(engine.runner.complete(Completion((5,), GREEDY, 100000))))
        async with asyncio.timeout(10):
            while not await engine.runner.busy_slots():
                await asyncio.sleep(0.01)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await idle(engine)


async def test_a_killed_engine_is_told_with_how_it_ended(endless: Path) -> None:
    async with engine_for(Plan(endless, window=1024)) as engine:
        pieces = engine.runner.complete(Completion((5,), GREEDY, 100000))
        await anext(pieces)
        os.kill(engine.process.pid, signal.SIGKILL)
        with pytest.raises(EngineGone, match="signal 9") as failure:
            await gathered(pieces)
        assert failure.value.log
        with pytest.raises(EngineGone):
            await engine.runner.tokenize("x")


async def test_a_file_that_is_no_model_fails_with_the_engines_reason(tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"this is no model at all")
    with pytest.raises(EngineLoadFailed, match="invalid magic") as failure:
        async with engine_for(Plan(broken, window=256)):
            pass
    assert failure.value.log


async def test_a_load_that_shows_no_sign_of_life_is_given_up() -> None:
    begun = time.monotonic()
    with pytest.raises(EngineSlow, match="OLLAMA_LOAD_TIMEOUT"):
        async with engine_for(Plan(tiny(), window=256), stall=0.0):
            pass
    assert time.monotonic() - begun < 30


async def test_where_there_are_no_unix_sockets_a_loopback_port_with_a_key_serves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_sockets: Callable[..., launch.Endpoint] = launch.endpoint
    monkeypatch.setattr(launch, "endpoint", lambda directory, name: with_sockets(directory, name, unix=False))
    async with engine_for(Plan(tiny(), window=256)) as engine:
        place = engine.process.launch.endpoint
        assert place.socket is None
        assert await engine.runner.tokenize("hello")
        import aiohttp

        async with (
            aiohttp.ClientSession() as stranger,
            stranger.post(f"http://127.0.0.1:{place.port}/tokenize", json={"content": "x"}) as refused,
        ):
            assert refused.status == 401


async def test_an_embedding_runner_gives_unit_vectors() -> None:
    plan = Plan(tiny(), window=256, embedding=True, pooling="mean", batch=256)
    async with engine_for(plan) as engine:
        vector = await engine.runner.embed(await engine.runner.tokenize("hello"))
        assert sum(x * x for x in vector) == pytest.approx(1.0, abs=1e-3)
        assert engine.runner.abilities.embeds


async def test_the_window_bounds_a_slot_and_not_only_the_sum_of_all(endless: Path) -> None:
    plan = replace(Plan(endless, window=300, slots=4), shift=False)
    async with engine_for(plan) as engine:
        end = (await gathered(engine.runner.complete(Completion((5,) * 10, GREEDY, 100000))))[-1].end
        assert end is not None
        assert end.reason == "length"
        assert end.prompt_tokens + end.output_tokens <= 301


async def test_more_streams_than_one_share_the_engine(endless: Path) -> None:
    async with engine_for(Plan(endless, window=256, slots=3)) as engine:
        wanted = [Completion((5, 6, number), GREEDY, 40) for number in range(3)]
        alone = [await gathered(engine.runner.complete(each)) for each in wanted]
        together = await asyncio.gather(*(gathered(engine.runner.complete(each)) for each in wanted))
        for one, other in zip(alone, together, strict=True):
            assert one[-1].end and other[-1].end
            assert one[-1].end.output_tokens == other[-1].end.output_tokens == 40
