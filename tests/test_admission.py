"""Who may speak to a runner: never too many, never too much, and everybody in the end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddock.scheduler.admission import Ledger, Ticket


def ids(tickets: tuple[Ticket, ...]) -> list[int]:
    return [ticket.id for ticket in tickets]


def test_a_request_goes_in_at_once_where_there_is_room() -> None:
    ledger = Ledger(slots=2, tokens=10)
    assert ids(ledger.arrive(Ticket(1, 4))) == [1]
    assert (ledger.inside, ledger.waiting, ledger.reserved) == (1, 0, 4)


def test_the_last_slot_and_the_last_token_are_given() -> None:
    ledger = Ledger(slots=2, tokens=10)
    ledger.arrive(Ticket(1, 4))
    assert ids(ledger.arrive(Ticket(2, 6))) == [2]
    assert ids(ledger.arrive(Ticket(3, 1))) == []


def test_a_token_too_many_waits_although_slots_are_free() -> None:
    ledger = Ledger(slots=9, tokens=10)
    ledger.arrive(Ticket(1, 4))
    assert ids(ledger.arrive(Ticket(2, 7))) == []
    assert (ledger.inside, ledger.waiting) == (1, 1)


def test_one_departure_may_let_several_in() -> None:
    ledger = Ledger(slots=3, tokens=10)
    ledger.arrive(Ticket(1, 10))
    for number in (2, 3, 4):
        ledger.arrive(Ticket(number, 3))
    assert ids(ledger.leave(Ticket(1, 10))) == [2, 3, 4]


def test_the_head_of_the_line_is_not_overtaken_by_somebody_smaller() -> None:
    ledger = Ledger(slots=3, tokens=10)
    ledger.arrive(Ticket(1, 8, "a"))
    ledger.arrive(Ticket(2, 5, "a"))
    assert ids(ledger.arrive(Ticket(3, 1, "a"))) == []
    assert ids(ledger.arrive(Ticket(4, 1, "b"))) == []
    assert ids(ledger.leave(Ticket(1, 8, "a"))) == [2, 4, 3]


def test_clients_take_turns() -> None:
    ledger = Ledger(slots=1, tokens=10)
    ledger.arrive(Ticket(0, 1, "first"))
    for number in (1, 2, 3):
        ledger.arrive(Ticket(number, 1, "greedy"))
    ledger.arrive(Ticket(4, 1, "modest"))
    order, inside = [], Ticket(0, 1, "first")
    while admitted := ledger.leave(inside):
        (inside,) = admitted
        order.append(inside.id)
    assert order == [1, 4, 2, 3]


def test_who_gives_up_waiting_makes_way_for_the_next() -> None:
    ledger = Ledger(slots=3, tokens=10)
    ledger.arrive(Ticket(1, 8))
    ledger.arrive(Ticket(2, 5))
    ledger.arrive(Ticket(3, 2))
    assert ids(ledger.leave(Ticket(2, 5))) == [3]
    assert ledger.waiting == 0


def test_leaving_twice_is_harmless() -> None:
    ledger = Ledger(slots=1, tokens=10)
    for number in (1, 2, 3):
        ledger.arrive(Ticket(number, 1))
    assert ids(ledger.leave(Ticket(1, 1))) == [2]
    assert ids(ledger.leave(Ticket(1, 1))) == []
    assert (ledger.inside, ledger.waiting) == (1, 1)


def test_leaving_without_ever_having_come_is_harmless() -> None:
    ledger = Ledger(slots=1, tokens=10)
    ledger.arrive(Ticket(1, 1))
    assert ids(ledger.leave(Ticket(2, 1, "nobody"))) == []
    assert (ledger.inside, ledger.waiting) == (1, 0)


@pytest.mark.parametrize("tokens", [0, -1, 11])
def test_a_request_that_can_never_fit_is_refused_and_leaves_no_trace(tokens: int) -> None:
    ledger = Ledger(slots=1, tokens=10)
    with pytest.raises(ValueError, match="never fit a cache of 10"):
        ledger.arrive(Ticket(1, tokens))
    assert (ledger.inside, ledger.waiting) == (0, 0)
    assert ids(ledger.arrive(Ticket(2, 10))) == [2]


arrivals = st.tuples(st.integers(1, 12), st.sampled_from("abc"))
script = st.lists(st.one_of(arrivals, st.integers(0, 30)), max_size=60)


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 4), st.integers(12, 20), script)
def test_whatever_comes_and_goes_the_engine_never_overflows_and_nobody_starves(
    slots: int, tokens: int, deeds: list[tuple[int, str] | int]
) -> None:
    ledger = Ledger(slots, tokens)
    inside: dict[int, Ticket] = {}
    waiting: dict[int, Ticket] = {}

    def enter(admitted: tuple[Ticket, ...]) -> None:
        for ticket in admitted:
            ahead = [t for t in waiting.values() if t.client == ticket.client and t.id < ticket.id]
            assert not ahead  # first in, first out within a client
            inside[ticket.id] = waiting.pop(ticket.id)
        assert len(inside) <= slots
        assert sum(ticket.tokens for ticket in inside.values()) <= tokens
        assert (ledger.inside, ledger.waiting) == (len(inside), len(waiting))
        assert ledger.reserved == sum(ticket.tokens for ticket in inside.values())
        assert inside or not waiting  # an empty engine never keeps anybody waiting
        if waiting and len(inside) < slots:  # then somebody must stand at the door who does not fit
            assert any(ledger.reserved + ticket.tokens > tokens for ticket in waiting.values())

    for number, deed in enumerate(deeds):
        if isinstance(deed, tuple):
            ticket = waiting[number] = Ticket(number, *deed)
            enter(ledger.arrive(ticket))
        elif everybody := [*inside.values(), *waiting.values()]:
            ticket = everybody[deed % len(everybody)]
            inside.pop(ticket.id, None)
            waiting.pop(ticket.id, None)
            enter(ledger.leave(ticket))
    rounds = len(inside) + len(waiting)
    for _ in range(rounds):
        if inside:
            ticket = inside.pop(next(iter(inside)))
            enter(ledger.leave(ticket))
    assert not inside
    assert not waiting


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abcd"), min_size=1, max_size=30))
def test_between_two_turns_of_a_client_every_other_that_waits_has_had_one(clients: list[str]) -> None:
    ledger = Ledger(slots=1, tokens=1)
    first = Ticket(-1, 1, "z")
    ledger.arrive(first)
    for number, client in enumerate(clients):
        ledger.arrive(Ticket(number, 1, client))
    left = {client: clients.count(client) for client in clients}
    turns: list[str] = []
    inside = first
    while admitted := ledger.leave(inside):
        (inside,) = admitted
        if inside.client in turns:
            since = turns[len(turns) - turns[::-1].index(inside.client) :]
            assert {client for client, count in left.items() if count and client != inside.client} <= set(
                since
            )
        turns.append(inside.client)
        left[inside.client] -= 1
    assert sorted(turns) == sorted(clients)
