"""One request's life: admitted or not, so many bytes, so many seconds, and no longer than its client stays."""

import asyncio
import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any

from vprkit.errors import VprError
from vprkit.serve.asgi import App, Message, Receive, Scope, Send, refuse
from vprkit.serve.refusals import BROKEN, Refusal, refusal_of
from vprkit.serve.settings import Limits

PLAIN_BYTES = 65_536
"""Of a request's body where no photo is expected, and for a form's own lines around a photo."""

HEADER_BYTES = 16_384
"""Of a request's headers."""

ALWAYS = frozenset({"/healthz", "/metrics"})
"""Answered while the service stops, too."""

_log = logging.getLogger(__name__)


class Traffic:
    """Requests that are in work.

    Args:
        most: questions (POST) at once; others are few and short.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.questions = 0
        self.requests = 0
        self.stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    @contextlib.contextmanager
    def admitted(self, scope: Scope) -> Iterator[None]:
        """Count a request while it is in work.

        Raises:
            Refusal: there are too many, or the service is stopping.
        """
        question = int(scope["method"] == "POST")
        if self.stopping and scope["path"] not in ALWAYS:
            raise Refusal(503, "the service is stopping", {"Retry-After": "10", "Connection": "close"})
        if question and self.questions >= self.most:
            raise Refusal.busy(f"{self.questions} questions are in work already; ask again in a moment")
        self.questions += question
        self.requests += 1
        self._idle.clear()
        try:
            yield
        finally:
            self.questions -= question
            self.requests -= 1
            if not self.requests:
                self._idle.set()

    async def idle(self) -> None:
        """Wait until no request is in work."""
        await self._idle.wait()


class Guard:
    """ASGI layer around the application.

    Args:
        app: what answers.
        traffic: of all requests.
        limits: seconds of a request.
        body_bytes: of the body, for paths that take a photo.
    """

    def __init__(self, app: App, traffic: Traffic, limits: Limits, body_bytes: Mapping[str, int]) -> None:
        self.app, self.traffic, self.limits, self.body_bytes = app, traffic, limits, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            with self.traffic.admitted(scope):
                await self._answer(scope, receive, send)
        except Refusal as refusal:
            await refuse(scope, receive, send, refusal)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        incoming = _Incoming(receive, self.body_bytes.get(scope["path"], PLAIN_BYTES))
        outgoing = _Outgoing(send)
        _check_headers(scope)
        incoming.check_length(scope)
        work = asyncio.ensure_future(self.app(scope, incoming, outgoing))
        try:
            waited_for: set[asyncio.Future[Any]] = {work, incoming.trouble}
            await asyncio.wait(waited_for, timeout=self.limits.seconds, return_when=asyncio.FIRST_COMPLETED)
            if incoming.trouble.done():
                refusal = incoming.trouble.result()
            elif work.done():
                refusal = _failure(work)
            else:
                refusal = _too_slow(incoming, self.limits)
        finally:
            incoming.stop()
            await _ended(work)
        if refusal is not None and not outgoing.started:
            await refuse(scope, receive, send, refusal, read=incoming.complete)


class _Incoming:
    """A request's body as it arrives; `trouble` is done where nothing further should be awaited.

    It holds the refusal, or None where the client has gone.
    """

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most = receive, most
        self._read = 0
        self._leaving: asyncio.Task[None] | None = None
        self.trouble: asyncio.Future[Refusal | None] = asyncio.get_running_loop().create_future()

    @property
    def begun(self) -> bool:
        return self._read > 0

    @property
    def complete(self) -> bool:
        return self._leaving is not None

    def check_length(self, scope: Scope) -> None:
        """Refuse a body that says that it is too large before it is read."""
        said = next((value for key, value in scope["headers"] if key == b"content-length"), b"0")
        if said.isdigit() and int(said) > self._most:
            raise self._too_large()

    async def __call__(self) -> Message:
        if self.complete:  # who asks again waits for the client to leave
            await asyncio.shield(self.trouble)
            return {"type": "http.disconnect"}
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if message["type"] == "http.disconnect":
            self._tell(None)
        elif self._read > self._most:
            self._tell(self._too_large())
            await asyncio.Event().wait()  # the guard ends this
        elif not message.get("more_body"):
            self._leaving = asyncio.create_task(self._until_left())
        return message

    def stop(self) -> None:
        if self._leaving is not None:
            self._leaving.cancel()

    async def _until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._tell(None)

    def _tell(self, trouble: Refusal | None) -> None:
        if not self.trouble.done():
            self.trouble.set_result(trouble)

    def _too_large(self) -> Refusal:
        return Refusal(413, f"the request is larger than {self._most / 1e6:.3g} MB; shrink the photo first")


class _Outgoing:
    """Knows whether an answer was begun."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self._send(message)


def _check_headers(scope: Scope) -> None:
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
        raise Refusal(431, f"the headers are longer than {HEADER_BYTES} bytes")


def _too_slow(incoming: _Incoming, limits: Limits) -> Refusal:
    if incoming.begun and not incoming.complete:
        return Refusal(408, f"the upload was not complete after {limits.seconds:g} seconds")
    return Refusal(504, f"there was no answer within {limits.seconds:g} seconds", {"Retry-After": "5"})


def _failure(work: "asyncio.Future[None]") -> Refusal | None:
    """What a client is told of an error that nobody expected."""
    error = work.exception()
    if error is None:
        return None
    if isinstance(error, VprError):
        return refusal_of(error)
    _log.error("a request failed", exc_info=error)
    return Refusal(500, BROKEN)


async def _ended(work: "asyncio.Future[None]") -> None:
    work.cancel()
    await asyncio.wait({work})
    if not work.cancelled():
        work.exception()  # was looked at, or is of no interest to anybody
