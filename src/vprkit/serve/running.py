"""Running the service: its socket, and an end that lets work finish."""

import asyncio
import contextlib
import logging
import socket
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from vprkit import extras
from vprkit.errors import VprError
from vprkit.serve.guard import HEADER_BYTES
from vprkit.serve.patience import patient_protocol
from vprkit.serve.settings import ServeSettings

if TYPE_CHECKING:
    from fastapi import FastAPI

KEEP_ALIVE_SECONDS = 5
"""That a connection stays open without a request."""

CONNECTIONS_PER_QUESTION = 8
"""Open connections at most, for each question that may wait."""


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


def log_what_matters() -> None:
    """Log warnings and errors, but not what any client can cause with a broken request or photo."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    for noisy in ("uvicorn", "python_multipart"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def server_of(app: "FastAPI", settings: ServeSettings) -> Any:
    """A uvicorn server for an application, with the limits that uvicorn and the connection's protocol keep.

    Raises:
        MissingExtra: uvicorn is not installed.
    """
    uvicorn: Any = extras.require("serve", "uvicorn")
    config = uvicorn.Config(
        app, http=patient_protocol(), ws="none", lifespan="on", log_config=None, access_log=False, server_header=False,
        h11_max_incomplete_event_size=HEADER_BYTES, timeout_keep_alive=KEEP_ALIVE_SECONDS, timeout_graceful_shutdown=1,
        limit_concurrency=CONNECTIONS_PER_QUESTION * settings.limits.queue,
    )  # fmt: skip
    return uvicorn.Server(config)


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
    server, traffic = server_of(app, settings), app.state.service.traffic

    async def serving() -> None:
        loop = asyncio.get_running_loop()
        tasks: list[asyncio.Task[None]] = [loop.create_task(_when_started(server, started))]

        def stop(number: int, frame: object = None) -> None:
            if traffic.stopping:
                server.should_exit = True
                return
            traffic.stopping = True
            loop.call_soon_threadsafe(lambda: tasks.append(loop.create_task(drained())))

        async def drained() -> None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(traffic.idle(), settings.limits.drain)
            server.should_exit = True

        server.handle_exit = stop
        await server.serve([bound])
        for task in tasks:
            task.cancel()

    asyncio.run(serving())


async def _when_started(server: Any, started: Callable[[], None]) -> None:
    while not server.started:
        await asyncio.sleep(0.01)
    started()
