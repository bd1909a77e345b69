"""Calls over HTTP for tests: plain http.client, so that what is sent and what comes is exactly known."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def text(self) -> str:
        """The whole text of a streamed answer of either form."""
        return "".join(
            line.get("response", "") or line.get("message", {}).get("content", "") for line in self.lines
        )


@contextmanager
def opened(
    url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Iterator[http.client.HTTPResponse]:
    """An answer still being sent; leaving the block hangs up."""
    where = urlsplit(url)
    assert where.hostname is not None
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=60)
    try:
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection.request(method, path, data, dict(headers or {}))
        response = connection.getresponse()
        try:
            yield response
        finally:
            response.close()
    finally:
        connection.close()


def call(
    url: str, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
) -> Answer:
    """One whole exchange."""
    with opened(url, method, path, body, headers) as response:
        got = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, got, response.read())


def post(url: str, path: str, **body: Any) -> Answer:
    """POST a JSON object."""
    return call(url, "POST", path, body)


def get(url: str, path: str) -> Answer:
    """GET."""
    return call(url, "GET", path)


def until(condition: Any, patience: float = 30.0) -> Any:
    """What `condition()` gives once it is true; fails after `patience` seconds."""
    import time

    deadline = time.monotonic() + patience
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.02)
    return found
