"""The terminal's way to the server: HTTP through the standard library, one connection a request.

`http.client` and nothing more, because every command pays for its imports before the first byte. All that
can go wrong on the wire is turned into the four errors below here, so a `BrokenPipeError` seen anywhere
else in the terminal can only mean that the reader of our own output has gone.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from paddock.errors import PaddockError
from paddock.settings import Address

Reply = dict[str, Any]

_CONNECT_SECONDS = 10.0
_LONGEST_LINE = 64 << 20


class NoServer(PaddockError):
    """Nothing listens at a loopback address. The sentence is Ollama's, with our own name for the cure."""

    def __init__(self, address: Address, program: str) -> None:
        super().__init__(f"could not connect to ollama server, run '{program} serve' to start it")
        self.address = address


class Unreachable(PaddockError):
    """The address cannot be reached, and starting a server here would not help."""

    def __init__(self, address: Address, reason: str) -> None:
        super().__init__(f"could not reach {address.url}: {reason} (the address comes from OLLAMA_HOST)")
        self.address = address
        self.reason = reason


class NotOurs(PaddockError):
    """Something answered, but not in the words of Ollama's API."""

    def __init__(self, address: Address, answer: str) -> None:
        super().__init__(
            f"the program at {address.url} is not an Ollama-compatible server: it answered {answer}; "
            "set OLLAMA_HOST to another address"
        )
        self.address = address


class Answered(PaddockError):
    """The server refused. `code` is its HTTP status, 200 when the error came in mid-stream."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


class CutShort(PaddockError):
    """The connection broke before the answer was complete."""

    def __init__(self, address: Address) -> None:
        super().__init__(
            f"the connection to {address.url} broke before the answer was complete; "
            "the server may have been stopped, its log says more"
        )
        self.address = address


class Client:
    """Speaks to one server. Holds no connection between requests."""

    def __init__(self, address: Address, program: str) -> None:
        self.address = address.reachable
        self._program = program

    def get(self, path: str) -> Reply:
        """The one JSON object at `path`."""
        return self.call("GET", path)

    def post(self, path: str, body: Mapping[str, object]) -> Reply:
        """The one JSON object that answers `body`."""
        return self.call("POST", path, body)

    def call(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Reply:
        """One request, one JSON object; an empty body is an empty object."""
        with self._request(method, path, body) as response:
            text = response.read()
        return _object(self.address, text) if text.strip() else {}

    def stream(self, path: str, body: Mapping[str, object]) -> Generator[Reply, None, None]:
        """The objects of an NDJSON answer as they come. Closing the iterator closes the connection."""
        with self._request("POST", path, body) as response:
            for line in _lines(response, self.address):
                item = _object(self.address, line)
                if "error" in item:
                    raise Answered(str(item["error"]), response.status)
                yield item

    @contextmanager
    def _request(
        self, method: str, path: str, body: Mapping[str, object] | None
    ) -> Iterator[http.client.HTTPResponse]:
        connection = self._dial()
        try:
            with _speaking(self.address):
                payload = None if body is None else json.dumps(body).encode()
                headers = {"Content-Type": "application/json", "Connection": "close"}
                connection.request(method, self.address.path + path, payload, headers)
                # The response owns the socket from here on; closing the connection would not close it.
                with connection.getresponse() as response:
                    if response.status >= 400:
                        raise _refusal(self.address, response)
                    yield response
        finally:
            connection.close()

    def _dial(self) -> http.client.HTTPConnection:
        here = self.address
        secure = here.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(here.host, here.port, timeout=_CONNECT_SECONDS)
        try:
            connection.connect()
        except ConnectionRefusedError as error:
            if here.is_loopback:
                raise NoServer(here, self._program) from error
            raise Unreachable(here, "connection refused") from error
        except UnicodeError as error:  # from a name that is none, such as `a..b`
            raise Unreachable(here, "this is no host name") from error
        except OSError as error:
            raise Unreachable(here, error.strerror or str(error) or type(error).__name__) from error
        # A model may take minutes to load before the first byte: only a dead peer ends the wait.
        connection.sock.settimeout(None)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return connection


@contextmanager
def _speaking(address: Address) -> Iterator[None]:
    # The order matters: a peer that hangs up without a status line raises a child of BadStatusLine.
    try:
        yield
    except (http.client.IncompleteRead, http.client.RemoteDisconnected) as error:
        raise CutShort(address) from error
    except http.client.HTTPException as error:
        raise NotOurs(address, "something that is not HTTP") from error
    except OSError as error:
        raise CutShort(address) from error


def _lines(response: http.client.HTTPResponse, address: Address) -> Iterator[bytes]:
    # read1, because readline hides a chunked answer that breaks off and calls it the end.
    rest = b""
    while True:
        piece = response.read1(1 << 16)
        if not piece:
            break
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line for line in lines if line.strip())
        if len(rest) > _LONGEST_LINE:
            raise NotOurs(address, "a line without end")
    if rest.strip():
        yield rest


def _refusal(address: Address, response: http.client.HTTPResponse) -> PaddockError:
    text = response.read()
    try:
        return Answered(str(json.loads(text)["error"]), response.status)
    except (ValueError, KeyError, TypeError):
        return NotOurs(address, f'"{response.status} {response.reason}"')


def _object(address: Address, text: bytes) -> Reply:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise NotOurs(address, "something that is not JSON") from error
    if not isinstance(value, dict):
        raise NotOurs(address, "JSON that is not an object")
    return value
