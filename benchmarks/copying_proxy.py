"""A server that only copies bytes: the least that a Python server in front of an engine can cost.

Starlette on uvicorn with uvloop, aiohttp towards the engine, a line each: what somebody would write who
wants nothing but to pass the engine's stream on. It understands no token, counts none and checks nothing.

    python -m benchmarks.copying_proxy ENGINE-SOCKET          # prints its own address
"""

from __future__ import annotations

import contextlib
import socket
import sys
from collections.abc import AsyncIterator

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route


def application(engine: str) -> Starlette:
    """Passes every POST on to the engine that listens on the unix socket `engine`."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        # An engine closes idle connections: reusing one just then would lose a request.
        connector = aiohttp.UnixConnector(engine, limit=0, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as app.state.engine:
            yield

    async def pass_on(request: Request) -> StreamingResponse:
        body = await request.body()
        answer = await request.app.state.engine.post(f"http://engine{request.url.path}", data=body)

        async def pieces() -> AsyncIterator[bytes]:
            async with answer:
                async for piece in answer.content.iter_any():
                    yield piece

        return StreamingResponse(pieces(), answer.status, media_type=answer.content_type)

    return Starlette(routes=[Route("/{path:path}", pass_on, methods=["POST"])], lifespan=lifespan)


def main() -> None:
    """Serve on a free port of this machine until killed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(application(sys.argv[1]), loop="uvloop", log_level="warning", access_log=False)
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
