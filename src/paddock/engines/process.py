"""One child process: started, drained, watched, stopped.

Its output is read all the time, because a full pipe would stop it, and the last lines are kept: they are
the only place where an engine says why it failed. Stopping is SIGTERM, a short grace, SIGKILL. A child
leads a group of its own, and the whole group goes with it.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import logging
import os
import re
import signal
import time
from collections import deque

from paddock.engines.launch import Launch
from paddock.errors import EngineLoadFailed

log = logging.getLogger(__name__)

_LINES_KEPT = 80
_LINE_LIMIT = 500
#: Seconds in which what a dead child has printed is read.
_LAST_WORDS = 1.0
# llama.cpp marks its error lines with an E between time and text; assertions carry no mark.
_TELLING = re.compile(
    r"^[\d. ]+E |\berror\b|\bfailed\b|GGML_ASSERT|out of memory|terminate called|Killed|cannot |unable ", re.I
)


class _Exit(asyncio.subprocess.SubprocessStreamProtocol):
    """Tells of the process's end. `Process.wait` waits for the end of its pipes too, which a child of the
    child may hold open."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(limit=1 << 16, loop=loop)
        self.happened: asyncio.Future[None] = loop.create_future()

    def process_exited(self) -> None:
        super().process_exited()
        if not self.happened.done():
            self.happened.set_result(None)


class EngineProcess:
    """A running child. Make one with `start`; whoever starts it must `stop` it."""

    def __init__(self, transport: asyncio.SubprocessTransport, exit: _Exit, launch: Launch) -> None:
        self._transport = transport
        self._exit = exit
        self._lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self.launch = launch
        self.told_to_stop = False
        self.last_output = time.monotonic()
        self.ended = asyncio.create_task(self._watch(), name=f"engine {self.pid}")

    @classmethod
    async def start(cls, launch: Launch) -> EngineProcess:
        """Start the child. Raises EngineLoadFailed where its program cannot be run."""
        try:
            transport, exit = await asyncio.get_running_loop().subprocess_exec(
                _Exit,
                *launch.argv,
                env=dict(launch.environ),
                stdin=asyncio.subprocess.PIPE,  # its end tells a watching leash that we are gone
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C in the terminal is for us, not for the engine
            )
        except OSError as error:
            raise EngineLoadFailed(f"the engine cannot be started: {error}") from error
        return cls(transport, exit, launch)

    @property
    def pid(self) -> int:
        return self._transport.get_pid()

    @property
    def running(self) -> bool:
        return self._transport.get_returncode() is None

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
        code = self._transport.get_returncode()
        if code is None:
            return "it is still running"
        return f"signal {-code}" if code < 0 else f"exit status {code}"

    async def stop(self, grace: float = 2.0) -> None:
        """End the child: SIGTERM, `grace` seconds, SIGKILL. Returns when it is gone."""
        self.told_to_stop = self.told_to_stop or self.running  # one that ended by itself was not told
        self._signal(signal.SIGTERM)
        done, _ = await asyncio.wait({self.ended}, timeout=grace)
        if not done:
            log.warning("engine %d ignored SIGTERM for %.1f s: killing it", self.pid, grace)
            self._signal(signal.SIGKILL)
            await asyncio.wait({self.ended})

    def _signal(self, number: signal.Signals) -> None:
        """Tell the child, and what it has started itself: a wrapper need not be the engine."""
        if self.running:
            _signal_group(self.pid, number)

    async def _watch(self) -> int:
        draining = asyncio.create_task(self._drain())
        await self._exit.happened
        code = self._transport.get_returncode()
        assert code is not None
        _signal_group(self.pid, signal.SIGKILL)  # nothing that a dead child started is of use to anybody
        # Its last words are in the pipe, unless somebody who left the group holds it open.
        await asyncio.wait({draining}, timeout=_LAST_WORDS)
        draining.cancel()
        # Closed by hand: a transport left to the garbage collector may outlive its loop.
        self._transport.close()
        return code

    async def _drain(self) -> None:
        assert self._exit.stdout is not None
        rest, decode = "", codecs.getincrementaldecoder("utf-8")("replace").decode
        while piece := await self._exit.stdout.read(65536):
            self.last_output = time.monotonic()
            *lines, rest = (rest + decode(piece)).split("\n")
            for line in lines:
                self._keep(line)
            rest = rest[-_LINE_LIMIT:]
        self._keep(rest)

    def _keep(self, line: str) -> None:
        if text := line.strip():
            self._lines.append(text[:_LINE_LIMIT])
            log.debug("engine %d: %s", self.pid, text[:_LINE_LIMIT])


def _signal_group(leader: int, number: signal.Signals) -> None:
    # On macOS a group of which only a zombie is left gives EPERM.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)


def _without_marks(line: str) -> str:
    """A log line of llama.cpp without its time and level: `0.00.04.1 E srv load: why` -> `srv load: why`."""
    return re.sub(r"^[\d.]+ [A-Z] ", "", line)
