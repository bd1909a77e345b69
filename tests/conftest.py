"""A real server with the real engine, as a user would start it: its own home, its own port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

#: Properties are about what is true, not about how busy the machine is.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

#: Engines' threads sleep while they wait for each other. Where others want the processors too, spinning makes
#: every token wait for the scheduler, and answers that take milliseconds take many seconds.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

_LISTENING = re.compile(r"is listening on (http://\S+?),")
_PATIENCE = 60.0


@dataclass
class RunningServer:
    """A server process. `log` grows as it prints; `env` is what a client needs to find it."""

    process: subprocess.Popen[str]
    home: Path
    url: str = ""
    log: list[str] = field(default_factory=list)

    @property
    def env(self) -> dict[str, str]:
        return environment(self.home) | {"OLLAMA_HOST": self.url}

    @property
    def pid(self) -> int:
        return self.process.pid

    def text(self) -> str:
        return "".join(self.log)

    @property
    def store(self) -> Path:
        return self.home / ".ollama" / "models"

    def engines(self) -> list[int]:
        """Process numbers of its engines."""
        return children(self.pid)

    def stop(self) -> int:
        """SIGTERM and wait; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)


def children(pid: int) -> list[int]:
    import psutil

    return [child.pid for child in psutil.Process(pid).children(recursive=True)]


def environment(home: Path) -> dict[str, str]:
    """An environment in which nothing of this machine's user is seen or changed."""
    names = ("PATH", "LANG", "TERM", "CI", "OMP_WAIT_POLICY")
    kept = {name: os.environ[name] for name in names if name in os.environ}
    return kept | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": "/tmp"}


@contextmanager
def serving(home: Path, extra: Mapping[str, str] | None = None) -> Iterator[RunningServer]:
    """A server on a port of the system's choosing, ended at the end however the block is left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "paddock", "serve"],
        env=environment(home) | {"OLLAMA_HOST": "127.0.0.1:0"} | dict(extra or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=home,
    )
    server, listening = RunningServer(process, home), threading.Event()

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            server.log.append(line)
            if found := _LISTENING.search(line):
                server.url = found[1]
                listening.set()
        listening.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert listening.wait(_PATIENCE), "the server did not say where it listens"
        assert server.url, f"the server ended:\n{server.text()}"
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        reader.join()
        assert process.stderr is not None
        process.stderr.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One server for every test that only asks."""
    with serving(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., RunningServer]]:
    """Starts servers for tests that want their own; settings are environment variables."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def start(**extra: str) -> RunningServer:
            home = tmp_path / f"home{len(list(tmp_path.iterdir()))}"
            home.mkdir()
            return stack.enter_context(serving(home, extra))

        yield start
