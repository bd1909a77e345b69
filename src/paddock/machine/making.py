"""Where engines are made: one at a time, out of sight, and all or nothing.

An engine comes into being in `<home>/engines/.making` and is moved to its place whole, as the last step. So
an interruption, a failure or a power cut leaves the engines there were and the one in use; what lies about
is swept away by the next one who makes something. A lock lets one process in at a time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, TextIO

from paddock.engines import installed
from paddock.engines.installed import Installed
from paddock.errors import PaddockError

#: Logs of builds that are kept: one of a failed build is wanted soon or never.
_LOGS = 10


class Watcher(Protocol):
    """Whoever is told how the work goes on."""

    def say(self, line: str) -> None:
        """Something worth a line of its own."""

    def step(self, what: str, done: int = 0, total: int = 0) -> None:
        """What is being done now, and how far: `done` of `total`, or no measure at all."""


class NoPlace(PaddockError):
    """The directory for engines cannot be used."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot use {path}: {reason} (PADDOCK_HOME chooses another directory)")
        self.path = path


@dataclass(frozen=True, slots=True)
class Bench:
    """A place to work: `stage` becomes the engine, `work` is thrown away, `log` takes all output."""

    stage: Path
    work: Path
    log: TextIO

    @property
    def log_path(self) -> Path:
        return Path(self.log.name)


@contextlib.contextmanager
def alone(home: Path, watch: Watcher) -> Iterator[None]:
    """Be the only process that changes the engines; waits for another one, and says so."""
    place = installed.directory(home)
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(place / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise NoPlace(place, error.strerror or "it cannot be made") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            watch.say("another Paddock is making an engine: waiting for it to end (Ctrl-C leaves)")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextlib.contextmanager
def bench(home: Path, name: str) -> Iterator[Bench]:
    """A clean place to make the engine `name`; nothing of it is left at the end. Only when `alone`."""
    making = installed.directory(home) / ".making"
    shutil.rmtree(making, ignore_errors=True)
    logs = installed.directory(home) / "logs"
    try:
        for path in (making / "work", making / name, logs):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)
        log = (logs / f"{name}.log").open("w", encoding="utf-8")
    except OSError as error:
        raise NoPlace(making, error.strerror or "it cannot be made") from error
    try:
        with log:
            yield Bench(making / name, making / "work", log)
    finally:
        shutil.rmtree(making, ignore_errors=True)
        _prune(logs)


def finish(home: Path, stage: Path, engine: Installed) -> Installed:
    """Move what was made, and has passed its self-test, to its place; the engine as it now lies there."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    installed.record(replace(engine, directory=stage, made=now, tested=now))
    place = installed.directory(home) / engine.name
    if place.exists():  # made again: a server that runs keeps the files it has open
        place.rename(stage.with_name(f"{engine.name}.old"))
    stage.rename(place)
    return replace(engine, directory=place, made=now, tested=now)


def _prune(logs: Path) -> None:
    kept = sorted(logs.glob("*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in kept[_LOGS:]:
        path.unlink(missing_ok=True)


SelfTest = Callable[[Installed], None]
