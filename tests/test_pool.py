"""The pool with engines that do what they are told: loading, lending, keeping, letting go, dying."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from paddock.engines.launch import Plan
from paddock.errors import EngineGone, EngineLoadFailed, QueueFull, ShuttingDown
from paddock.scheduler.policy import Key, Wish
from paddock.scheduler.pool import Lease, Pool, State, step

PLAN = Plan(weights=Path("a"), window=100, slots=2)
A = Wish(Key("a"), PLAN, 10)
B = Wish(Key("b"), replace(PLAN, weights=Path("b")), 10)


class FakeEngine:
    """An engine that ends when it is told to, or when a test lets it die."""

    name = "fake"
    on_gpu = 0
    runner: Any = SimpleNamespace(obituary=lambda: EngineGone("it stopped (signal 9)", ("last words",)))
    failure: Exception | None = None

    def __init__(self) -> None:
        self.gone: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.ended = asyncio.ensure_future(self._end())

    async def _end(self) -> int:
        return await self.gone

    async def stop(self) -> None:
        if not self.gone.done():
            self.gone.set_result(0)
        await self.ended
        if self.failure:
            raise self.failure


@dataclass
class Foundry:
    """Makes engines when the test allows it, and remembers which plans were asked for."""

    may_load: asyncio.Event = field(default_factory=asyncio.Event)
    failure: Exception | None = None
    deaf: bool = False  # goes on loading when it is told to give up
    plans: list[Plan] = field(default_factory=list)
    engines: list[FakeEngine] = field(default_factory=list)

    async def start(self, plan: Plan) -> FakeEngine:
        self.plans.append(plan)
        try:
            await self.may_load.wait()
        except asyncio.CancelledError:
            if not self.deaf:
                raise
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


async def quiet() -> None:
    """Lets the loop turn until nobody has anything left to do.

    Nothing here waits for input, and only what a test keeps alive for a while waits for a clock, so
    whatever can happen happens within as many turns as there are links in the longest chain of wake-ups.
    """
    for _ in range(100):
        await asyncio.sleep(0)


async def use(pool: Pool, name: str, wish: Wish, keep_alive: float | None = None) -> Lease:
    """Leases a runner and gives it back."""
    async with pool.lease(name, wish, keep_alive) as lease:
        return lease


@asynccontextmanager
async def waiting_for_a_slot(lease: Lease) -> AsyncIterator[asyncio.Task[None]]:
    """Somebody who stands at the door, where there is no room inside."""

    async def wait() -> None:
        async with lease.slot(10, ""):
            pass

    waiter = asyncio.create_task(wait())
    await quiet()
    assert not waiter.done()
    try:
        yield waiter
    finally:
        waiter.cancel()
        await asyncio.gather(waiter, return_exceptions=True)


def names(pool: Pool) -> list[str]:
    return [loaded.name for loaded in pool.loaded()]


async def test_a_second_request_reuses_the_loaded_runner() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry) as pool:
        for _ in range(3):
            await use(pool, "a", A)
    assert foundry.plans == [A.plan]


async def test_requests_that_come_while_a_model_loads_wait_for_that_one_load() -> None:
    foundry = Foundry()
    async with pool_of(foundry) as pool:
        waiting = [asyncio.create_task(use(pool, "a", A)) for _ in range(5)]
        await settled(lambda: bool(foundry.plans))
        assert [loaded.state for loaded in pool.loaded()] == [State.STARTING]
        foundry.may_load.set()
        assert all(lease.load_ns > 0 for lease in await asyncio.gather(*waiting))
    assert len(foundry.plans) == 1


async def test_a_failed_load_fails_everyone_who_waited_and_the_next_request_tries_again() -> None:
    foundry = Foundry(failure=EngineLoadFailed("no", ("last words",)))
    async with pool_of(foundry) as pool:
        waiting = [asyncio.create_task(use(pool, "a", A)) for _ in range(3)]
        await settled(lambda: bool(foundry.plans))
        foundry.may_load.set()
        failures = await asyncio.gather(*waiting, return_exceptions=True)
        assert [getattr(failure, "log", None) for failure in failures] == [("last words",)] * 3
        assert pool.loaded() == ()
        foundry.failure = None
        await use(pool, "a", A)
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
            later = asyncio.create_task(use(pool, "a", wider))
            await quiet()
            assert not later.done()
            assert not foundry.engines[0].gone.done()
        assert (await later).plan == wider.plan


async def test_models_live_side_by_side_up_to_the_limit_and_then_an_idle_one_leaves() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry, max_loaded=1) as pool:
        await use(pool, "a", A)
        async with pool.lease("b", B, None):
            assert names(pool) == ["b"]
    async with pool_of(ready_foundry(), max_loaded=2) as pool:
        async with pool.lease("a", A, None), pool.lease("b", B, None):
            assert sorted(names(pool)) == ["a", "b"]


async def test_keep_alive_sticks_and_zero_unloads_when_idle() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry, keep_alive=300.0) as pool:
        await use(pool, "a", A, 3600.0)
        await use(pool, "a", A)
        (loaded,) = pool.loaded()
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
        await use(pool, "a", A)
        await pool.unload("a")
        assert pool.loaded() == ()
        await pool.unload("never loaded")


async def test_slots_are_never_oversold_and_everybody_gets_a_turn() -> None:
    inside, most, served = 0, 0, 0
    async with pool_of(ready_foundry()) as pool:

        async def work() -> None:
            nonlocal inside, most, served
            async with pool.lease("a", A, None) as lease, lease.slot(60, "me"):
                inside += 1
                most = max(most, inside)
                await quiet()
                inside -= 1
                served += 1

        await asyncio.gather(*(work() for _ in range(20)))
    assert (most, served) == (2, 20)


async def test_a_request_that_gives_up_waiting_frees_its_place_in_the_line() -> None:
    async with pool_of(ready_foundry()) as pool:
        one_slot = replace(A, plan=replace(PLAN, slots=1))
        async with pool.lease("a", one_slot, None) as lease:
            async with lease.slot(10, ""), waiting_for_a_slot(lease) as waiter:
                waiter.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiter
            async with asyncio.timeout(5), lease.slot(10, ""):
                pass


async def test_too_many_waiting_is_refused() -> None:
    one_slot = replace(A, plan=replace(PLAN, slots=1))
    async with pool_of(ready_foundry(), max_queue=1) as pool, pool.lease("a", one_slot, None) as lease:
        async with lease.slot(10, ""), waiting_for_a_slot(lease):
            with pytest.raises(QueueFull):
                async with lease.slot(10, ""):
                    pass


async def test_where_nobody_may_wait_whoever_need_not_is_served_all_the_same() -> None:
    one_slot = replace(A, plan=replace(PLAN, slots=1))
    async with pool_of(ready_foundry(), max_queue=0) as pool, pool.lease("a", one_slot, None) as lease:
        async with lease.slot(10, ""):
            with pytest.raises(QueueFull):
                async with lease.slot(10, ""):
                    pass
        async with lease.slot(10, ""):  # whoever was refused is not in anybody's way
            pass


async def test_as_many_may_wait_for_a_load_as_the_queue_holds_besides_the_one_that_is_served() -> None:
    foundry = Foundry()
    async with pool_of(foundry, max_queue=1) as pool:
        waiting = [asyncio.create_task(use(pool, "a", A)) for _ in range(2)]
        await settled(lambda: len(foundry.plans) == 1)
        with pytest.raises(QueueFull):
            await use(pool, "a", A)
        foundry.may_load.set()
        assert len(await asyncio.gather(*waiting)) == 2


async def test_an_engine_that_dies_fails_who_waits_for_a_slot_and_is_loaded_afresh() -> None:
    foundry = ready_foundry()
    one_slot = replace(A, plan=replace(PLAN, slots=1))
    async with pool_of(foundry) as pool:
        async with (
            pool.lease("a", one_slot, None) as lease,
            lease.slot(10, ""),
            waiting_for_a_slot(lease) as waiter,
        ):
            foundry.engines[0].gone.set_result(1)
            with pytest.raises(EngineGone, match="signal 9") as failure:
                await waiter
            assert failure.value.log == ("last words",)
            assert pool.loaded() == ()
        await use(pool, "a", one_slot)
        assert len(foundry.engines) == 2


async def test_closing_stops_everything_and_takes_no_more_work() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry) as pool:
        async with pool.lease("a", A, None):
            await pool.close()
            assert foundry.engines[0].gone.done()
            with pytest.raises(ShuttingDown):
                await use(pool, "b", B)
        assert pool.loaded() == ()


async def test_closing_while_a_model_loads_gives_up_the_load() -> None:
    foundry = Foundry()
    async with pool_of(foundry) as pool:
        waiting = asyncio.create_task(use(pool, "a", A))
        await settled(lambda: bool(foundry.plans))
        await pool.close()
        with pytest.raises(ShuttingDown):
            await waiting


async def test_closing_in_the_very_turn_in_which_a_load_begins_gives_up_the_load_too() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry) as pool:
        waiting = asyncio.create_task(use(pool, "a", A))
        closing = asyncio.create_task(pool.close())  # its turn comes before that of the engine's start
        async with asyncio.timeout(10):
            with pytest.raises(ShuttingDown):
                await waiting
            await closing
    assert foundry.engines == []
    assert pool.loaded() == ()


async def test_an_engine_that_is_ready_in_the_very_turn_in_which_it_is_given_up_is_stopped() -> None:
    foundry = Foundry()
    async with pool_of(foundry) as pool:
        waiting = asyncio.create_task(use(pool, "a", A))
        await settled(lambda: bool(foundry.plans))
        foundry.deaf = True
        foundry.may_load.set()
        closing = asyncio.create_task(pool.close())
        async with asyncio.timeout(10):
            with pytest.raises(ShuttingDown):
                await waiting
            await closing
    assert all(engine.gone.done() for engine in foundry.engines)
    assert len(foundry.engines) == 1


async def test_a_request_for_a_loaded_model_is_served_although_the_queue_of_those_that_load_is_full() -> None:
    foundry = ready_foundry()
    async with pool_of(foundry, max_queue=0) as pool:
        await use(pool, "a", A)
        foundry.may_load.clear()
        loading = asyncio.create_task(use(pool, "b", B))
        await settled(lambda: len(foundry.plans) == 2)
        with pytest.raises(QueueFull):
            await use(pool, "b", B)
        assert (await use(pool, "a", A)).plan == A.plan
        foundry.may_load.set()
        await loading


async def test_an_engine_that_cannot_be_stopped_in_order_does_not_keep_its_place(
    caplog: pytest.LogCaptureFixture,
) -> None:
    foundry = ready_foundry()
    async with pool_of(foundry, max_loaded=1) as pool:
        await use(pool, "a", A)
        foundry.engines[0].failure = OSError("no such luck")
        async with asyncio.timeout(10):
            await use(pool, "b", B)
        assert names(pool) == ["b"]
    assert "no such luck" in caplog.text


async def test_what_is_loaded_is_listed_by_when_it_would_leave_the_last_first() -> None:
    async with pool_of(ready_foundry(), keep_alive=300.0) as pool:
        await use(pool, "a", A, 3600.0)
        async with pool.lease("b", B, None):
            listed = pool.loaded()
    assert [loaded.name for loaded in listed] == ["a", "b"]
    assert listed[0].expires_at > listed[1].expires_at


def test_a_runner_takes_no_step_that_its_life_does_not_have() -> None:
    assert step(State.STARTING, State.READY) is State.READY
    for now, to in ((State.GONE, State.READY), (State.STOPPING, State.READY), (State.READY, State.STARTING)):
        with pytest.raises(RuntimeError):
            step(now, to)
