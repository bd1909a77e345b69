"""The pool with engines that do what they are told: loading, lending, keeping, letting go, dying."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from paddock.engines.launch import Plan
from paddock.errors import EngineGone, EngineLoadFailed, QueueFull, ShuttingDown
from paddock.scheduler.policy import Key, Wish
from paddock.scheduler.pool import Pool, State, step

PLAN = Plan(weights=Path("a"), window=100, slots=2)
A = Wish(Key("a"), PLAN, 10)
B = Wish(Key("b"), replace(PLAN, weights=Path("b")), 10)


class FakeEngine:
    """An engine that ends when it is told to, or when a test lets it die."""

    kind = "fake"
    runner: Any = None

    def __init__(self) -> None:
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.ensure_future(self._end())

    async def _end(self) -> int:
        return await self.gone

    async def stop(self) -> None:
        if not self.gone.done():
            self.gone.set_result(0)
        await self.ended


@dataclass
class Foundry:
    """Makes engines when the test allows it, and remembers which plans were asked for."""

    may_load: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None
    plans: list[Plan] = field(default_factory=list)
    engines: list[FakeEngine] = field(default_factory=list)

    async def start(self, plan: Plan) -> FakeEngine:
        self.plans.append(plan)
        await self.may_load.wait()
        if self.failure:
            raise self.failure
        self.engines.append(FakeEngine())
        return self.engines[-1]


@asynccontextmanager
async def pool_of(foundry: Foundry, **changed: Any) -> AsyncIterator[Pool]:
    given: dict[str, Any] = {"keep_alive": math.inf, "max_loaded": 3, "max_queue": 100}
    pool = Pool(foundry.start, available=lambda planned: 1000 - planned, **(given | changed))
    try:
        yield pool
    finally:
        await pool.close()


def ready_foundry() -> Foundry:
    foundry = Foundry()
    foundry.may_load.set()
    return foundry


async def settled(condition: Callable[[], bool]) -> None:
    """Lets the loop turn until `condition` holds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.001)


def names(pool: Pool) -> list[str]:
    return [loaded.name for loaded in pool.loaded()]


async def test_a_second_request_reuses_the_loaded_runner() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry) as pool:
        for _ in range(3):
            async with pool.lease("a", A, None):
                pass
    assert foundry.plans == [A.plan]


async def test_requests_that_come_while_a_model_loads_wait_for_that_one_load() -> None:
    foundry = Foundry()
    async with pool_of(foundry) as pool:

        async def use() -> int:
            async with pool.lease("a", A, None) as lease:
                return lease.load_ns

        waiting = [asyncio.create_task(use()) for _ in range(5)]
        await settled(lambda: bool(foundry.plans))
        assert [loaded.state for loaded in pool.loaded()] == [State.STARTING]
        foundry.may_load.set()
        assert all(ns > 0 for ns in await asyncio.gather(*waiting))
    assert len(foundry.plans) == 1


async def test_a_failed_load_fails_everyone_who_waited_and_the_next_request_tries_again() -> None:
    foundry = Foundry(failure=EngineLoadFailed("no", ("last words",)))
    async with pool_of(foundry) as pool:

        async def use() -> None:
            async with pool.lease("a", A, None):
                pass

        waiting = [asyncio.create_task(use()) for _ in range(3)]
        await settled(lambda: bool(foundry.plans))
        foundry.may_load.set()
        failures = await asyncio.gather(*waiting, return_exceptions=True)
        assert [getattr(failure, "log", None) for failure in failures] == [("last words",)] * 3
        assert pool.loaded() == ()
        foundry.failure = None
        await use()
        assert names(pool) == ["a"]


async def test_other_load_options_replace_an_idle_runner() -> None:
    foundry = ready_foundry()
    wider = replace(A, plan=replace(PLAN, window=200))
    async with pool_of(foundry) as pool:
        for wish in (A, wider, A):
            async with pool.lease("a", wish, None) as lease:
                assert lease.plan == wish.plan
            assert len(pool.loaded()) == 1
    assert foundry.plans == [A.plan, wider.plan, A.plan]


async def test_other_load_options_wait_for_a_busy_runner() -> None:
    foundry = ready_foundry()
    wider = replace(A, plan=replace(PLAN, window=200))
    async with pool_of(foundry) as pool:
        async with pool.lease("a", A, None):
            later = asyncio.create_task(pool.lease("a", wider, None).__aenter__())
            await asyncio.sleep(0.02)
            assert not later.done()
            assert not foundry.engines[0].gone.done()
        lease = await later
        assert lease.plan == wider.plan
        pool._give_back(lease._held)


async def test_models_live_side_by_side_up_to_the_limit_and_then_an_idle_one_leaves() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry, max_loaded=1) as pool:
        async with pool.lease("a", A, None):
            pass
        async with pool.lease("b", B, None):
            assert names(pool) == ["b"]
    async with pool_of(ready_foundry(), max_loaded=2) as pool:
        async with pool.lease("a", A, None), pool.lease("b", B, None):
            assert sorted(names(pool)) == ["a", "b"]


async def test_keep_alive_sticks_and_zero_unloads_when_idle() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry, keep_alive=300.0) as pool:
        async with pool.lease("a", A, 3600.0):
            pass
        async with pool.lease("a", A, None):
            pass
        (loaded,) = pool.loaded()
        import time

        assert 3590 < loaded.expires_at - time.time() <= 3600
        async with pool.lease("a", A, 0.0):
            assert names(pool) == ["a"]
        await settled(foundry.engines[0].gone.done)
        assert pool.loaded() == ()


async def test_several_runners_that_expire_in_one_tick_all_stop() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry, keep_alive=0.01) as pool:
        async with pool.lease("a", A, None), pool.lease("b", B, None):
            pass
        await settled(lambda: not pool.loaded() and all(engine.gone.done() for engine in foundry.engines))
        assert len(foundry.engines) == 2


async def test_unloading_stops_an_idle_runner_at_once_and_a_busy_one_when_it_is_done() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry) as pool:
        async with pool.lease("a", A, None):
            await pool.unload("a")
            assert names(pool) == ["a"]
        await settled(lambda: not pool.loaded())
        async with pool.lease("a", A, None):
            pass
        await pool.unload("a")
        assert pool.loaded() == ()
        await pool.unload("never loaded")


async def test_slots_are_never_oversold_and_everybody_gets_a_turn() -> None:
    inside, most, served = 0, 0, 0
    async with pool_of(ready_foundry()) as pool:

        async def use() -> None:
            nonlocal inside, most, served
            async with pool.lease("a", A, None) as lease, lease.slot(60, "me"):
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.001)
                inside -= 1
                served += 1

        await asyncio.gather(*(use() for _ in range(20)))
    assert (most, served) == (2, 20)


async def test_a_request_that_gives_up_waiting_frees_its_place_in_the_line() -> None:
    async with pool_of(ready_foundry()) as pool:
        one_slot = replace(A, plan=replace(PLAN, slots=1))
        async with pool.lease("a", one_slot, None) as lease:
            async with lease.slot(10, ""):
                waiter = asyncio.create_task(lease.slot(10, "").__aenter__())
                await asyncio.sleep(0.01)
                waiter.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiter
            async with asyncio.timeout(5), lease.slot(10, ""):
                pass


async def test_too_many_waiting_is_refused() -> None:
    one_slot = replace(A, plan=replace(PLAN, slots=1))
    async with pool_of(ready_foundry(), max_queue=1) as pool, pool.lease("a", one_slot, None) as lease:
        async with lease.slot(10, ""):
            waiter = asyncio.create_task(lease.slot(10, "").__aenter__())
            await asyncio.sleep(0.01)
            with pytest.raises(QueueFull):
                async with lease.slot(10, ""):
                    pass
            waiter.cancel()
            await asyncio.gather(waiter, return_exceptions=True)


async def test_an_engine_that_dies_fails_who_waits_for_a_slot_and_is_loaded_afresh() -> None:
    foundry = ready_foundry()
    one_slot = replace(A, plan=replace(PLAN, slots=1))
    async with pool_of(foundry) as pool:
        async with pool.lease("a", one_slot, None) as lease, lease.slot(10, ""):
            waiter = asyncio.create_task(lease.slot(10, "").__aenter__())
            await asyncio.sleep(0.01)
            foundry.engines[0].gone.set_result(1)
            with pytest.raises(EngineGone):
                await waiter
            assert pool.loaded() == ()
        async with pool.lease("a", one_slot, None):
            assert len(foundry.engines) == 2


async def test_closing_stops_everything_and_takes_no_more_work() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry) as pool:
        async with pool.lease("a", A, None):
            await pool.close()
            assert foundry.engines[0].gone.done()
            with pytest.raises(ShuttingDown):
                async with pool.lease("b", B, None):
                    pass
        assert pool.loaded() == ()


async def test_closing_while_a_model_loads_gives_up_the_load() -> None:
    foundry = Foundry()
    async with pool_of(foundry) as pool:

        async def use() -> None:
            async with pool.lease("a", A, None):
                pass

        waiting = asyncio.create_task(use())
        await settled(lambda: bool(foundry.plans))
        await pool.close()
        with pytest.raises(ShuttingDown):
            await waiting


def test_a_runner_takes_no_step_that_its_life_does_not_have() -> None:
    assert step(State.STARTING, State.READY) is State.READY
    for now, to in ((State.GONE, State.READY), (State.STOPPING, State.READY), (State.READY, State.STARTING)):
        with pytest.raises(RuntimeError):
            step(now, to)
