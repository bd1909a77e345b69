"""Work that takes minutes, as it goes on: a bar on a terminal, a line for every step in a log or a pipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from paddock.cli.terminal import Terminal

#: Where no bar can be drawn, a line for every tenth of the way.
_LINES = 10


class Watcher(Protocol):
    """What work tells of itself."""

    def say(self, line: str) -> None:
        """Something worth a line of its own."""
        ...

    def step(self, what: str, done: int = 0, total: int = 0) -> None:
        """What is being done now, and how far: `done` of `total`, or no measure at all."""
        ...


@contextmanager
def watching(terminal: Terminal) -> Iterator[Watcher]:
    """A watcher that shows everything on stderr for the time of the block."""
    if not (terminal.errors.isatty() and terminal.colour):
        yield _Lines(terminal)
        return
    # Imported where it is needed: it costs more than a quick command takes in all.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(file=terminal.errors), transient=True) as shown:
        yield _Bar(shown)


class _Bar:
    def __init__(self, shown: object) -> None:
        from rich.progress import Progress

        assert isinstance(shown, Progress)
        self._shown = shown
        self._task = shown.add_task("", total=None)

    def say(self, line: str) -> None:
        self._shown.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def step(self, what: str, done: int = 0, total: int = 0) -> None:
        measured = f"{what} {done} of {total}" if total else what
        self._shown.update(self._task, description=measured, completed=done, total=total or None)


class _Lines:
    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._last = ""

    def say(self, line: str) -> None:
        self._terminal.say(line)

    def step(self, what: str, done: int = 0, total: int = 0) -> None:
        share = f" {done * _LINES // total * 100 // _LINES} %" if total else ""
        if (line := what + share) != self._last:
            self._last = line
            self._terminal.say(line)
