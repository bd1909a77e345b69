"""A runner over the real engine: completing, leaving, dying."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from paddock.engines import launch
from paddock.engines.dialect import completion_body
from paddock.engines.installed import bundled
from paddock.engines.launch import Endpoint, Launch, Plan
from paddock.engines.launcher import Engine, Launcher, private_directory
from paddock.engines.process import EngineProcess
from paddock.engines.runner import Completion, Piece, Runner
from paddock.errors import (
    BadRequest,
    EngineError,
    EngineGone,
    EngineLoadFailed,
    EngineRefused,
    EngineSlow,
    ShuttingDown,
)
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
        engine = await Launcher(directory, os.environ, stall, bundled("test")).start(plan)
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


async def test_an_engine_that_is_cleared_away_is_told_with_how_it_ended() -> None:
    async with engine_for(Plan(tiny(), window=256)) as engine:
        os.kill(engine.process.pid, signal.SIGKILL)
        await engine.ended
        await engine.stop()
        with pytest.raises(EngineGone, match="signal 9"):
            await engine.runner.tokenize("x")
    async with engine_for(Plan(tiny(), window=256)) as engine:
        await engine.stop()
        with pytest.raises(ShuttingDown):
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


async def test_a_refused_request_tells_whose_fault_it_was() -> None:
    async with engine_for(Plan(tiny(), window=256)) as engine:
        with pytest.raises(EngineRefused, match="penalty_repeat") as refused:
            wanted = Completion((5,), Sampling(repeat_penalty=0.0), 1)
            await gathered(engine.runner.complete(wanted))
        assert (refused.value.code, refused.value.status) == (400, 400)
        with pytest.raises(EngineRefused) as refused:
            await engine.runner.embed((5,))
        assert (refused.value.code, refused.value.status) == (501, 500)


async def test_the_engine_samples_as_it_is_told_and_not_as_a_model_file_might_say() -> None:
    how = Sampling(top_k=7, top_p=0.5, min_p=0.25, typical_p=0.75, repeat_last_n=9, seed=3, num_keep=2)
    wanted = Completion((5, 6), how, 8)
    async with engine_for(Plan(tiny(), window=256)) as engine:
        place = engine.process.launch.endpoint
        connector = aiohttp.UnixConnector(str(place.socket))
        body = completion_body(wanted) | {"stream": False}
        async with (
            aiohttp.ClientSession("http://engine", connector=connector) as session,
            session.post("/completion", json=body) as answer,
        ):
            used = (await answer.json())["generation_settings"]
    assert used["samplers"] == ["penalties", "top_k", "typ_p", "top_p", "min_p", "temperature"]
    assert used["mirostat"] == 0
    for name in ("top_k", "top_p", "min_p", "typical_p", "repeat_last_n", "seed"):
        assert used[name] == getattr(how, name)
    assert used["n_keep"] == how.num_keep


@pytest.mark.parametrize(("asked", "sent"), [(-1, 12), (0, 0), (5, 5), (12, 12), (10**9, 12)])
def test_the_tokens_looked_back_on_are_never_more_than_there_can_be(asked: int, sent: int) -> None:
    wanted = Completion((1, 2), Sampling(repeat_last_n=asked), 10)
    assert completion_body(wanted)["repeat_last_n"] == sent


# ── an engine that does as a test wants ───────────────────────────────────────────────────────────


@asynccontextmanager
async def played(
    directory: Path, path: str, answer: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> AsyncIterator[Runner]:
    """A runner whose engine answers POSTs to `path` as `answer` says; its process only sleeps."""
    place = Endpoint(socket=directory / "engine.sock")
    app = web.Application()
    app.router.add_post(path, answer)
    serving = web.AppRunner(app)
    await serving.setup()
    await web.UnixSite(serving, str(place.socket)).start()
    process = await EngineProcess.start(Launch("played", ("/bin/sleep", "1000"), {}, place))
    session = aiohttp.ClientSession("http://engine", connector=aiohttp.UnixConnector(str(place.socket)))
    runner = Runner(process, session)
    try:
        yield runner
    finally:
        await runner.close()
        await process.stop()
        await serving.cleanup()


async def cancelled_meanwhile(work: asyncio.Task[Any], asked: asyncio.Event) -> None:
    """Cancels `work` when the engine has been asked, and sees that it waits for the engine."""
    await asked.wait()
    work.cancel()
    for _ in range(100):  # turns enough for whoever does not wait
        await asyncio.sleep(0)
    assert not work.done()


async def test_leaving_before_the_engine_has_begun_to_answer_waits_until_it_knows(tmp_path: Path) -> None:
    asked, begin, left = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.set()
        await begin.wait()
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b": still here\n\n")
                await asyncio.sleep(0.001)
        except ConnectionResetError:
            left.set()
        return response

    async with played(tmp_path, "/completion", answer) as runner:
        work = asyncio.create_task(gathered(runner.complete(Completion((5,), GREEDY, 9))))
        await cancelled_meanwhile(work, asked)
        begin.set()
        with pytest.raises(asyncio.CancelledError):
            await work
        async with asyncio.timeout(10):
            await left.wait()


async def test_leaving_while_a_vector_is_computed_waits_until_it_is(tmp_path: Path) -> None:
    asked, compute = asyncio.Event(), asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.set()
        await compute.wait()
        return web.json_response([{"index": 0, "embedding": [[1.0]]}])

    async with played(tmp_path, "/embedding", answer) as runner:
        work = asyncio.create_task(runner.embed((5,)))
        await cancelled_meanwhile(work, asked)
        compute.set()
        with pytest.raises(asyncio.CancelledError):
            await work


async def test_numbers_that_are_none_come_out_of_the_engine_as_such(tmp_path: Path) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response([{"index": 0, "embedding": [[0.5, None]]}])

    async with played(tmp_path, "/embedding", answer) as runner:
        first, second = await runner.embed((5,))
    assert first == 0.5
    assert math.isnan(second)


@pytest.mark.parametrize("said", [[], [{"embedding": []}], {"embedding": [[1.0]]}, "what"])
async def test_an_answer_of_another_shape_is_told_as_the_engines_fault(tmp_path: Path, said: object) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response(said)

    async with played(tmp_path, "/embedding", answer) as runner:
        with pytest.raises(EngineError, match="the engine's answer cannot be read"):
            await runner.embed((5,))
