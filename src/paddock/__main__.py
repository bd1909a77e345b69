"""The program's entry: `paddock`, `ollama` and `python -m paddock`.

The terminal may not know the server's parts and this machine's, so they are handed to it here, each
imported at the moment it is called: talking to a running server loads neither.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from paddock import OLLAMA_VERSION, settings, version
from paddock.settings import Settings

if TYPE_CHECKING:
    from paddock.cli.progress import Watcher
    from paddock.cli.surroundings import EngineRow, Speeds


@dataclass(frozen=True, slots=True)
class _ThisMachine:
    """Implements `paddock.cli.surroundings.Machine`."""

    program: str
    settings: Settings
    environ: Mapping[str, str]

    def serve(self, log_file: Path | None) -> int:
        from paddock.serve import run

        return run(self.settings, log_file=log_file)

    @property
    def engines(self) -> _Engines:
        return _Engines(self.settings, self.environ)

    def advice(self) -> str:
        from paddock.machine import engines

        return engines.advice_once(self.settings, self.environ)

    def start(self, say: Callable[[str], None]) -> None:
        from paddock.machine import background

        background.start(self.settings, self.environ, say)

    def stop(self) -> str:
        from paddock.machine import background, ports

        stopped = background.stop(self.settings)
        if stopped:
            return f"stopped the server at {stopped.url} (process {stopped.pid})"
        return ports.why_not_stopped(self.settings.host)

    def log(self, lines: int, follow: bool) -> Iterator[str]:
        from paddock.machine import background, logs

        path = background.log_path(self.settings)
        return logs.follow(path, lines) if follow else iter(logs.tail(path, lines))


@dataclass(frozen=True, slots=True)
class _Engines:
    """Implements `paddock.cli.surroundings.Engines`."""

    settings: Settings
    environ: Mapping[str, str]

    def listing(self) -> Sequence[EngineRow]:
        from paddock.machine import engines

        return engines.listing(self.settings, self.environ)

    def build(self, again: bool, watch: Watcher) -> str:
        from paddock.machine import engines

        return engines.build(self.settings, self.environ, again, watch).name

    def install(self, backend: str, watch: Watcher) -> str:
        from paddock.machine import engines

        return engines.install(self.settings, self.environ, backend, watch).name

    def use(self, name: str, watch: Watcher) -> tuple[str, str]:
        from paddock.machine import engines

        chosen = engines.use(self.settings, name, watch)
        return chosen.engine.name, chosen.reason

    def remove(self, name: str, watch: Watcher) -> str:
        from paddock.machine import engines

        return engines.remove(self.settings, name, watch)

    def test(self, name: str, watch: Watcher) -> str:
        from paddock.machine import engines

        return engines.test(self.settings, self.environ, name, watch)

    def bench(self, model: str, rounds: int, watch: Watcher) -> Speeds:
        from paddock.cli.surroundings import Speeds
        from paddock.machine import engines

        streams, speeds = engines.bench(self.settings, self.environ, model, rounds, watch)
        rows = ((name, (seen.reading, seen.writing, seen.together)) for name, seen in speeds.items())
        return Speeds(streams, tuple(rows))


def main() -> NoReturn:
    """Run this process's command line and exit with its status."""
    try:
        status = _execute(sys.argv, os.environ)
    except KeyboardInterrupt:  # while modules were still being imported
        status = 130
    sys.exit(status)


def _execute(argv: list[str], environ: Mapping[str, str]) -> int:
    from paddock.cli.client import Client
    from paddock.cli.main import execute
    from paddock.cli.surroundings import Surroundings
    from paddock.cli.terminal import standard

    chosen = settings.read(environ)
    program = "ollama" if Path(argv[0]).name == "ollama" else "paddock"
    here = Surroundings(
        program=program,
        version=version,
        ollama_version=OLLAMA_VERSION,
        client=Client(chosen.host, program),
        terminal=standard(colour=not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"),
        machine=_ThisMachine(program, chosen, environ),
    )
    return execute(argv[1:], here)


if __name__ == "__main__":
    main()
