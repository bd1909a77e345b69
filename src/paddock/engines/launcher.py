"""Starts engines: chooses which one, gives it a place to listen, and waits until it is ready.

The launcher owns a private directory for sockets, which only its user may enter. A server that was
killed cannot remove its own, so a new one removes those whose server is no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from paddock.engines import launch
from paddock.engines.process import EngineProcess
from paddock.engines.runner import Runner
from paddock.errors import EngineLoadFailed

log = logging.getLogger(__name__)

#: The longest path a unix socket can have is 104 bytes on macOS, 108 on Linux.
_LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine: what to say to it and what holds it."""

    kind: str
    runner: Runner
    process: EngineProcess

    @property
    def ended(self) -> asyncio.Task[int]:
        """Done when the process is gone."""
        return self.process.ended

    async def stop(self) -> None:
        """End the process and close the connections; returns when it is gone."""
        await self.process.stop()
        await self.runner.close()


class Launcher:
    """Starts engines that listen inside `directory`. `llama_server` is a binary that the user named."""

    def __init__(
        self, directory: Path, environ: Mapping[str, str], stall: float, llama_server: str = ""
    ) -> None:
        self._directory = directory
        self._environ = environ
        self._stall = stall
        self._llama_server = llama_server
        self._numbers = itertools.count(1)

    @property
    def kind(self) -> str:
        """Which engine will be used."""
        return "native" if self._llama_server else "bundled"

    async def start(self, plan: launch.Plan) -> Engine:
        """Start an engine for `plan` and wait until its model is loaded.

        Raises EngineLoadFailed or EngineSlow. Cancelling ends the process that was being started.
        """
        place = launch.endpoint(self._directory, f"engine{next(self._numbers)}")
        process = await EngineProcess.start(self._command(plan, place))
        process.ended.add_done_callback(lambda _: _unlink(place))  # an engine leaves its socket behind
        try:
            runner = await Runner.load(process, self._stall, embeds=plan.embedding, shifts=plan.shift)
        except BaseException:
            await process.stop(grace=0.5)
            raise
        return Engine(self.kind, runner, process)

    def _command(self, plan: launch.Plan, place: launch.Endpoint) -> launch.Launch:
        if not self._llama_server:
            return launch.bundled(plan, place, self._environ)
        found = shutil.which(self._llama_server, path=self._environ.get("PATH"))
        if found is None:
            raise EngineLoadFailed(
                f"PADDOCK_LLAMA_SERVER names {self._llama_server!r}, which is not a program that can be run"
            )
        return launch.native(plan, place, self._environ, Path(found).absolute())


@contextlib.contextmanager
def private_directory() -> Iterator[Path]:
    """A directory for sockets that only this user may enter, removed at the end."""
    parent = Path(tempfile.gettempdir())
    if len(str(parent)) > _LONGEST_SOCKET_PATH - 40:
        parent = Path("/tmp")
    _sweep(parent)
    path = Path(tempfile.mkdtemp(prefix=f"{_prefix()}{os.getpid()}-", dir=parent))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _prefix() -> str:
    return f"paddock-{os.getuid()}-"


def _sweep(parent: Path) -> None:
    """Remove what servers that were killed left behind."""
    for path in parent.glob(f"{_prefix()}*-*"):
        pid = path.name.removeprefix(_prefix()).partition("-")[0]
        with contextlib.suppress(OSError):
            if pid.isdigit() and path.stat().st_uid == os.getuid() and not _alive(int(pid)):
                shutil.rmtree(path, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _unlink(place: launch.Endpoint) -> None:
    if place.socket is not None:
        with contextlib.suppress(OSError):
            place.socket.unlink(missing_ok=True)
