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

from paddock.engines import gpus, hardware, launch, placement
from paddock.engines.installed import Installed
from paddock.engines.process import EngineProcess
from paddock.engines.runner import Runner
from paddock.errors import EngineLoadFailed

log = logging.getLogger(__name__)

#: The longest path a unix socket can have is 104 bytes on macOS, 108 on Linux.
_LONGEST_SOCKET_PATH = 100


@dataclass(frozen=True, slots=True)
class Engine:
    """A running engine: its name, what to say to it, what holds it, and the bytes it is expected to take on
    GPUs."""

    name: str
    runner: Runner
    process: EngineProcess
    on_gpu: int = 0

    @property
    def ended(self) -> asyncio.Task[int]:
        """Done when the process is gone."""
        return self.process.ended

    async def stop(self, grace: float = 2.0) -> None:
        """End the process and close the connections; returns when it is gone."""
        await self.process.stop(grace)
        await self.runner.close()


class Launcher:
    """Starts `engine`, again and again, with sockets inside `directory`."""

    def __init__(self, directory: Path, environ: Mapping[str, str], stall: float, engine: Installed) -> None:
        self._directory = directory
        self._environ = environ
        self._stall = stall
        self._engine = engine
        self._numbers = itertools.count(1)

    async def start(self, plan: launch.Plan) -> Engine:
        """Start an engine for `plan` and wait until its model is loaded.

        Raises EngineLoadFailed or EngineSlow. Cancelling ends the process that was being started.
        """
        plan = await self._placed(plan)
        place = launch.endpoint(self._directory, f"engine{next(self._numbers)}")
        process = await EngineProcess.start(self._command(plan, place))
        process.ended.add_done_callback(lambda _: _unlink(place))  # an engine leaves its socket behind
        try:
            runner = await Runner.load(process, self._stall, embeds=plan.embedding, shifts=plan.shift)
        except BaseException:
            await process.stop(grace=0.5)
            raise
        return Engine(self._engine.name, runner, process, placement.resident(plan))

    async def _placed(self, plan: launch.Plan) -> launch.Plan:
        """The plan with its layers on GPUs that have room for them now."""
        if self._engine.backend == "cpu":
            return plan
        seen = await asyncio.to_thread(hardware.devices, self._environ)
        return placement.placed(plan, gpus.usable(seen, self._engine.backend))

    def _command(self, plan: launch.Plan, place: launch.Endpoint) -> launch.Launch:
        engine = self._engine
        if engine.kind == "bundled":
            return launch.bundled(plan, place, self._environ)
        if engine.kind == "wheel":
            return launch.bundled(plan, place, self._environ, engine.program)
        found = shutil.which(str(engine.program), path=self._environ.get("PATH"))
        if found is None:
            raise EngineLoadFailed(_not_runnable(engine))
        return launch.native(plan, place, self._environ, Path(found).absolute())


def _not_runnable(engine: Installed) -> str:
    if engine.kind == "named":
        name = str(engine.program)
        return f"PADDOCK_LLAMA_SERVER names {name!r}, which is not a program that can be run"
    return (
        f"the engine {engine.name} cannot be run: {engine.program} is missing; 'paddock engine build' makes "
        "it again, 'paddock engine use bundled' goes back to the one that comes with Paddock"
    )


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
