"""The composition root: builds every part, joins them, runs until told to stop.

The socket is bound before anything heavy is imported, so a client that comes early waits instead of
being refused, and a port that is taken is known at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import logging.handlers
import os
import signal
import socket
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paddock import OLLAMA_VERSION, version
from paddock.errors import PaddockError
from paddock.machine import background, ports
from paddock.settings import Address, Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from paddock.api.app import Activity
    from paddock.engines.launcher import Launcher
    from paddock.scheduler.pool import Pool
    from paddock.service.planning import Circumstances

log = logging.getLogger(__name__)

#: The background log is rotated at this size; one older file is kept.
_LOG_BYTES = 1 << 20
#: Seconds that answers under way get to end once the engines have been told to stop.
_GRACE = 3
#: Share of the memory that models may plan with; the rest is everybody else's.
_MEMORY_SHARE = 0.9


class CannotListen(PaddockError):
    """The address cannot be listened on; the sentence says why and what to do."""


def run(settings: Settings, log_file: Path | None = None) -> int:
    """Serve until SIGTERM or Ctrl-C; the process's exit status.

    Raises CannotListen, and what `background.hold` raises when another server holds the lock.
    """
    log_to(log_file, settings.debug)
    listener = _listen(settings)
    address = Address("http", settings.host.host, listener.getsockname()[1])
    with contextlib.closing(listener), background.hold(settings, address, log_file):
        _run(_serve(settings, listener, address))
    return 0


def _listen(settings: Settings) -> socket.socket:
    where = settings.host
    if not where.is_loopback and not settings.insecure:
        raise CannotListen(
            f"refusing to listen on {where.netloc}: anyone who can reach that address could use this "
            "server; set PADDOCK_INSECURE=1 if that is what you want, or leave OLLAMA_HOST at 127.0.0.1"
        )
    try:
        found = socket.getaddrinfo(
            where.host or None, where.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except socket.gaierror as error:
        raise CannotListen(
            f"OLLAMA_HOST names {where.host!r}, which is no address: {error.strerror}"
        ) from None
    # `localhost` may mean ::1 first, and clients would knock at 127.0.0.1 in vain.
    family, kind, protocol, _, place = min(found, key=lambda each: each[0] != socket.AF_INET)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise CannotListen(ports.why_busy(where)) from None
        raise CannotListen(f"cannot listen on {where.netloc}: {error.strerror}") from None
    return listener


def _run(main: Coroutine[Any, Any, None]) -> None:
    """Like asyncio.run, on uvloop where it exists: half the CPU for a streamed token."""
    try:
        import uvloop
    except ImportError:  # not on Windows
        asyncio.run(main)
    else:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main)


async def _serve(settings: Settings, listener: socket.socket, address: Address) -> None:
    from paddock.api.server import Server
    from paddock.engines import hardware
    from paddock.engines.launcher import Launcher, private_directory
    from paddock.machine import engines
    from paddock.service.planning import Circumstances

    with private_directory() as sockets:
        machine = await asyncio.to_thread(hardware.survey)  # a driver that hangs takes seconds
        chosen = engines.choice(settings, machine)
        launcher = Launcher(sockets, os.environ, settings.load_timeout, chosen.engine)
        here = Circumstances(settings, machine, chosen.engine.backend)
        pool, application, activity = _build(settings, launcher, here)
        server = Server(application, _GRACE)
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        log.info(
            "paddock %s (like Ollama %s) is listening on %s, pid %d",
            version(),
            OLLAMA_VERSION,
            address.url,
            os.getpid(),
        )
        log.info("the engine is %s: %s", chosen.engine.name, chosen.reason)
        if advice := engines.advice(os.environ, machine, chosen):
            log.info("%s", advice)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        waiting = [asyncio.create_task(stopping.wait()), asyncio.create_task(_idle(settings, activity, pool))]
        await asyncio.wait([serving, *waiting], return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        for task in waiting:
            task.cancel()
        server.should_exit = True
        await pool.close()  # answers under way end with an error line; nothing keeps an engine alive
        await serving


def _build(settings: Settings, launcher: Launcher, here: Circumstances) -> tuple[Pool, ASGIApp, Activity]:
    from paddock.api.app import Activity, build
    from paddock.api.native import Native
    from paddock.engines import hardware
    from paddock.scheduler.pool import Pool
    from paddock.service.inference import Inference
    from paddock.service.library import Library
    from paddock.store.builtin import box
    from paddock.store.models import ModelStore

    store = ModelStore(settings.models, box())
    library = Library(store, settings.go_template)
    pool = Pool(
        launcher.start,
        available=lambda planned: min(
            int(here.hardware.memory.total * _MEMORY_SHARE) - planned, hardware.memory().available
        ),
        keep_alive=settings.keep_alive,
        max_loaded=settings.max_loaded_models or 3,
        max_queue=settings.max_queue,
    )
    inference = Inference(store, library, pool, here)
    activity = Activity()
    application = build(
        Native(inference, library, pool, version()),
        activity=activity,
        origins=settings.origins,
        loopback=settings.host.is_loopback,
        hostname=socket.gethostname(),
    )
    return pool, application, activity


async def _idle(settings: Settings, activity: Activity, pool: Pool) -> None:
    """Returns once nobody has asked and nothing has been loaded for the whole of PADDOCK_IDLE_EXIT."""
    if settings.idle_exit <= 0:
        await asyncio.Event().wait()
    while (quiet := activity.quiet_for()) < settings.idle_exit:
        await asyncio.sleep(settings.idle_exit - quiet)
        if pool.loaded():
            activity.last = time.monotonic()
    log.info("nobody asked for %.0f s: a server in the background ends by itself", settings.idle_exit)


def log_to(log_file: Path | None, debug: bool) -> None:
    """Send the log to a file that is kept small, and whatever is printed too; without one, to stderr."""
    handler = logging.StreamHandler(sys.stderr) if log_file is None else _RotatingWithOutput(log_file)
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%Y-%m-%d %H:%M:%S"))
    logging.basicConfig(handlers=[handler], level=logging.DEBUG if debug else logging.INFO)
    for noisy in ("asyncio", "uvicorn.error", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _RotatingWithOutput(logging.handlers.RotatingFileHandler):
    """A rotated log that also takes what is printed: a crash's last words must be in the file too."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, maxBytes=_LOG_BYTES, backupCount=1, encoding="utf-8")
        self._redirect()

    def doRollover(self) -> None:
        super().doRollover()
        self._redirect()

    def _redirect(self) -> None:
        stream = self.stream
        if stream is not None:
            for descriptor in (1, 2):
                os.dup2(stream.fileno(), descriptor)
