"""What every command is given: the settings, the server's address, the terminal, and this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from paddock.cli.client import Client, NoServer
from paddock.cli.terminal import Terminal

T = TypeVar("T")


class Machine(Protocol):
    """What the terminal does without a server; `paddock.__main__` provides it."""

    def serve(self, log_file: Path | None) -> int:
        """Be the server until told to stop; the exit status."""
        ...

    def start(self, say: Callable[[str], None]) -> None:
        """Have a server answer in the background."""
        ...

    def stop(self) -> str:
        """Stop the running server and say what happened."""
        ...

    def log(self, lines: int, follow: bool) -> Iterator[str]:
        """The end of the server's log, and with `follow` what comes after it."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Handed to every command; nothing in it changes."""

    program: str
    version: Callable[[], str]
    ollama_version: str
    client: Client
    terminal: Terminal
    machine: Machine

    def with_server(self, action: Callable[[], T]) -> T:
        """`action`, and once more with a server started here if none answered. It may not have begun."""
        try:
            return action()
        except NoServer:
            if self.client.address.scheme != "http":
                raise
        with self.terminal.waiting() as say:
            self.machine.start(say)
        return action()
