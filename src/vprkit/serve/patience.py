"""Connections that do not say what they want: closed after some seconds, which uvicorn leaves to a proxy."""

import asyncio
from typing import Any

from vprkit import extras

HEADER_SECONDS = 10.0
"""From a connection's begin, or from the first byte of a further request, to the end of the headers."""


def patient_protocol() -> type[Any]:
    """uvicorn's protocol with a limit on the time that headers take.

    Raises:
        MissingExtra: uvicorn is not installed.
    """
    idle = extras.require("serve", "h11").IDLE
    protocol: type[Any] = extras.require("serve", "uvicorn.protocols.http.h11_impl").H11Protocol

    class Patient(protocol):  # type: ignore[misc]
        """Counts while headers are incomplete."""

        _ending: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._count()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._look()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._look()  # the next request may have begun already

        def _look(self) -> None:
            if self.conn.their_state is not idle:
                self._stop()
            elif self.conn.trailing_data[0]:
                self._count()

        def connection_lost(self, error: Exception | None) -> None:
            self._stop()
            super().connection_lost(error)

        def _count(self) -> None:
            if self._ending is None:
                self._ending = self.loop.call_later(HEADER_SECONDS, self.transport.close)

        def _stop(self) -> None:
            if self._ending is not None:
                self._ending.cancel()
                self._ending = None

    return Patient
