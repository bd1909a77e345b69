"""What every command is given: the settings, the server's address, the terminal, and this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from paddock.cli.client import Client, NoServer
from paddock.cli.progress import Watcher
from paddock.cli.terminal import Terminal

T = TypeVar("T")


class EngineRow(Protocol):
    """An engine as it is listed: `used` marks the one in use, `remark` says why, or what is wrong with it."""

    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def backend(self) -> str: ...
    @property
    def used(self) -> bool: ...
    @property
    def remark(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Speeds:
    """Tokens a second by engine: reading, one stream writing, `streams` writing together."""

    streams: int
    rows: tuple[tuple[str, tuple[float, float, float]], ...]


class Engines(Protocol):
    """Making and choosing engines. Every verb gives the whole name of the engine it was about."""

    def listing(self) -> Sequence[EngineRow]: ...
    def build(self, again: bool, watch: Watcher) -> str: ...
    def install(self, backend: str, watch: Watcher) -> str: ...
    def use(self, name: str, watch: Watcher) -> tuple[str, str]: ...
    def remove(self, name: str, watch: Watcher) -> str: ...
    def test(self, name: str, watch: Watcher) -> str: ...
    def bench(self, model: str, rounds: int, watch: Watcher) -> Speeds: ...


class Machine(Protocol):
    """What the terminal does without a server; `paddock.__main__` provides it."""

    @property
    def engines(self) -> Engines: ...

    def advice(self) -> str:
        """What would make this machine quicker, if it has not been said before; or nothing."""
        ...

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
            if advice := self.machine.advice():
                say(advice)
        return action()
