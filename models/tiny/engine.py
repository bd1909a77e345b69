"""The real engine, for the checks: llama.cpp's server in a child process, on a unix socket.

Evaluation and packaging ask the model through the same routes the product uses, so that a score says
something about what users get.
"""

from __future__ import annotations

import argparse
import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
CONTEXT = 4096


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a socket file."""

    def __init__(self, path: Path, timeout: float = 120) -> None:
        super().__init__("engine", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Engine:
    """A running engine, asked one thing at a time."""

    def __init__(self, address: Path) -> None:
        self._address = address

    def post(self, route: str, body: dict[str, Any]) -> dict[str, Any]:
        connection = _UnixConnection(self._address)
        try:
            connection.request("POST", route, json.dumps(body), {"Content-Type": "application/json"})
            reply = connection.getresponse()
            answer: dict[str, Any] = json.loads(reply.read())
        finally:
            connection.close()
        if reply.status != 200:
            raise RuntimeError(f"{route}: HTTP {reply.status}: {answer}")
        return answer

    def render(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]], thinking: bool) -> str:
        body: dict[str, Any] = {"messages": messages, "chat_template_kwargs": {"enable_thinking": thinking}}
        if tools:
            body["tools"] = tools
        return str(self.post("/apply-template", body)["prompt"])

    def complete(self, prompt: str, most: int = 700) -> dict[str, Any]:
        """The greedy continuation, with the engine's own counts."""
        return self.post(
            "/completion", {"prompt": prompt, "temperature": 0, "n_predict": most, "cache_prompt": False}
        )

    def tokens(self, text: str) -> list[int]:
        numbers: list[int] = self.post("/tokenize", {"content": text, "parse_special": True})["tokens"]
        return numbers


@contextmanager
def running(model: Path, threads: int = 2) -> Iterator[Engine]:
    """An engine for one model, ended on the way out."""
    with tempfile.TemporaryDirectory(prefix="tiny-") as directory:
        address, log = Path(directory) / "engine.sock", Path(directory) / "log"
        argv = [sys.executable, "-m", "models.tiny.engine", str(model.resolve()), str(address), str(threads)]
        with (
            log.open("wb") as errors,
            subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=errors, stderr=errors, cwd=CHECKOUT
            ) as child,
        ):
            try:
                _wait(child, address, log)
                yield Engine(address)
            finally:
                child.terminate()


def _wait(child: subprocess.Popen[bytes], address: Path, log: Path) -> None:
    for _ in range(600):
        if child.poll() is not None:
            raise RuntimeError(f"the engine ended at once:\n{log.read_text(errors='replace')[-3000:]}")
        try:
            Engine(address).post("/tokenize", {"content": "ready?"})
        except (OSError, RuntimeError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the engine did not become ready within a minute")


def serve(model: Path, address: Path, threads: int) -> None:
    """The child's side: load, listen, stay until the parent goes."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(model)
    params.hostnames = [str(address)]
    params.n_ctx = CONTEXT
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.use_jinja = True
    params.cache_ram_mib = 0
    server = xllamacpp.Server(params)
    sys.stdin.buffer.read()
    del server


def main() -> None:
    parser = argparse.ArgumentParser(description="serve a model on a unix socket until standard input closes")
    parser.add_argument("model", type=Path)
    parser.add_argument("address", type=Path)
    parser.add_argument("threads", type=int)
    options = parser.parse_args()
    serve(options.model, options.address, options.threads)


if __name__ == "__main__":
    main()
