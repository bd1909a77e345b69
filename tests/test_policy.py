"""Which models are loaded: a table of moments, and a machine driven at random."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddock.engines.launch import Plan
from paddock.scheduler.policy import Decision, Evict, Key, Load, Resident, Reuse, Snapshot, Wait, Wish, place

SMALL, LARGE = Plan(Path("w"), window=64), Plan(Path("w"), window=128)
A, B, C = Key("a"), Key("b"), Key("c")


def resident(
    id: int, key: Key, *, memory: int = 10, users: int = 0, keep: float = 300.0, used: float = 0.0,
    plan: Plan = SMALL, leaving: bool = False,
) -> Resident:  # fmt: skip
    return Resident(id, key, plan, memory, users, keep, used, leaving)


def decide(key: Key, *residents: Resident, places: int = 3, free: int = 100, memory: int = 10) -> Decision:
    return place(Wish(key, SMALL, memory), Snapshot(residents, places, free))


def test_the_first_model_is_tried_even_without_memory_for_it() -> None:
    assert decide(A, free=0, memory=1000) == Load()


def test_a_loaded_runner_with_the_same_plan_is_used_however_busy() -> None:
    assert decide(A, resident(1, B), resident(2, A, users=9), places=1, free=-5) == Reuse(2)


def test_another_plan_replaces_an_idle_runner_of_the_same_model() -> None:
    assert decide(A, resident(1, A, plan=LARGE), resident(2, B)) == Evict((1,))


def test_another_plan_waits_for_a_busy_runner_of_the_same_model() -> None:
    assert isinstance(decide(A, resident(1, A, plan=LARGE, users=1), resident(2, B)), Wait)


def test_the_same_weights_for_embedding_are_another_runner() -> None:
    assert decide(Key("a", embedding=True), resident(1, A)) == Load()


def test_a_runner_on_its_way_out_is_not_used_and_nothing_is_loaded_beside_it() -> None:
    assert isinstance(decide(A, resident(1, A, leaving=True)), Wait)
    assert isinstance(decide(B, resident(1, A, leaving=True)), Wait)


def test_a_loaded_runner_is_used_while_another_is_on_its_way_out() -> None:
    assert decide(A, resident(1, B, leaving=True), resident(2, A)) == Reuse(2)


def test_a_second_model_is_loaded_beside_the_first_where_it_fits_exactly() -> None:
    assert decide(B, resident(1, A), free=10, memory=10) == Load()


def test_a_byte_too_little_makes_an_idle_runner_leave() -> None:
    assert decide(B, resident(1, A), free=9, memory=10) == Evict((1,))


def test_no_place_makes_one_idle_runner_leave_and_not_two() -> None:
    assert decide(C, resident(1, A), resident(2, B), places=2) == Evict((1,))


@pytest.mark.parametrize(
    ("first", "second", "goes"),
    [
        ({"keep": 60.0}, {"keep": 30.0}, 2),
        ({"keep": math.inf}, {"keep": 300.0}, 2),
        ({"keep": 60.0, "used": 5.0}, {"keep": 60.0, "used": 4.0}, 2),
        ({"keep": 60.0, "used": 1.0}, {"keep": 30.0, "used": 9.0}, 2),
        ({}, {}, 1),
    ],
    ids=["keep-alive", "for ever stays", "least recently used", "keep-alive before use", "the older"],
)
def test_the_idle_runner_that_would_go_soonest_goes(
    first: dict[str, float], second: dict[str, float], goes: int
) -> None:
    there = (resident(1, A, **first), resident(2, B, **second))  # type: ignore[arg-type]
    assert decide(C, *there, places=2) == Evict((goes,))


def test_a_busy_runner_stays_although_it_would_go_soonest() -> None:
    assert decide(C, resident(1, A, keep=0.0, users=1), resident(2, B), places=2) == Evict((2,))


def test_as_many_idle_runners_leave_as_memory_needs_and_no_more() -> None:
    there = [resident(n, key, memory=10, keep=n) for n, key in enumerate((A, B, Key("d")), 1)]
    assert decide(C, *there, places=9, free=0, memory=15) == Evict((1, 2))


def test_nobody_is_evicted_in_vain() -> None:
    there = (resident(1, A, memory=10), resident(2, B, memory=10, users=1))
    assert isinstance(decide(C, *there, free=0, memory=11), Wait)
    assert isinstance(decide(C, resident(1, A, users=1), places=1), Wait)


def test_a_model_too_large_for_the_machine_gets_it_alone() -> None:
    assert decide(C, resident(1, A), resident(2, B), free=0, memory=1000) == Evict((1, 2))


# ── a machine driven at random ────────────────────────────────────────────────────────────────────

TOTAL = 100
KEYS = [Key(name, embedding) for name in "abcd" for embedding in (False, True)]


@dataclass
class Machine:
    """Does what `place` says, and holds it to its promises at every step."""

    max_loaded: int
    residents: dict[int, Resident] = field(default_factory=dict)
    clock: int = 0

    def snapshot(self) -> Snapshot:
        taken = sum(each.memory for each in self.residents.values())
        return Snapshot(tuple(self.residents.values()), self.max_loaded, TOTAL - taken)

    def ask(self, wish: Wish, keep: float) -> int | None:
        """Serve one wish as far as it goes now: the runner's id, or None for waiting."""
        for _ in range(10):
            now = self.snapshot()
            self.clock += 1
            match place(wish, now):
                case Reuse(id):
                    found = self.residents[id]
                    assert (found.key, found.plan) == (wish.key, wish.plan)
                    assert not found.leaving
                    self.residents[id] = replace(found, users=found.users + 1, last_used=self.clock)
                    return id
                case Load():
                    assert not now.residents or wish.memory <= now.available
                    assert len(now.residents) < self.max_loaded
                    assert all(each.key != wish.key for each in now.residents)
                    self.residents[self.clock] = Resident(
                        self.clock, wish.key, wish.plan, wish.memory, 0, keep, self.clock
                    )
                case Evict(ids):
                    assert ids
                    assert len(set(ids)) == len(ids)
                    for id in ids:
                        assert not self.residents[id].users
                        del self.residents[id]
                case Wait(why):
                    assert why
                    assert any(each.users for each in now.residents)  # else nothing would ever change
                    return None
        raise AssertionError("place() keeps changing its mind")

    def finish(self, id: int) -> None:
        found = self.residents[id]
        self.residents[id] = replace(found, users=found.users - 1)


wishes = st.builds(
    Wish,
    st.sampled_from(KEYS),
    st.sampled_from([SMALL, LARGE]),
    st.sampled_from([1, 10, 40, 60, 99, 100, 101, 500]),
)
deeds = st.one_of(st.tuples(wishes, st.sampled_from([0.0, 60.0, math.inf])), st.integers(0, 9))


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 4), st.lists(deeds, max_size=40))
def test_whatever_is_asked_everybody_is_served_once_the_users_before_have_left(
    max_loaded: int, script: list[tuple[Wish, float] | int]
) -> None:
    machine = Machine(max_loaded)
    using: list[int] = []
    waiting: list[tuple[Wish, float]] = []
    for deed in script:
        if isinstance(deed, int):
            if using:
                machine.finish(using.pop(deed % len(using)))
        else:
            waiting.append(deed)
        still = []
        for wish, keep in waiting:
            id = machine.ask(wish, keep)
            still += [] if id is not None else [(wish, keep)]
            using += [] if id is None else [id]
        waiting = still
    for wish, keep in waiting:  # the users leave, one after the other, and nobody new comes
        while (id := machine.ask(wish, keep)) is None:
            machine.finish(using.pop())
        using.append(id)


@settings(max_examples=200, deadline=None)
@given(wishes, st.integers(1, 4), st.integers(-50, 120), st.data())
def test_in_any_moment_only_the_idle_are_asked_to_leave_and_never_in_vain(
    wish: Wish, places: int, free: int, data: st.DataObject
) -> None:
    keys = data.draw(st.lists(st.sampled_from(KEYS), unique=True, max_size=4))
    there = tuple(
        resident(
            number,
            key,
            memory=data.draw(st.integers(1, 60)),
            users=data.draw(st.integers(0, 2)),
            keep=data.draw(st.sampled_from([0.0, 60.0, math.inf])),
            plan=data.draw(st.sampled_from([SMALL, LARGE])),
            leaving=data.draw(st.booleans()),
        )
        for number, key in enumerate(keys)
    )
    decision = place(wish, Snapshot(there, places, free))
    if not isinstance(decision, Evict):
        return
    gone = [each for each in there if each.id in decision.ids]
    assert not any(each.users or each.leaving for each in gone)
    left = tuple(each for each in there if each not in gone)
    afterwards = place(wish, Snapshot(left, places, free + sum(each.memory for each in gone)))
    assert isinstance(afterwards, Load | Evict) or any(each.leaving or each.users for each in left)
    if not any(each.key == wish.key for each in gone):
        assert afterwards == Load()
