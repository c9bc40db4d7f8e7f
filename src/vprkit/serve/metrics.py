"""What happens, counted, in the format of Prometheus."""

import time
from collections.abc import Callable

from vprkit import extras
from vprkit.serve.asgi import App, Message, Receive, Scope, Send
from vprkit.serve.questions import Question

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64)

NO_ROUTE = "none"
"""Paths that are no route are counted together: their number has no bound."""

UNANSWERED = "gone"
"""Instead of a status, where the client did not stay for one."""


class Metrics:
    """Counters of one service.

    Raises:
        MissingExtra: prometheus-client is not installed.
    """

    def __init__(self) -> None:
        prometheus = extras.require("serve", "prometheus_client")
        self._prometheus = prometheus
        self.registry = prometheus.CollectorRegistry()
        own = {"registry": self.registry}
        labels = ("method", "route", "status")
        self._requests = prometheus.Counter("vprkit_requests", "Requests answered.", labels, **own)
        self._seconds = prometheus.Histogram(
            "vprkit_request_seconds", "Seconds of a request, upload included.", ("route",), buckets=SECONDS, **own
        )
        self._batches = prometheus.Histogram(
            "vprkit_batch_size", "Questions answered together.", ("kind",), buckets=BATCHES, **own
        )
        self._answering = prometheus.Counter("vprkit_answering_seconds", "Seconds spent answering.", ("kind",), **own)
        self._described = prometheus.Counter("vprkit_described_images", "Photos described.", **own)
        self._kept = prometheus.Gauge("vprkit_map_images", "Photos of the map that answer.", **own)
        self._waiting = prometheus.Gauge("vprkit_waiting_questions", "Questions in the queue.", **own)
        self._working = prometheus.Gauge("vprkit_requests_in_work", "Requests that are not answered yet.", **own)

    def watch(self, waiting: Callable[[], float], working: Callable[[], float], images: Callable[[], float]) -> None:
        """Where the gauges are read."""
        self._waiting.set_function(waiting)
        self._working.set_function(working)
        self._kept.set_function(images)

    def batch(self, kind: type[Question], count: int, seconds: float) -> None:
        """A batch was answered."""
        name = kind.__name__.removesuffix("Question").lower()
        self._batches.labels(name).observe(count)
        self._answering.labels(name).inc(seconds)
        self._described.inc(count * kind.photos)

    def request(self, method: str, route: str, status: str, seconds: float) -> None:
        """A request was answered."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it."""
        written: bytes = self._prometheus.generate_latest(self.registry)
        return written

    @property
    def content_type(self) -> str:
        return str(self._prometheus.CONTENT_TYPE_LATEST)


class Counted:
    """ASGI layer that counts requests by the route that took them.

    Args:
        app: what answers.
        metrics: what counts.
    """

    def __init__(self, app: App, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start, status = time.perf_counter(), 0

        async def heard(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self.app(scope, receive, heard)
        finally:
            route = getattr(scope.get("route"), "path", NO_ROUTE)
            method = scope["method"] if route != NO_ROUTE else "any"
            self.metrics.request(method, route, str(status or UNANSWERED), time.perf_counter() - start)
