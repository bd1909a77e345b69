"""The program's entry: `paddock`, `ollama` and `python -m paddock`.

The terminal may not know the server's parts and this machine's, so they are handed to it here, each
imported at the moment it is called: talking to a running server loads neither.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from paddock import OLLAMA_VERSION, settings, version
from paddock.settings import Settings


@dataclass(frozen=True, slots=True)
class _ThisMachine:
    """Implements `paddock.cli.surroundings.Machine`."""

    program: str
    settings: Settings
    environ: Mapping[str, str]

    def serve(self, log_file: Path | None) -> int:
        from paddock.serve import run

        return run(self.settings, log_file=log_file)

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
