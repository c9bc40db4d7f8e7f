"""Who may ask: known host names, pages of this service alone, a token where one is set; and what browsers may do."""

import hmac
from collections.abc import Callable
from urllib.parse import urlsplit

from vprkit.serve.asgi import App, Message, Receive, Scope, Send, encoded, header, refuse
from vprkit.serve.refusals import Refusal
from vprkit.serve.settings import ServeSettings

OPEN = frozenset({"/", "/healthz", "/docs", "/openapi.json"})
"""Paths that tell nothing of the map: they need no token."""

PAGE = "/page/"


def policy(settings: ServeSettings) -> str:
    """The page's content policy: nothing but what this service sends; no inline script, no other site's frame."""
    tiles = "" if settings.tiles is None else f" {settings.tiles.origin}"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
        f"img-src 'self' blob:{tiles}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def browser_headers(settings: ServeSettings) -> list[tuple[bytes, bytes]]:
    """Headers of every answer. Tile servers want to know who asks; no one else is told.

    Browsers keep nothing: the same address may serve another map tomorrow.
    """
    return encoded(
        {
            "Content-Security-Policy": policy(settings),
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            "Referrer-Policy": "no-referrer" if settings.tiles is None else "strict-origin-when-cross-origin",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "geolocation=(), microphone=(), payment=()",
        }.items()
    )


class Security:
    """ASGI layer that refuses who may not ask.

    Args:
        app: what answers.
        settings: known hosts and token.
    """

    def __init__(self, app: App, settings: ServeSettings) -> None:
        self.app = app
        self._hosts = settings.known_hosts
        self._token = None if settings.token is None else settings.token.encode()
        self._headers = browser_headers(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def dressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {key for key, _ in message["headers"]}
                message["headers"] = [*message["headers"], *(pair for pair in self._headers if pair[0] not in own)]
            await send(message)

        refusal = next((found for check in self._checks() if (found := check(scope)) is not None), None)
        if refusal is not None:
            await refuse(scope, receive, dressed, refusal)
            return
        await self.app(scope, receive, dressed)

    def _checks(self) -> tuple[Callable[[Scope], Refusal | None], ...]:
        return self._host, self._origin, self._carried

    def _host(self, scope: Scope) -> Refusal | None:
        """Else a page elsewhere could point its own name at this machine and read what it gets."""
        name = _name((header(scope, b"host") or b"").decode("latin-1"))
        if not self._hosts or name in self._hosts:
            return None
        return Refusal(421, f"this service does not answer to the name '{name[:80]}'; see --allow-host")

    def _origin(self, scope: Scope) -> Refusal | None:
        """Browsers say which page sends a form; pages of others may not."""
        origin = header(scope, b"origin")
        if origin is None or _site(origin) == header(scope, b"host"):
            return None
        return Refusal(403, "a page of another site may not ask this service")

    def _carried(self, scope: Scope) -> Refusal | None:
        if self._token is None or scope["path"] in OPEN or scope["path"].startswith(PAGE):
            return None
        scheme, _, given = (header(scope, b"authorization") or b"").partition(b" ")
        if scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), self._token):
            return None
        return Refusal(401, "this service wants a token: Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"})


def _site(origin: bytes) -> bytes | None:
    """Host and port of an Origin header; None where it is none."""
    try:
        return urlsplit(origin.decode("latin-1")).netloc.encode("latin-1") or None
    except ValueError:
        return None


def _name(host: str) -> str:
    """A Host header without its port, in lower case."""
    if host.startswith("["):
        return "".join(host.lower().partition("]")[:2])
    return host.partition(":")[0].lower()
