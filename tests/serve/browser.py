"""A headless Chromium, and services inside this process for it to look at; for the tests and the screenshots."""

import contextlib
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from vprkit.retrieval.map import Map
from vprkit.serve.app import create_app
from vprkit.serve.running import address_of, listening, server_of
from vprkit.serve.settings import ServeSettings

CHROMIUM = Path("/usr/bin/chromium")

ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip


def missing() -> str:
    """Why no browser can be used here; empty where one can."""
    try:
        import playwright.sync_api  # noqa: F401
    except ImportError:
        return "playwright is not installed"
    return "" if CHROMIUM.exists() else f"no browser is installed: {CHROMIUM} is missing (apt-get install chromium)"


@contextlib.contextmanager
def browser(**options) -> Iterator:
    """A browser with an empty profile; options are those of playwright's contexts."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=str(CHROMIUM), args=list(ARGUMENTS), **options
        )
        try:
            yield context
        finally:
            context.close()


@contextlib.contextmanager
def hosted(place_map: Map, **settings) -> Iterator[str]:
    """The service in a thread of this process; gives its address."""
    chosen = ServeSettings(port=0, **settings)
    with listening(chosen) as bound:
        server = server_of(create_app(place_map, chosen), chosen)
        thread = threading.Thread(target=server.run, args=([bound],), daemon=True)
        thread.start()
        try:
            yield address_of(bound)
        finally:
            server.should_exit = True
            thread.join(20)


WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 360, "height": 740}


def give(page, photo: bytes, name: str = "photo.png", kind: str = "image/png") -> None:
    page.set_input_files("#photo", {"name": name, "mimeType": kind, "buffer": photo})


def until(page, expression: str) -> None:
    """Wait for a condition; playwright's own way wants what the page's content policy forbids."""
    for _ in range(300):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"in vain: {expression}")


def answered(page, count: int = 5) -> None:
    until(page, f"document.querySelectorAll('#hits .hit img').length === {count}")


def redrawn(page, before: bytes) -> bytes:
    """Another picture of the page than `before`, once there is one."""
    for _ in range(100):
        after: bytes = page.screenshot()
        if after != before:
            return after
        page.wait_for_timeout(50)
    raise AssertionError("the page looks as it did")
