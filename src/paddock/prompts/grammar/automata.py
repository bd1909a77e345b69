"""Texts that must satisfy several expressions and a length at once.

A grammar says "this or that", never "this and that". So where a string has a pattern and a length, or two
patterns, the expressions become one automaton by walking all of them at the same time (the product of the
subset construction), and the automaton becomes rules: one a state, each a character and the next state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from paddock.prompts.grammar.gbnf import (
    EMPTY,
    Chars,
    Either,
    Part,
    Range,
    Ref,
    Repeat,
    Seq,
    Text,
    either,
    seq,
)

#: Places of one expression, and states of the whole, above which a grammar would be too large.
_MOST_PLACES = 20_000
_MOST_STATES = 3_000


class TooManyStates(Exception):
    """The expressions together would make too large a grammar, or take too long to read."""


class Budget:
    """How much work may be spent on all the expressions of a schema, in places looked at."""

    def __init__(self, places: int = 2_000_000) -> None:
        self._left = places

    def spend(self, places: int) -> None:
        """Raises TooManyStates when all is spent."""
        self._left -= places
        if self._left < 0:
            raise TooManyStates


@dataclass(frozen=True, slots=True)
class _Step:
    ranges: tuple[Range, ...]
    to: int


class Machine:
    """An expression as places and steps between them (Thompson's construction). Raises TooManyStates."""

    def __init__(self, part: Part, budget: Budget) -> None:
        self._budget = budget
        self._steps: list[list[_Step]] = []
        self._free: list[list[int]] = []
        self._last = self._place()
        self.start = self._closed((self._build(part, self._last),))

    def accepts(self, places: frozenset[int]) -> bool:
        """Whether a text may end here."""
        return self._last in places

    def ways(self, places: frozenset[int]) -> list[_Step]:
        """What may come next."""
        return [step for place in places for step in self._steps[place]]

    def after(self, places: frozenset[int], code: int) -> frozenset[int]:
        """Where one character leads."""
        self._budget.spend(len(places))
        found = (step.to for step in self.ways(places) if any(a <= code <= b for a, b in step.ranges))
        return self._closed(found)

    def matches(self, text: str) -> bool:
        """Whether the whole text is one of the expression's."""
        places = self.start
        for char in text:
            places = self.after(places, ord(char))
        return self.accepts(places)

    def _place(self) -> int:
        self._budget.spend(1)
        if len(self._steps) > _MOST_PLACES:
            raise TooManyStates
        self._steps.append([])
        self._free.append([])
        return len(self._steps) - 1

    def _build(self, part: Part, to: int) -> int:
        """Places that read `part` and then are at `to`; the first of them."""
        match part:
            case Text(text):
                for char in reversed(text):
                    to = self._build(Chars(((ord(char), ord(char)),)), to)
                return to
            case Chars(ranges):
                place = self._place()
                self._steps[place].append(_Step(ranges, to))
                return place
            case Seq(parts):
                for each in reversed(parts):
                    to = self._build(each, to)
                return to
            case Either(options):
                place = self._place()
                self._free[place] += [self._build(each, to) for each in options]
                return place
            case Repeat(inner, least, most):
                return self._repeated(inner, least, most, to)
            case Ref(name):
                raise ValueError(f"an expression has no rules, so no {name}")

    def _repeated(self, inner: Part, least: int, most: int | None, to: int) -> int:
        if most is None:
            loop = self._place()
            self._free[loop] += [self._build(inner, loop), to]
            at = loop
        else:
            at = to
            for _ in range(most - least):
                place = self._place()
                self._free[place] += [self._build(inner, at), to]
                at = place
        for _ in range(least):
            at = self._build(inner, at)
        return at

    def _closed(self, places: Iterable[int]) -> frozenset[int]:
        found: set[int] = set()
        todo = list(places)
        while todo:
            place = todo.pop()
            if place not in found:
                found.add(place)
                todo += self._free[place]
        self._budget.spend(len(found) + 1)
        return frozenset(found)


#: Where each machine is, and how many characters were written, as far as that still matters.
_State = tuple[tuple[frozenset[int], ...], int]


@dataclass(frozen=True, slots=True)
class Automaton:
    """States by number, the first one first: what may come next and where it leads, and where it may end."""

    steps: tuple[tuple[tuple[tuple[Range, ...], int], ...], ...]
    ends: frozenset[int]

    def rules(self, name: str, spelt: Callable[[tuple[Range, ...]], Part]) -> tuple[Part, dict[str, Part]]:
        """As a part and the rules it speaks of, `name` with a number each. `spelt` says how characters are
        written."""
        made: dict[str, Part] = {}
        for number, steps in enumerate(self.steps):
            options: list[Part] = [EMPTY] if number in self.ends else []
            options += (seq(spelt(ranges), Ref(f"{name}-{to}")) for ranges, to in steps)
            made[f"{name}-{number}"] = either(*options)
        return Ref(f"{name}-0"), made


def product(
    machines: Sequence[Machine], excluded: Sequence[Machine], least: int, most: int | None
) -> Automaton | None:
    """What satisfies all machines and none of the excluded ones with `least` to `most` characters; None where
    nothing does. Raises TooManyStates."""
    held, machines = len(machines), (*machines, *excluded)
    counted = least if most is None else most
    first: _State = (tuple(machine.start for machine in machines), 0)
    numbers: dict[_State, int] = {first: 0}
    todo = deque((first,))
    steps: list[list[tuple[tuple[Range, ...], int]]] = []
    ends: set[int] = set()
    while todo:
        places, count = todo.popleft()
        accepted = [machine.accepts(at) for machine, at in zip(machines, places, strict=True)]
        if count >= least and all(accepted[:held]) and not any(accepted[held:]):
            ends.add(len(steps))
        steps.append([])
        if count == counted and most is not None:
            continue
        by_target: dict[_State, list[Range]] = {}
        for span in _spans(machines, places):
            to = tuple(m.after(at, span[0]) for m, at in zip(machines, places, strict=True))
            if all(to[:held]):
                by_target.setdefault((to, min(count + 1, counted)), []).append(span)
        for state, spans in by_target.items():
            if state not in numbers:
                if len(numbers) >= _MOST_STATES:
                    raise TooManyStates
                numbers[state] = len(numbers)
                todo.append(state)
            steps[-1].append((tuple(spans), numbers[state]))
    return _trimmed(steps, ends)


def _spans(machines: Sequence[Machine], places: Sequence[frozenset[int]]) -> list[Range]:
    """The characters cut where any machine might tell two of them apart."""
    cuts: set[int] = set()
    for machine, at in zip(machines, places, strict=True):
        for step in machine.ways(at):
            for low, high in step.ranges:
                cuts |= {low, high + 1}
    if not machines:
        cuts = {0, 0xD800, 0xE000, 0x110000}
    edges = sorted(cuts)
    spans = [(a, b - 1) for a, b in pairwise(edges)]
    return [span for span in spans if span != (0xD800, 0xDFFF)]


def _trimmed(steps: Sequence[Sequence[tuple[tuple[Range, ...], int]]], ends: set[int]) -> Automaton | None:
    """Without the states from which no end is reached."""
    back: list[list[int]] = [[] for _ in steps]
    for number, ways in enumerate(steps):
        for _, to in ways:
            back[to].append(number)
    alive, todo = set(ends), list(ends)
    while todo:
        for number in back[todo.pop()]:
            if number not in alive:
                alive.add(number)
                todo.append(number)
    if 0 not in alive:
        return None
    new = {old: number for number, old in enumerate(sorted(alive))}
    kept = tuple(tuple((r, new[to]) for r, to in steps[old] if to in alive) for old in sorted(alive))
    return Automaton(kept, frozenset(new[old] for old in ends))
