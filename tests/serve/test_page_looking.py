"""Looking around in the page, in headless Chromium: map, hits side by side, keyboard, mouse, fingers, phones."""

import numpy as np
import pytest

from tests.serve.browser import PHONE, answered, give, hosted, missing, redrawn, until
from tests.serve.conftest import encoded, view
from vprkit.serve.settings import Tiles

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "a browser is here")


def test_hits_are_compared_side_by_side(address, opened):
    page = opened(address)
    give(page, view(2))
    answered(page)
    page.click("#hits .hit >> nth=0")
    page.wait_for_selector("#compare-pictures img >> nth=1")
    assert page.inner_text("#compare-title") == "Hit 1 of 5"
    widths = page.eval_on_selector_all("#compare-pictures img", "all => all.map((one) => one.naturalWidth)")
    assert widths == [64, 64]
    assert "hog, matches no points" in page.inner_text("#compare-said")
    assert "@d2@" in page.inner_text("#compare-facts") and page.is_disabled("#compare-before")
    page.keyboard.press("ArrowRight")
    until(page, "document.getElementById('compare-title').textContent === 'Hit 2 of 5'")
    page.keyboard.press("Escape")
    assert page.is_hidden("#compare")


def test_matches_are_drawn_where_the_method_has_them(matching, opened):
    with hosted(matching) as url:
        page = opened(url)
        assert page.is_visible("#rerank-row")
        page.check("#rerank")
        give(page, view(2))
        answered(page)
        page.click("#hits .hit >> nth=0")
        page.wait_for_selector("#compare-pictures .whole img")
        until(page, "document.querySelector('#compare-pictures img').naturalWidth === 960")
        assert " matches, " in page.inner_text("#compare-said")


def test_the_keyboard_is_enough(address, opened):
    page = opened(address)
    give(page, view(6))
    answered(page)
    page.focus("#fit")
    before = page.screenshot()
    page.focus("#map")
    for key in ("+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    redrawn(page, before)
    page.keyboard.press("1")
    page.wait_for_selector("#compare[open]")
    page.keyboard.press("2")
    assert page.inner_text("#compare-title") == "Hit 1 of 5"
    page.keyboard.press("Escape")
    page.focus("#top")
    page.keyboard.press("2")
    assert page.is_hidden("#compare")
    page.evaluate("document.activeElement.blur()")  # digits count wherever nothing is typed
    page.keyboard.press("2")
    page.wait_for_selector("#compare[open]")
    assert page.inner_text("#compare-title") == "Hit 2 of 5"
    page.keyboard.press("Escape")
    reached = set()
    page.evaluate("document.activeElement.blur(); document.querySelector('.skip').focus()")
    for _ in range(24):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.classList[0]"))
    assert {"photo", "top", "go", "map", "zoom-in", "fit", "hit"} <= reached


def test_the_mouse_moves_and_zooms_the_map(address, opened):
    page = opened(address)
    give(page, view(4))
    answered(page)
    frame = page.locator("#map").bounding_box()
    left, top = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    page.mouse.move(left, top)
    page.wait_for_timeout(100)
    seen = page.screenshot()
    page.mouse.wheel(0, -300)
    seen = redrawn(page, seen)
    page.mouse.down()
    page.mouse.move(left + 150, top + 60, steps=3)
    page.mouse.up()
    redrawn(page, seen)
    assert page.is_hidden("#compare")


def test_fingers_move_and_zoom_the_map(chromium, address, opened):
    page = opened(address, viewport=PHONE)
    frame = page.locator("#map").bounding_box()
    left, top = frame["x"] + 100, frame["y"] + 150
    line = chromium.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        line.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y} for x, y in points]})

    seen = page.screenshot()
    for moves in (
        [[(left, top)], [(left + 60, top + 20)]],
        [[(left, top), (left + 40, top)], [(left - 50, top), (left + 120, top)]],
    ):
        touch("touchStart", *moves[0])
        touch("touchMove", *moves[1])
        touch("touchEnd")
        seen = redrawn(page, seen)
    assert page.evaluate("window.scrollY") == 0


def test_a_phone_has_room_for_all(address, opened):
    page = opened(address, viewport=PHONE)
    give(page, view(1), name="@" * 200 + ".png")
    answered(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    small = page.eval_on_selector_all(
        "button", "all => all.filter((one) => one.offsetParent && one.offsetHeight < 40).map((one) => one.id)"
    )
    assert small == []
    until(page, "window.scrollY > 100")  # the answer came into view
    page.click("#hits .hit >> nth=0")
    page.wait_for_selector("#compare-pictures img >> nth=1")
    assert page.evaluate("document.getElementById('compare').scrollWidth") <= 360


def test_the_manual_fits_a_phone(address, opened):
    page = opened(address, ready=False, viewport=PHONE)
    page.goto(address + "docs")
    wide = "all => all.filter((one) => one.scrollWidth > one.clientWidth).length"
    assert page.eval_on_selector_all(".scroll", wide) == 0 and page.locator(".scroll").count() > 9
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_street_tiles_come_only_when_wanted(opened, city):
    tile = encoded(np.full((256, 256, 3), (250, 200, 60), np.uint8))
    asked = []
    with hosted(city, tiles=Tiles("https://tiles.example/{z}/{x}/{y}.png", "© the makers")) as url:
        page = opened(url)

        def answer(route):
            asked.append(route.request.url)
            route.fulfill(body=tile, content_type="image/png")

        page.route("https://tiles.example/**", answer)
        page.wait_for_timeout(200)
        assert not asked and page.is_hidden("#attribution")
        page.check("#tiles")
        until(
            page,
            """() => {
            const canvas = document.getElementById("map");
            const image = document.createElement("canvas").getContext("2d");
            image.drawImage(canvas, 0, 0);
            try { image.getImageData(0, 0, 1, 1); return false; } catch { return true; }  // another site's pixels
        }""",
        )
        assert page.inner_text("#attribution") == "© the makers" and 4 <= len(asked) < 60
        assert all(url.startswith("https://tiles.example/") for url in asked)
