"""Who may speak to one runner: a ledger of its slots and tokens, pure.

A request reserves the most tokens it can come to need. Never are there more requests in the engine than
slots, nor more tokens reserved than its cache holds, because an engine whose cache overflows fails every
request in it. Who does not fit waits: first in, first out within a client, and clients take turns, so
one that asks a hundred things at once does not keep the others out. The head of the line is never
overtaken by somebody smaller, so nobody starves.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request at the door: `tokens` it may come to need, on behalf of `client`."""

    id: int
    tokens: int
    client: str = ""


class Ledger:
    """The slots and tokens of one runner. Every method returns the tickets that may now go in, in order."""

    def __init__(self, slots: int, tokens: int) -> None:
        self._slots = slots
        self._tokens = tokens
        self._inside: dict[int, Ticket] = {}
        self._lines: OrderedDict[str, deque[Ticket]] = OrderedDict()

    @property
    def inside(self) -> int:
        """Requests in the engine."""
        return len(self._inside)

    @property
    def waiting(self) -> int:
        """Requests at the door."""
        return sum(map(len, self._lines.values()))

    @property
    def reserved(self) -> int:
        """Tokens promised to the requests inside."""
        return sum(ticket.tokens for ticket in self._inside.values())

    def arrive(self, ticket: Ticket) -> tuple[Ticket, ...]:
        """A request wants in. Raises ValueError for one that could never fit."""
        if not 0 < ticket.tokens <= self._tokens:
            raise ValueError(f"{ticket.tokens} tokens never fit a cache of {self._tokens}")
        self._lines.setdefault(ticket.client, deque()).append(ticket)
        return self._admit()

    def leave(self, ticket: Ticket) -> tuple[Ticket, ...]:
        """A request is over, or gives up waiting. Leaving twice is harmless."""
        if self._inside.pop(ticket.id, None) is None:
            self._forget(ticket)
        return self._admit()

    def _forget(self, ticket: Ticket) -> None:
        line = self._lines.get(ticket.client)
        if line is not None and ticket in line:
            line.remove(ticket)
            if not line:
                del self._lines[ticket.client]

    def _admit(self) -> tuple[Ticket, ...]:
        admitted: list[Ticket] = []
        while self._lines and len(self._inside) < self._slots:
            client, line = next(iter(self._lines.items()))
            if self.reserved + line[0].tokens > self._tokens:
                break
            ticket = line.popleft()
            self._inside[ticket.id] = ticket
            admitted.append(ticket)
            # The client goes to the back: the next place is for somebody else's request.
            self._lines.move_to_end(client)
            if not line:
                del self._lines[client]
        return tuple(admitted)
