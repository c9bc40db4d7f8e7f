"""The little of ASGI that the service's own layers need, without any framework."""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from vprkit.serve.refusals import Refusal

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LINGER_SECONDS, LINGER_BYTES = 2.0, 2**25
"""How long, and for how much, a refused upload is read on: a client that is still sending hears no answer."""


def header(scope: Scope, name: bytes) -> bytes | None:
    """The value of a request's header."""
    found: bytes | None = next((value for key, value in scope["headers"] if key == name), None)
    return found


async def refuse(scope: Scope, receive: Receive, send: Send, refusal: Refusal, *, read: bool = False) -> None:
    """Answer with a refusal as JSON, and end the connection where the request was not `read` and is too long to be."""
    unread = not read and await _linger(scope, receive)
    body = json.dumps({"error": str(refusal)}).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **refusal.headers}
    if unread:
        headers["connection"] = "close"
    await send({"type": "http.response.start", "status": refusal.status, "headers": encoded(headers.items())})
    await send({"type": "http.response.body", "body": body})


def encoded(headers: Iterable[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Headers as ASGI wants them."""
    return [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _linger(scope: Scope, receive: Receive) -> bool:
    """Read on for a while; True where more may come."""
    has_body = header(scope, b"content-length") not in (None, b"0") or header(scope, b"transfer-encoding") is not None
    if not has_body or header(scope, b"expect") is not None:
        return has_body
    left = LINGER_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LINGER_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body"):
                    return False
    return True
