"""One child process: started, drained, watched, stopped.

Its output is read all the time, because a full pipe would stop it, and the last lines are kept: they are
the only place where an engine says why it failed. Stopping is SIGTERM, a short grace, SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections import deque

from paddock.engines.launch import Launch
from paddock.errors import EngineLoadFailed

log = logging.getLogger(__name__)

_LINES_KEPT = 80
_LINE_LIMIT = 500
# llama.cpp marks its error lines with an E between time and text; assertions carry no mark.
_TELLING = re.compile(
    r"^[\d. ]+E |\berror\b|\bfailed\b|GGML_ASSERT|out of memory|terminate called|Killed|cannot |unable ", re.I
)


class EngineProcess:
    """A running child. Make one with `start`; whoever starts it must `stop` it."""

    def __init__(self, process: asyncio.subprocess.Process, launch: Launch) -> None:
        self._process = process
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self.launch = launch
        self.told_to_stop = False
        self.last_output = time.monotonic()
        self.ended = asyncio.create_task(self._watch(), name=f"engine {process.pid}")

    @classmethod
    async def start(cls, launch: Launch) -> EngineProcess:
        """Start the child. Raises EngineLoadFailed where its program cannot be run."""
        try:
            process = await asyncio.create_subprocess_exec(
                *launch.argv,
                env=dict(launch.environ),
                stdin=asyncio.subprocess.PIPE,  # its end tells a watching leash that we are gone
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for us, not for the engine
            )
        except OSError as error:
            raise EngineLoadFailed(f"the engine cannot be started: {error}") from error
        return cls(process, launch)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines the child printed, oldest first."""
        return tuple(self._lines)

    def cause(self, *, loading: bool = False) -> str:
        """The lines most likely to tell why the child failed, on one line; empty if it was silent.

        A load fails at its first complaint, and what follows only repeats that it failed; a running
        engine may have complained about single requests long before its last words.
        """
        telling = [line for line in self._lines if _TELLING.search(line)] or list(self._lines)
        chosen = telling[:2] if loading else telling[-2:]
        return "; ".join(dict.fromkeys(_without_marks(line) for line in chosen))

    def describe_end(self) -> str:
        """How the child ended, in words: its exit status or the signal."""
        code = self._process.returncode
        if code is None:
            return "it is still running"
        return f"signal {-code}" if code < 0 else f"exit status {code}"

    async def stop(self, grace: float = 2.0) -> None:
        """End the child: SIGTERM, `grace` seconds, SIGKILL. Returns when it is gone."""
        self.told_to_stop = True
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        done, _ = await asyncio.wait({self.ended}, timeout=grace)
        if not done:
            log.warning("engine %d ignored SIGTERM for %.1f s: killing it", self.pid, grace)
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            await asyncio.wait({self.ended})

    async def _watch(self) -> int:
        await self._drain()
        code = await self._process.wait()
        # Closed by hand: a transport left to the garbage collector may outlive its loop.
        if self._process.stdin is not None:
            self._process.stdin.close()
        return code

    async def _drain(self) -> None:
        assert self._process.stdout is not None
        rest = ""
        while piece := await self._process.stdout.read(65536):
            self.last_output = time.monotonic()
            *lines, rest = (rest + piece.decode("utf-8", "replace")).split("\n")
            for line in lines:
                self._keep(line)
            rest = rest[-_LINE_LIMIT:]
        self._keep(rest)

    def _keep(self, line: str) -> None:
        if text := line.strip():
            self._lines.append(text[:_LINE_LIMIT])
            log.debug("engine %d: %s", self.pid, text[:_LINE_LIMIT])


def _without_marks(line: str) -> str:
    """A log line of llama.cpp without its time and level: `0.00.04.1 E srv load: why` -> `srv load: why`."""
    return re.sub(r"^[\d.]+ [A-Z] ", "", line)
