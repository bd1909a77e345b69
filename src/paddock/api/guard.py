"""Who may speak to a server that listens on this machine only: names and origins.

A page in a browser can send requests to 127.0.0.1. Two guards stop it: the Host header must be a name of
this machine (a foreign name that resolves to 127.0.0.1 is how DNS rebinding gets in), and an Origin must
be one of those allowed. Both follow Ollama's rules, texts and statuses.
"""

from __future__ import annotations

import fnmatch
import ipaddress
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HOSTS = ("localhost", "127.0.0.1", "0.0.0.0")
_ALWAYS = (
    *(f"{scheme}://{host}{port}" for scheme in ("http", "https") for host in _HOSTS for port in ("", ":*")),
    *(f"{scheme}://*" for scheme in ("app", "file", "tauri", "vscode-webview", "vscode-file")),
)
_METHODS = b"GET,POST,PUT,PATCH,DELETE,HEAD,OPTIONS"
_STAINLESS: tuple[str, ...] = (
    "lang",
    "package-version",
    "os",
    "arch",
    "retry-count",
    "runtime",
    "runtime-version",
    "async",
)
_STAINLESS += ("helper-method", "poll-helper", "custom-poll-interval", "timeout")
_ALLOWED_HEADERS = ",".join(
    ["Authorization", "Content-Type", "User-Agent", "Accept", "X-Requested-With", "OpenAI-Beta"]
    + [f"x-stainless-{name}" for name in _STAINLESS]
).encode()


class HostGuard:
    """Refuses requests whose Host is no name of this machine. Only for servers bound to loopback."""

    def __init__(self, app: ASGIApp, hostname: str) -> None:
        self._app = app
        self._hostname = hostname.lower()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self.allows(_header(scope, b"host")):
            await self._app(scope, receive, send)
        else:
            await _bare(send, 403)

    def allows(self, host: str) -> bool:
        """Whether a Host header may be answered."""
        name = _without_port(host).lower()
        if not name or name in ("localhost", self._hostname):
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name.endswith((".localhost", ".local", ".internal"))
        return address.is_loopback or address.is_private or address.is_unspecified


class OriginGuard:
    """Cross-origin rules: allowed origins get the headers that browsers ask for, others a 403."""

    def __init__(self, app: ASGIApp, origins: Sequence[str]) -> None:
        self._app = app
        self._patterns = (*origins, *_ALWAYS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = _header(scope, b"origin") if scope["type"] == "http" else ""
        if not origin or origin in _own_origins(scope):
            if scope["type"] == "http" and scope["method"] == "OPTIONS":
                await _bare(send, 204)
            else:
                await self._app(scope, receive, send)
            return
        if not self.allows(origin):
            await _bare(send, 403)
            return
        headers = [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"Origin")]
        if scope["method"] == "OPTIONS":
            asked = [
                (b"access-control-allow-methods", _METHODS),
                (b"access-control-allow-headers", _ALLOWED_HEADERS),
                (b"access-control-max-age", b"43200"),
            ]
            await _bare(send, 204, headers + asked)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
            await send(message)

        await self._app(scope, receive, sending)

    def allows(self, origin: str) -> bool:
        """Whether pages from `origin` may call."""
        return any(_matches(origin, pattern) for pattern in self._patterns)


def _matches(origin: str, pattern: str) -> bool:
    # Only the star is special: the other signs of fnmatch are plain characters here.
    return fnmatch.fnmatchcase(origin.lower(), pattern.lower().replace("[", "[[]").replace("?", "[?]"))


def _own_origins(scope: Scope) -> tuple[str, str]:
    host = _header(scope, b"host")
    return (f"http://{host}", f"https://{host}")


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0] if host.count(":") == 1 else host


async def _bare(send: Send, status: int, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    length = [] if status == 204 else [(b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": b""})
