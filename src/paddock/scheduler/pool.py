"""The only owner of runners: starts them, lends them, lets idle ones go.

A caller leases a runner (loading it if need be) and, inside that lease, a slot. What is loaded is decided
by `policy`, who may speak by `admission`; this module keeps the state they look at, does what they say
and holds the clock. Everything runs on one event loop, so state only changes between awaits, and every
change wakes those who wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import itertools
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

from paddock.engines.launch import Plan
from paddock.engines.runner import Runner
from paddock.errors import QueueFull, ShuttingDown
from paddock.scheduler.admission import Ledger, Ticket
from paddock.scheduler.policy import (
    Decision,
    Evict,
    Key,
    Load,
    Resident,
    Reuse,
    Snapshot,
    Wait,
    Wish,
    place,
    reuse,
)

log = logging.getLogger(__name__)

_T = TypeVar("_T")


class Engine(Protocol):
    """What the pool needs of an engine."""

    @property
    def name(self) -> str: ...
    @property
    def runner(self) -> Runner: ...
    @property
    def ended(self) -> asyncio.Task[int]: ...
    @property
    def on_gpu(self) -> int: ...
    async def stop(self) -> None: ...


class State(enum.Enum):
    """The life of a runner."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    GONE = "gone"


_ALLOWED = {
    State.STARTING: {State.READY, State.STOPPING, State.GONE},
    State.READY: {State.STOPPING, State.GONE},
    State.STOPPING: {State.GONE},
    State.GONE: set[State](),
}


def step(now: State, to: State) -> State:
    """The next state, or RuntimeError for a step that no runner may take."""
    if to not in _ALLOWED[now]:
        raise RuntimeError(f"a runner cannot go from {now.value} to {to.value}")
    return to


@dataclass(frozen=True, slots=True)
class Loaded:
    """A runner as others may see it. `memory` and `on_gpu` are bytes of the machine and of its GPUs;
    `expires_at` is seconds since the epoch, math.inf for never."""

    name: str
    key: Key
    plan: Plan
    memory: int
    state: State
    engine: str
    on_gpu: int
    users: int
    expires_at: float


class _Held:
    """A runner and what the pool knows of it."""

    def __init__(self, id: int, name: str, wish: Wish, keep_alive: float) -> None:
        self.id = id
        self.name = name
        self.wish = wish
        self.keep_alive = keep_alive
        self.state = State.STARTING
        self.users = 0
        self.last_used = time.monotonic()
        self.expires_at = math.inf
        self.expiry: asyncio.TimerHandle | None = None
        self.engine: Engine | None = None
        self.loading: asyncio.Task[Engine] | None = None
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ready.add_done_callback(lambda f: f.cancelled() or f.exception())  # seen, even if nobody waits
        self.ledger = Ledger(wish.plan.slots, wish.plan.capacity)
        self.at_the_door: dict[int, asyncio.Future[None]] = {}

    def resident(self) -> Resident:
        leaving = self.state in (State.STOPPING, State.GONE)
        wish = self.wish
        return Resident(
            self.id, wish.key, wish.plan, wish.memory, self.users, self.keep_alive, self.last_used, leaving
        )


class Lease:
    """A loaded runner, lent. It is not stopped while the lease is held."""

    def __init__(self, pool: Pool, held: _Held, load_ns: int) -> None:
        assert held.engine is not None
        self._pool = pool
        self._held = held
        self.runner = held.engine.runner
        self.plan = held.wish.plan
        self.load_ns = load_ns

    @contextlib.asynccontextmanager
    async def slot(self, tokens: int, client: str) -> AsyncIterator[None]:
        """A place in the engine for a request of at most `tokens`; waits for its turn.

        Raises QueueFull when too many wait already, EngineGone when the engine ends meanwhile.
        """
        async with self._pool._slot(self._held, tokens, client):
            yield


class Pool:
    """Owns every runner. `start` makes an engine from a plan; `available` tells the memory, in bytes,
    that models may take beside those of the given total already planned for."""

    def __init__(
        self,
        start: Callable[[Plan], Coroutine[Any, Any, Engine]],
        *,
        available: Callable[[int], int],
        keep_alive: float,
        max_loaded: int,
        max_queue: int,
    ) -> None:
        self._start = start
        self._available = available
        self._keep_alive = keep_alive
        self._max_loaded = max_loaded
        self._max_queue = max_queue
        self._held: dict[int, _Held] = {}
        self._ids = itertools.count(1)
        self._pending = 0
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False

    # ── what others see and do ────────────────────────────────────────────────────────────────────

    def loaded(self) -> tuple[Loaded, ...]:
        """Runners that are loaded or loading, the one that stays longest first."""
        present = [held for held in self._held.values() if held.state in (State.STARTING, State.READY)]
        now = time.time()
        listed = (
            Loaded(
                name=held.name,
                key=held.wish.key,
                plan=held.wish.plan,
                memory=held.wish.memory,
                state=held.state,
                engine=held.engine.name if held.engine else "",
                on_gpu=held.engine.on_gpu if held.engine else 0,
                users=held.users,
                expires_at=now + held.keep_alive if held.users else held.expires_at,
            )
            for held in present
        )
        return tuple(sorted(listed, key=lambda loaded: -loaded.expires_at))

    @contextlib.asynccontextmanager
    async def lease(self, name: str, wish: Wish, keep_alive: float | None) -> AsyncIterator[Lease]:
        """A loaded runner for `wish`, loading it if need be. `keep_alive` sticks until another is said.

        Raises what loading raises, QueueFull, ShuttingDown.
        """
        begun = time.monotonic_ns()
        held = await self._runner_for(name, wish, self._keep_alive if keep_alive is None else keep_alive)
        try:
            if keep_alive is not None:
                held.keep_alive = keep_alive
            yield Lease(self, held, time.monotonic_ns() - begun)
        finally:
            self._give_back(held)

    async def unload(self, weights: str) -> None:
        """Let every runner of these weights go: idle ones now, busy ones when they become idle."""
        going = [held for held in self._held.values() if held.wish.key.weights == weights]
        for held in going:
            held.keep_alive = 0.0
            if not held.users:
                self._stop(held)
        await self._until(lambda: all(held.users or held.id not in self._held for held in going))

    async def close(self) -> None:
        """Stop every runner and take no more work. Returns when the last process is gone."""
        self._closing = True
        for held in tuple(self._held.values()):
            self._stop(held)
        self._notify()
        while self._tasks:
            await asyncio.wait(self._tasks)

    # ── placing ───────────────────────────────────────────────────────────────────────────────────

    async def _runner_for(self, name: str, wish: Wish, keep_alive: float) -> _Held:
        """A ready runner that counts the caller among its users."""
        found = reuse(wish, self._residents())
        if found and self._held[found.id].state is State.READY:  # whoever need not wait needs no queue
            return await self._join(self._held[found.id])
        if self._pending > self._max_queue:  # one of them is being served, the others wait
            raise QueueFull(self._pending)
        self._pending += 1
        try:
            while not self._closing:
                match self._decide(wish):
                    case Reuse(id):
                        return await self._join(self._held[id])
                    case Load():
                        self._load(name, wish, keep_alive)
                    case Evict(ids):
                        for id in ids:
                            self._stop(self._held[id])
                    case Wait(why):
                        log.debug("%s waits: %s", name, why)
                        await self._changed.wait()
            raise ShuttingDown
        finally:
            self._pending -= 1

    def _decide(self, wish: Wish) -> Decision:
        residents = self._residents()
        taken = sum(resident.memory for resident in residents)
        return place(wish, Snapshot(residents, self._max_loaded, self._available(taken)))

    def _residents(self) -> tuple[Resident, ...]:
        return tuple(held.resident() for held in self._held.values())

    async def _join(self, held: _Held) -> _Held:
        held.users += 1
        self._cancel_expiry(held)
        try:
            await asyncio.shield(held.ready)
        except BaseException:
            self._give_back(held)
            raise
        return held

    def _give_back(self, held: _Held) -> None:
        held.users -= 1
        held.last_used = time.monotonic()
        if not held.users and held.state is State.READY:
            self._begin_expiry(held)
        self._notify()

    # ── the life of a runner ──────────────────────────────────────────────────────────────────────

    def _load(self, name: str, wish: Wish, keep_alive: float) -> None:
        held = _Held(next(self._ids), name, wish, keep_alive)
        self._held[held.id] = held
        held.loading = self._spawn(self._start(wish.plan))
        held.loading.add_done_callback(partial(self._started, held, time.monotonic()))

    def _started(self, held: _Held, begun: float, loading: asyncio.Task[Engine]) -> None:
        """The load is over. A callback, because it must run however the load ends, even one that was given
        up before its first step."""
        if loading.cancelled():
            self._remove(held)
            held.ready.set_exception(ShuttingDown())
            return
        if error := loading.exception():  # whatever went wrong, those who wait must hear of it
            log.error("%s: %s", held.name, error)
            self._remove(held)
            held.ready.set_exception(error)
            return
        held.engine = engine = loading.result()
        if held.state is State.STOPPING:  # it was given up when it was ready already
            held.ready.set_exception(ShuttingDown())
            self._spawn(self._stop_engine(held))
            return
        held.state = step(held.state, State.READY)
        log.info("loaded %s (%s engine) in %.2f s", held.name, engine.name, time.monotonic() - begun)
        held.ready.set_result(None)
        engine.ended.add_done_callback(lambda _: self._died(held))
        if not held.users:
            self._begin_expiry(held)
        self._notify()

    def _died(self, held: _Held) -> None:
        """The process ended. If we did not ask for it, whoever uses it or waits for it must know."""
        if held.state is not State.READY:
            return
        assert held.engine is not None
        log.error("%s: %s", held.name, held.engine.runner.obituary())
        self._cancel_expiry(held)
        self._remove(held)
        for future in held.at_the_door.values():
            if not future.done():
                future.set_exception(held.engine.runner.obituary())
        self._spawn(self._stop_engine(held))  # closes what is left of its connections

    def _stop(self, held: _Held) -> None:
        if held.state in (State.STOPPING, State.GONE):
            return
        if held.state is State.STARTING:
            assert held.loading is not None
            held.state = step(held.state, State.STOPPING)
            held.loading.cancel()
            return
        held.state = step(held.state, State.STOPPING)
        self._cancel_expiry(held)
        self._spawn(self._stop_engine(held))

    async def _stop_engine(self, held: _Held) -> None:
        assert held.engine is not None
        try:
            await held.engine.stop()
        except Exception as error:  # a border: it may not keep its place and its memory for ever
            log.error("the engine of %s could not be stopped in order", held.name, exc_info=error)
        if held.state is State.STOPPING:
            log.info("unloaded %s", held.name)
            self._remove(held)

    def _remove(self, held: _Held) -> None:
        held.state = step(held.state, State.GONE)
        self._held.pop(held.id, None)
        self._notify()

    def _begin_expiry(self, held: _Held) -> None:
        self._cancel_expiry(held)
        held.expires_at = time.time() + held.keep_alive
        if held.keep_alive <= 0 or self._closing:
            self._stop(held)
        elif held.keep_alive < math.inf:
            held.expiry = asyncio.get_running_loop().call_later(held.keep_alive, self._stop, held)

    def _cancel_expiry(self, held: _Held) -> None:
        if held.expiry is not None:
            held.expiry.cancel()
            held.expiry = None

    # ── slots ─────────────────────────────────────────────────────────────────────────────────────

    @contextlib.asynccontextmanager
    async def _slot(self, held: _Held, tokens: int, client: str) -> AsyncIterator[None]:
        ticket = Ticket(next(self._ids), max(1, min(tokens, held.wish.plan.window)), client)
        turn = held.at_the_door[ticket.id] = asyncio.get_running_loop().create_future()
        try:
            self._open_door(held, held.ledger.arrive(ticket))
            if not turn.done() and held.ledger.waiting > self._max_queue:
                raise QueueFull(held.ledger.waiting)
            await turn
            yield
        finally:
            del held.at_the_door[ticket.id]
            self._open_door(held, held.ledger.leave(ticket))

    def _open_door(self, held: _Held, admitted: tuple[Ticket, ...]) -> None:
        for ticket in admitted:
            turn = held.at_the_door.get(ticket.id)
            if turn is not None and not turn.done():
                turn.set_result(None)

    # ── waking and tasks ──────────────────────────────────────────────────────────────────────────

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    def _spawn(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
