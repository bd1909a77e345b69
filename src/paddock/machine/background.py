"""A server in the background: found, started and stopped through a lock it holds for its whole life.

`<home>/run/<port>.lock` carries who holds it, but what it says counts only while the lock is held: a
process number left behind by a crash may belong to a stranger by now and is never signalled. A second
lock, `<port>.start`, lets one starter in at a time, so that two commands at the same moment end with one
server and both are answered.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from paddock.errors import PaddockError
from paddock.machine import logs, ports
from paddock.settings import Address, Settings

if TYPE_CHECKING:
    import subprocess

IDLE_EXIT = "30m"
_START_SECONDS = 60.0
_STOP_SECONDS = 8.0
_BUSY_SECONDS = 1.0
_LOOK_AGAIN = 0.05
_LOG_LINES = 20


@dataclass(frozen=True, slots=True)
class Serving:
    """A running server: its process, where it answers, and its log unless it writes to a terminal."""

    pid: int
    url: str
    log: str | None


class NoState(PaddockError):
    """The directory for locks and the log cannot be used; `path` is the one that failed."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot use {path}: {reason} (PADDOCK_HOME chooses another directory)")
        self.path = path


class AlreadyServing(PaddockError):
    """Another server holds the lock of this port; `serving` is None when it has not said who it is yet."""

    def __init__(self, serving: Serving | None) -> None:
        who = f"at {serving.url} (process {serving.pid})" if serving else "on this port"
        super().__init__(f"a Paddock server is already running {who}; 'paddock serve --stop' stops it")
        self.serving = serving


class NotAllowed(PaddockError):
    """The server belongs to another user."""

    def __init__(self, serving: Serving) -> None:
        super().__init__(
            f"the server at {serving.url} (process {serving.pid}) belongs to another user, who must stop it"
        )
        self.serving = serving


class DidNotStart(PaddockError):
    """The server in the background ended or stayed silent; `log` is the end of what it wrote."""

    def __init__(self, reason: str, path: Path, log: tuple[str, ...]) -> None:
        said = "".join(f"\n  {line}" for line in log) or "\n  (nothing)"
        super().__init__(f"the server in the background {reason}. The end of its log, {path}:{said}")
        self.path = path
        self.log = log


class StillRunning(PaddockError):
    """The server was told to stop and has not."""

    def __init__(self, serving: Serving, seconds: float) -> None:
        super().__init__(
            f"the server at {serving.url} (process {serving.pid}) has not stopped after "
            f"{seconds:.0f} seconds; 'kill -9 {serving.pid}' ends it at once"
        )
        self.serving = serving


# ── the server's side ─────────────────────────────────────────────────────────────────────────────


@contextmanager
def hold(settings: Settings, address: Address | None = None, log_file: Path | None = None) -> Iterator[None]:
    """Be the server of this port until the block ends. Raises AlreadyServing, or NoState.

    `address` is where the server really listens, when that is not what the settings ask for.
    """
    here = address or settings.host
    with _opened(_lock_path(settings, here.port)) as lock:
        if not _taken(lock, fcntl.LOCK_EX, _BUSY_SECONDS):
            raise AlreadyServing(_read(lock))
        serving = Serving(os.getpid(), here.reachable.url, str(log_file.absolute()) if log_file else None)
        _write(lock, json.dumps(asdict(serving)))
        try:
            yield
        finally:
            _write(lock, "")


# ── the terminal's side ───────────────────────────────────────────────────────────────────────────


def running(settings: Settings) -> Serving | None:
    """The server that holds the lock of the configured port, if any. Creates nothing."""
    path = _lock_path(settings, settings.host.port)
    if not path.exists():
        return None
    with _opened(path) as lock:
        return None if _taken(lock, fcntl.LOCK_SH) else _read(lock)


def log_path(settings: Settings) -> Path:
    """The log of the server that runs, or of the one that ran last in the background."""
    serving = running(settings)
    if serving is None:
        return settings.log_file
    if serving.log is None:
        where = f"the server at {serving.url} (process {serving.pid}) writes to the terminal it runs in"
        raise logs.NoLog(where)
    return Path(serving.log)


def stop(settings: Settings, patience: float = _STOP_SECONDS) -> Serving | None:
    """Ask the running server to end and wait until it has. None when there was nothing to stop."""
    path = _lock_path(settings, settings.host.port)
    if not path.exists():
        return None
    with _opened(path) as lock:
        if _taken(lock, fcntl.LOCK_SH):
            return None
        serving = _read(lock)
        if serving is None or not _signal(serving, lock):
            return None
        if not _taken(lock, fcntl.LOCK_SH, patience):
            raise StillRunning(serving, patience)
        return serving


def serve_command(log: Path) -> list[str]:
    """The command line of a server in the background."""
    # -P: a stranger's json.py in the directory it starts from must not become part of the server.
    return [sys.executable, "-P", "-m", "paddock", "serve", "--log-file", str(log)]


def start(
    settings: Settings,
    environ: Mapping[str, str],
    say: Callable[[str], None],
    command: Callable[[Path], list[str]] = serve_command,
) -> None:
    """See to it that a server answers at the configured address; returns when one does.

    `say` hears one line, and only in the process that really starts one.
    """
    with _opened(settings.home / "run" / f"{settings.host.port}.start") as lock:
        # Blocking is bounded: whoever holds this gives up after _START_SECONDS, or dies and frees it.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if ports.who_holds(settings.host) is not ports.Holder.NOBODY:
            return
        log = settings.log_file.absolute()
        say(f"no server at {settings.host.reachable.url}: starting one in the background (log: {log})")
        before = log.stat().st_size if log.exists() else 0
        process = _spawn(command(log), log, _environment(settings, environ))
        _wait(process, settings.host, log, before)


def _wait(process: subprocess.Popen[bytes], address: Address, log: Path, before: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        # Asked before the port is, so that a child that lost it to another server is forgiven.
        status = process.poll()
        if ports.who_holds(address) is ports.Holder.PADDOCK:
            return
        if status is not None:
            reason = f"ended at once (exit status {status})"
            raise DidNotStart(reason, log, logs.since(log, before, _LOG_LINES))
        time.sleep(_LOOK_AGAIN)
    process.terminate()
    reason = f"did not answer within {_START_SECONDS:.0f} seconds"
    raise DidNotStart(reason, log, logs.since(log, before, _LOG_LINES))


def _spawn(command: list[str], log: Path, environ: Mapping[str, str]) -> subprocess.Popen[bytes]:
    import subprocess

    with _appending(log) as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=dict(environ),
            start_new_session=True,
        )


def _appending(log: Path) -> BinaryIO:
    try:
        return log.open("ab")
    except OSError as error:
        raise NoState(log, error.strerror or "cannot be written") from error


def _environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The caller's environment for a server that works from `/` and leaves when nobody needs it."""
    paths = {"OLLAMA_MODELS": settings.models, "PADDOCK_HOME": settings.home}
    absolute = {name: str(path.absolute()) for name, path in paths.items() if environ.get(name)}
    return {"PADDOCK_IDLE_EXIT": IDLE_EXIT, **environ, **absolute}


# ── the lock ──────────────────────────────────────────────────────────────────────────────────────


def _lock_path(settings: Settings, port: int) -> Path:
    return settings.home / "run" / f"{port}.lock"


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """`path` open for locking; its directories are made, for this user alone."""
    try:
        for directory in (path.parent.parent, path.parent):  # `mode` speaks of the last one only
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Not inheritable by default: an engine that outlived the server would keep the lock with it.
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise NoState(path, error.strerror or "cannot be opened") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _taken(lock: int, how: int, patience: float = 0.0) -> bool:
    """Whether the lock could be had within `patience` seconds.

    A server coming up tries for a moment rather than once: somebody who only looks holds it, shared.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_AGAIN)
        else:
            return True


def _write(lock: int, text: str) -> None:
    os.ftruncate(lock, 0)
    os.pwrite(lock, text.encode(), 0)


def _read(lock: int) -> Serving | None:
    try:
        value = json.loads(os.pread(lock, 4096, 0))
        return Serving(int(value["pid"]), str(value["url"]), value["log"])
    except (ValueError, KeyError, TypeError):
        return None


def _signal(serving: Serving, lock: int) -> bool:
    """SIGTERM to the holder of the lock. False when it let go before it could be told."""
    try:
        return _signal_exactly(serving.pid, lock)
    except ProcessLookupError:
        return False
    except PermissionError as error:
        raise NotAllowed(serving) from error


def _signal_exactly(pid: int, lock: int) -> bool:
    if not hasattr(os, "pidfd_open"):
        os.kill(pid, signal.SIGTERM)
        return True
    process = os.pidfd_open(pid)
    try:
        # The handle names one process for good. Lock still held: that process is the server, no successor.
        if _taken(lock, fcntl.LOCK_SH):
            return False
        signal.pidfd_send_signal(process, signal.SIGTERM)
        return True
    finally:
        os.close(process)
