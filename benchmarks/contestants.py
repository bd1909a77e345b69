"""Who is measured: Paddock's server, the engine below it, and a proxy that only copies bytes.

All three speak to the same engine process. It is the one Paddock's server started, with whatever flags
Paddock chose, and the other two reach it through its socket: two processes of one engine can differ by
more than the few per cent that are looked for, and the flags cannot drift apart. Only one contestant is
ever at work.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.load import Address

_PATIENCE = 300.0
_SOCKET = re.compile(r"/[^\"\s]+\.sock")


@dataclass(frozen=True, slots=True)
class Server:
    """A server process and where it listens."""

    process: subprocess.Popen[bytes]
    address: Address

    def cpu(self) -> float:
        """Seconds of CPU it has used so far, all its threads, none of its children.

        Linux's schedstat counts nanoseconds; elsewhere the figure comes in hundredths of a second.
        """
        tasks = Path(f"/proc/{self.process.pid}/task")
        try:
            return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks.iterdir()) / 1e9
        except OSError:
            times = psutil.Process(self.process.pid).cpu_times()
            return times.user + times.system

    def engine(self) -> psutil.Process:
        """The engine among its children."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if _SOCKET.search(" ".join(child.cmdline())):
                return child
        raise RuntimeError("the server has no engine")


def engine_socket(server: Server) -> Path:
    """Where the engine of `server` listens."""
    found = _SOCKET.search(" ".join(server.engine().cmdline()))
    assert found is not None
    return Path(found[0])


@contextlib.contextmanager
def paddock(home: Path, parallel: int) -> Iterator[Server]:
    """Paddock's server with a home and a store of its own inside `home`."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PADDOCK_LLAMA_SERVER") if name in os.environ}
    environ = kept | {
        "HOME": str(home),
        "OLLAMA_MODELS": str(home / "models"),
        "PADDOCK_HOME": str(home / "paddock"),
        "OLLAMA_HOST": "127.0.0.1:0",
        "OLLAMA_NUM_PARALLEL": str(parallel),
        "OLLAMA_KEEP_ALIVE": "-1",
    }
    with _started(("-m", "paddock", "serve"), home / "paddock.log", environ) as server:
        yield server


@contextlib.contextmanager
def copying_proxy(home: Path, engine: Path) -> Iterator[Server]:
    """The proxy that only copies bytes."""
    command = ("-m", "benchmarks.copying_proxy", str(engine))
    with _started(command, home / "proxy.log", dict(os.environ)) as server:
        yield server


@contextlib.contextmanager
def _started(command: Sequence[str], log: Path, environ: dict[str, str]) -> Iterator[Server]:
    with log.open("wb") as output:
        process = subprocess.Popen((sys.executable, *command), stdout=output, stderr=output, env=environ)
    try:
        yield Server(process, Address(port=_port(process, log)))
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    """The port that the process says it listens on."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        if found := re.search(r"listening on http://127\.0\.0\.1:(\d+)", log.read_text()):
            return int(found[1])
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"a server did not start:\n{log.read_text()[-2000:]}")


def install(weights: Path, models: Path, name: str) -> None:
    """Make `weights` the model `name` of the store `models`, in Ollama's layout; the file is linked."""
    blobs = models / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    blob = blobs / f"sha256-{digest}"
    try:
        os.link(weights, blob)
    except OSError:  # another file system
        blob.symlink_to(weights.absolute())
    config = json.dumps({"model_format": "gguf", "rootfs": {"type": "layers"}}).encode()
    config_digest = hashlib.sha256(config).hexdigest()
    (blobs / f"sha256-{config_digest}").write_bytes(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "digest": f"sha256:{config_digest}",
            "size": len(config),
        },
        "layers": [
            {
                "mediaType": "application/vnd.ollama.image.model",
                "digest": f"sha256:{digest}",
                "size": weights.stat().st_size,
            }
        ],
    }
    path = models.joinpath("manifests", "registry.ollama.ai", "library", name, "latest")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(manifest))
