"""uvicorn on a socket that is bound already, without signal handlers of its own.

Stopping is decided by whoever runs the server, for the engines and the HTTP side together.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp


class Server(uvicorn.Server):
    """Serves `app`. Set `should_exit` to end; answers under way get `grace` seconds."""

    def __init__(self, app: ASGIApp, grace: int) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=grace,
                server_header=False,
                proxy_headers=False,  # who asks decides whose turn it is: nobody may name himself
            )
        )

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn would take SIGTERM and SIGINT here."""
        yield
