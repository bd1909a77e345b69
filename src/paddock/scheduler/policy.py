"""Which models are loaded: a pure function from a snapshot and a wish to a decision.

Nothing here waits, loads or reads a clock. The pool asks again after every change, so a decision only
has to be right for the moment it was made in. The rules, in order: a loaded runner with the same plan
is used; one of the same key with another plan makes way once it is idle; then there must be a place
(OLLAMA_MAX_LOADED_MODELS) and memory, and idle runners make way for both, those with the shortest
keep-alive first. A runner at work is never evicted. The first model is always tried.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from paddock.engines.launch import Plan


@dataclass(frozen=True, slots=True)
class Key:
    """What makes two requests want the same runner: the same weights for the same purpose."""

    weights: str
    embedding: bool = False


@dataclass(frozen=True, slots=True)
class Wish:
    """A model somebody wants loaded; `memory` is the estimate in bytes."""

    key: Key
    plan: Plan
    memory: int


@dataclass(frozen=True, slots=True)
class Resident:
    """A runner that is loaded, loading or on its way out. `users` are leases and requests waiting for it."""

    id: int
    key: Key
    plan: Plan
    memory: int
    users: int
    keep_alive: float
    last_used: float
    leaving: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything a decision depends on. `available` is the memory, in bytes, that residents leave free."""

    residents: tuple[Resident, ...]
    max_loaded: int
    available: int


@dataclass(frozen=True, slots=True)
class Reuse:
    """Take this runner; it may still be loading."""

    id: int


@dataclass(frozen=True, slots=True)
class Load:
    """Start a new runner now."""


@dataclass(frozen=True, slots=True)
class Evict:
    """Stop these idle runners, then ask again."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing can be done until something changes; `why` is for the log."""

    why: str


Decision = Reuse | Load | Evict | Wait


def reuse(wish: Wish, residents: Iterable[Resident]) -> Reuse | None:
    """The runner that serves this wish as it is. It costs nothing, so nothing else need be known."""
    for resident in residents:
        if resident.key == wish.key and resident.plan == wish.plan and not resident.leaving:
            return Reuse(resident.id)
    return None


def place(wish: Wish, now: Snapshot) -> Decision:
    """Decide what to do about one wish."""
    if found := reuse(wish, now.residents):
        return found
    for resident in now.residents:
        if resident.key == wish.key and not resident.leaving:
            if resident.users:
                return Wait("the model is busy with other load options")
            return Evict((resident.id,))
    if any(resident.leaving for resident in now.residents):
        return Wait("a model is being unloaded")
    return _make_room(wish, now)


def _make_room(wish: Wish, now: Snapshot) -> Decision:
    short_of_places = len(now.residents) - now.max_loaded + 1
    short_of_memory = wish.memory - now.available
    if not now.residents or (short_of_places <= 0 and short_of_memory <= 0):
        return Load()
    victims: list[int] = []
    for resident in _idle_first_to_go(now.residents):
        if len(victims) >= short_of_places and short_of_memory <= 0:
            break
        victims.append(resident.id)
        short_of_memory -= resident.memory
    if len(victims) >= short_of_places and (short_of_memory <= 0 or len(victims) == len(now.residents)):
        return Evict(tuple(victims))
    return Wait("every loaded model is busy")


def _idle_first_to_go(residents: Iterable[Resident]) -> list[Resident]:
    idle = [resident for resident in residents if not resident.users]
    return sorted(idle, key=lambda resident: (resident.keep_alive, resident.last_used, resident.id))
