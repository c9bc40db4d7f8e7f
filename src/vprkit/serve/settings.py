"""What a service allows, and where it listens: plain data, checked when it is made."""

import ipaddress
import math
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from vprkit.data.decoding import MAX_PIXELS
from vprkit.errors import ConfigError

TILE_FIELDS = ("{z}", "{x}", "{y}")
MEGA = 10**6


@dataclass(frozen=True)
class Limits:
    """What one request, and all of them together, may take.

    Attributes:
        queue: questions at once, those that wait included; further ones are refused with 503.
        batch: questions answered together.
        wait_ms: milliseconds that a question waits for others to join its batch.
        upload_mb: megabytes of an upload.
        megapixels: million pixels of a photo.
        seconds: of a request, upload and waiting included.
        drain: seconds that requests in work get when the service stops.
        top: hits of one answer at most.
        rerank: candidates of a second look at most.
        text: characters of a sentence at most.
        points: of the map's background at most.
        thumbnails_mb: megabytes of thumbnails kept in memory.
    """

    queue: int = 32
    batch: int = 16
    wait_ms: float = 5.0
    upload_mb: float = 20.0
    megapixels: float = 50.0
    seconds: float = 30.0
    drain: float = 10.0
    top: int = 100
    rerank: int = 100
    text: int = 1000
    points: int = 20_000
    thumbnails_mb: float = 64.0

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = 0 if name in ("wait_ms", "drain", "thumbnails_mb") else 1e-3 if isinstance(value, float) else 1
            if not math.isfinite(value) or value < least:
                raise ConfigError(f"{name} of the service must be a number from {least:g}, got {value}")
        if self.megapixels * MEGA > MAX_PIXELS:
            raise ConfigError(f"megapixels can be at most {MAX_PIXELS / MEGA:g}, got {self.megapixels:g}")

    @property
    def upload_bytes(self) -> int:
        return int(self.upload_mb * MEGA)

    @property
    def pixels(self) -> int:
        return int(self.megapixels * MEGA)


@dataclass(frozen=True)
class Tiles:
    """Street tiles that the page may show.

    Attributes:
        url: with {z}, {x} and {y}, such as https://tile.openstreetmap.org/{z}/{x}/{y}.png.
        attribution: what their maker wants to be said.
    """

    url: str
    attribution: str = "© OpenStreetMap contributors"

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or any(f not in self.url for f in TILE_FIELDS):
            raise ConfigError(f"tiles '{self.url}' is no address of tiles; write https://host/{{z}}/{{x}}/{{y}}.png")
        if any(sign in parts.netloc for sign in " ;,'\"{}*@"):
            raise ConfigError(f"tiles '{self.url}' has a host that cannot be allowed by itself; name one plain host")

    @property
    def origin(self) -> str:
        """Scheme and host: all that the page's content policy admits."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"


@dataclass(frozen=True)
class ServeSettings:
    """How a map is served.

    Attributes:
        host, port: where it listens; port 0: a free one.
        token: what requests must carry, None: nothing.
        hosts: further names that requests may call the service by (behind a proxy).
        tiles: street tiles that the page may show, None: no other server is ever asked.
        reject: answers that are less sure than this say that the place is not known; None: none do.
        limits: what requests may take.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    hosts: tuple[str, ...] = ()
    tiles: Tiles | None = None
    reject: float | None = None
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port must be from 0 to 65535, got {self.port}")
        if self.token is not None and (len(self.token) < 8 or not self.token.isascii() or not self.token.isprintable()):
            raise ConfigError("the token must be 8 or more plain characters; `openssl rand -hex 16` makes one")
        if self.token is not None and any(sign.isspace() for sign in self.token):
            raise ConfigError("the token must hold no spaces")
        if self.reject is not None and not 0 <= self.reject <= 1:
            raise ConfigError(f"reject is a confidence from 0 to 1, got {self.reject:g}")

    @property
    def is_local(self) -> bool:
        """Only programs of this machine reach it."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def known_hosts(self) -> frozenset[str]:
        """Names that a request may address, in lower case; empty: any.

        A page of another site could otherwise reach a service of this machine by pointing its own name here.
        """
        if not self.is_local and not self.hosts:
            return frozenset()
        own = {"localhost", "127.0.0.1", "[::1]"} if self.is_local else set()
        return frozenset({*own, _bracketed(self.host).lower(), *(name.lower() for name in self.hosts)})


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
