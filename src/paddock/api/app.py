"""The application: routes, guards, and one log line a request."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request as StarletteRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from paddock.api.exchange import Endpoint, Handler
from paddock.api.guard import HostGuard, OriginGuard
from paddock.api.native import ERRORS, Native

log = logging.getLogger("paddock.requests")


@dataclass(slots=True)
class Activity:
    """Whether anybody is being served: requests under way, and when the last one ended."""

    under_way: int = 0
    last: float = field(default_factory=time.monotonic)

    def quiet_for(self) -> float:
        """Seconds since the last request ended; 0 while one is under way."""
        return 0.0 if self.under_way else time.monotonic() - self.last


def build(
    native: Native, *, activity: Activity, origins: Sequence[str], loopback: bool, hostname: str
) -> ASGIApp:
    """The whole ASGI application."""
    texts = {404: "404 page not found", 405: "405 method not allowed"}

    async def plain(request: StarletteRequest, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return PlainTextResponse(texts.get(error.status_code, error.detail), error.status_code)

    app: ASGIApp = Starlette(routes=_native_routes(native), exception_handlers={HTTPException: plain})
    app = OriginGuard(app, origins)
    if loopback:
        app = HostGuard(app, hostname)
    return RequestLog(app, activity)


def _native_routes(native: Native) -> list[Route]:
    def route(method: str, path: str, handler: Handler) -> Route:
        return Route(path, Endpoint(handler, ERRORS), methods=[method])

    return [
        route("GET", "/", native.banner),
        route("GET", "/api/version", native.version),
        route("GET", "/api/status", native.status),
        route("GET", "/api/tags", native.tags),
        route("GET", "/api/ps", native.ps),
        route("POST", "/api/generate", native.generate),
        route("POST", "/api/chat", native.chat),
        route("POST", "/api/embed", native.embed),
        route("POST", "/api/embeddings", native.embeddings),
        route("POST", "/api/show", native.show),
        route("POST", "/api/copy", native.copy),
        route("DELETE", "/api/delete", native.delete),
    ]


class RequestLog:
    """One readable line a request, when it is over: status, time taken, who, what."""

    def __init__(self, app: ASGIApp, activity: Activity) -> None:
        self._app = app
        self._activity = activity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        self._activity.under_way += 1
        try:
            await self._app(scope, receive, sending)
        finally:
            self._activity.under_way -= 1
            self._activity.last = time.monotonic()
            who = scope["client"][0] if scope.get("client") else "-"
            took = _readable(time.perf_counter() - begun)
            # 499 is the custom for a client that left before there was an answer.
            log.info("%d  %9s  %s  %s %s", status or 499, took, who, scope["method"], _path(scope))


def _path(scope: Scope) -> str:
    """The path as it was sent: decoded, it could hold the end of a line and write another one."""
    sent = scope.get("raw_path") or quote(scope["path"]).encode()
    return sent.decode("ascii", "backslashreplace").partition("?")[0]


def _readable(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
