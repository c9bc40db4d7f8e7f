"""Running the service: its socket, and an end that lets work finish."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vprkit import extras
from vprkit.errors import VprError
from vprkit.serve.settings import ServeSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

HEADER_BYTES = 16_384
"""Of a request's headers."""

CONNECTIONS_PER_QUESTION = 8
"""Open connections at most, for each question that may wait."""

_log = logging.getLogger(__name__)


def listening(settings: ServeSettings) -> socket.socket:
    """A socket that listens where the settings say; asked for before a map is opened, so that a mistake costs nothing.

    Raises:
        VprError: the address is in use, not allowed, or none of this machine.
    """
    where = f"port {settings.port} of {settings.host}"
    bound = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(256)
    except OSError as error:
        if bound is not None:
            bound.close()
        raise VprError(f"{where} cannot be listened on ({error.strerror}); choose another --host or --port") from error
    return bound


def address_of(bound: socket.socket) -> str:
    """Where a browser finds it."""
    host, port = bound.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


def run(app: "FastAPI", settings: ServeSettings, bound: socket.socket, started: Callable[[], None]) -> None:
    """Serve until SIGTERM or Ctrl-C: from then on new requests get 503, those in work are finished, within a limit.

    A second signal ends it at once.

    Args:
        app: of `create_app`.
        settings: limits.
        bound: the socket.
        started: called once it answers.

    Raises:
        MissingExtra: uvicorn is not installed.
    """
    uvicorn: Any = extras.require("serve", "uvicorn")
    traffic = app.state.service.traffic
    server = uvicorn.Server(
        uvicorn.Config(
            app, http="h11", ws="none", lifespan="on", log_config=None, access_log=False, server_header=False,
            h11_max_incomplete_event_size=HEADER_BYTES, timeout_keep_alive=5, timeout_graceful_shutdown=1,
            limit_concurrency=CONNECTIONS_PER_QUESTION * settings.limits.queue,
        )
    )  # fmt: skip

    async def serving() -> None:
        loop = asyncio.get_running_loop()
        draining: list[asyncio.Task[None]] = []

        def stop(number: int, frame: object = None) -> None:
            if traffic.stopping:
                server.should_exit = True
                return
            traffic.stopping = True
            _log.info("%s: finishing %d requests", signal.Signals(number).name, traffic.requests)
            loop.call_soon_threadsafe(lambda: draining.append(loop.create_task(drained())))

        async def drained() -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(traffic.idle(), settings.limits.drain)
            server.should_exit = True

        async def watched() -> None:
            while not server.started:
                await asyncio.sleep(0.01)
            started()

        server.handle_exit = stop
        watching = asyncio.create_task(watched())
        await server.serve([bound])
        watching.cancel()

    asyncio.run(serving())
