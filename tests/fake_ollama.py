"""A server of a few routes that answers what a test tells it to, for what a real one will not do on demand:
break off, fail in mid-stream, be Ollama, or be no such thing at all.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Handler = BaseHTTPRequestHandler
Answer = Callable[[Handler, dict[str, Any]], None]


class Fake:
    """Remembers what it heard: `heard` holds (method, path, body) in order."""

    def __init__(self, routes: dict[str, Answer]) -> None:
        self.routes = routes
        self.heard: list[tuple[str, str, dict[str, Any]]] = []
        self.left = threading.Event()
        self.go_on = threading.Event()
        self.url = ""

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for _, there, body in self.heard if there == path]


@contextmanager
def serving(routes: dict[str, Answer]) -> Iterator[Fake]:
    """A fake at a port of its own for the time of the block."""
    fake = Fake(routes)

    class Here(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            fake.heard.append((self.command, self.path, body))
            try:
                fake.routes.get(self.path, missing)(self, body)
            except ConnectionError:
                fake.left.set()

        do_GET = do_POST = do_DELETE = do_HEAD = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Here)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield fake
    finally:
        fake.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


def reply(value: object, status: int = 200) -> Answer:
    """One JSON object, or text."""

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        payload = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(payload)))
        handler.end_headers()
        handler.wfile.write(payload)

    return answer


def stream(*items: object, whole: bool = True) -> Answer:
    """NDJSON, chunked; a callable among the items is called in its place. Not `whole`: cut off at the end."""

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for item in items:
            if callable(item):
                item()
            else:
                send_chunk(handler, json.dumps(item).encode() + b"\n")
        if whole:
            handler.wfile.write(b"0\r\n\r\n")
        handler.close_connection = True

    return answer


def send_chunk(handler: Handler, payload: bytes) -> None:
    handler.wfile.write(b"%x\r\n%s\r\n" % (len(payload), payload))
    handler.wfile.flush()


def missing(handler: Handler, body: dict[str, Any]) -> None:
    reply("404 page not found", 404)(handler, body)


def spoken(*words: str, **last: object) -> Answer:
    """An answer of /api/generate, word by word; without a prompt the model is only loaded or unloaded."""
    pieces: list[dict[str, object]] = [{"response": word, "done": False} for word in words]
    streamed = stream(*pieces, {"response": "", "done": True, "done_reason": "stop"} | last)

    def answer(handler: Handler, body: dict[str, Any]) -> None:
        loaded = reply({"response": "", "done": True, "done_reason": "load"})
        (streamed if body.get("prompt") else loaded)(handler, body)

    return answer


def said(*words: str, **last: object) -> Answer:
    """An answer of /api/chat, word by word."""
    pieces: list[dict[str, object]] = [
        {"message": {"role": "assistant", "content": word}, "done": False} for word in words
    ]
    end = {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    return stream(*pieces, end | last)
