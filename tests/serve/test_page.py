"""The page in a real, headless Chromium: it loads, is asked, answers, and says what is wrong."""

import base64
import json
from importlib import resources

import pytest
from PIL import Image

from tests.conftest import picture
from tests.serve.browser import answered, give, hosted, missing, until
from tests.serve.conftest import view
from vprkit.retrieval.locate import ESTIMATE_FROM
from vprkit.retrieval.location import AGREEMENT_METRES
from vprkit.retrieval.map import Map

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing() or "a browser is here")


INK = """(() => {
    const canvas = document.getElementById("map");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) if (data[i] + data[i + 1] + data[i + 2] < 600) count += 1;
    return count;
})()"""
"""Pixels of the map that are neither ground nor grid."""


def test_the_page_loads_and_asks_nobody_else(chromium, address, opened):
    asked = []
    listening = lambda request: asked.append(request.url)  # noqa: E731
    chromium.on("request", listening)
    page = opened(address)
    assert page.title() == "Where is this? · city.map"
    assert page.inner_text("#map-facts") == "8 photos · hog" and page.is_hidden("#text-row")
    page.wait_for_load_state("networkidle")
    chromium.remove_listener("request", listening)
    until(page, f"{INK} > 50")
    assert len(asked) > 10 and all(url.startswith((address, "blob:")) for url in asked)


def test_a_photo_is_answered(address, opened, city):
    page = opened(address)
    until(page, f"{INK} > 50")
    bare = page.evaluate(INK)
    photo = view(3)
    give(page, photo)
    answered(page)
    wanted = city.locate(photo)
    assert page.get_attribute("#hits .hit >> nth=0", "data-id") == str(wanted[0].row)
    assert f"Score {wanted[0].score:.4g}" in page.inner_text("#hits .hit >> nth=0")
    estimate = wanted.estimate
    spread = f"spread {estimate.spread_m:.1f} m"
    assert estimate.hits == 3 and f"of the best 8 hits, 3 lie within 50 m, {spread}" in page.inner_text("#verdict")
    assert page.inner_text("#position") == f"{estimate.latitude:.5f}, {estimate.longitude:.5f}"
    assert page.inner_text("#status") == "5 hits, the best first." and page.is_hidden("#problem")
    assert page.is_hidden("#progress") and page.is_visible("#preview")
    assert page.get_attribute("#map", "aria-label").startswith("Map: 5 hits, position 45.")
    until(page, f"{INK} > {bare + 500}")  # badges
    page.select_option("#top", "10")
    page.click("#go")
    answered(page, 8)
    page.click("#clear")
    assert page.is_disabled("#go")


def test_the_page_speaks_of_as_many_hits_as_a_position_is_estimated_from():
    script = resources.files("vprkit.serve").joinpath("page/answer.js").read_text()
    assert f"const ESTIMATE_FROM = {ESTIMATE_FROM};" in script and f"within {AGREEMENT_METRES:g} m" in script


@pytest.mark.parametrize("how", ["drop", "paste"])
def test_photos_are_dropped_and_pasted(address, opened, how):
    page = opened(address)
    page.evaluate(
        """([how, text]) => {
            const bytes = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
            const files = new DataTransfer();
            files.items.add(new File([bytes], "street.png", { type: "image/png" }));
            const event = how === "drop" ? new DragEvent("drop", { dataTransfer: files, bubbles: true })
                : new ClipboardEvent("paste", { clipboardData: files, bubbles: true });
            document.querySelector("main").dispatchEvent(event);
        }""",
        [how, base64.b64encode(view(5)).decode()],
    )
    answered(page)
    assert page.inner_text("#photo-name") == "street.png"
    assert "@d5@" in page.get_attribute("#hits .hit-name >> nth=0", "title")


def test_what_is_wrong_is_said(address, opened):
    page = opened(address)
    give(page, view(1))
    answered(page)
    give(page, b"no photo at all")
    page.wait_for_selector("#problem:not([hidden])")
    assert page.inner_text("[role=alert]").startswith("The photo: not a picture that can be read")
    assert page.is_hidden("#answer") and page.is_hidden("#progress") and not page.inner_text("#status")
    give(page, b"x" * 1_100_000, "large.jpg")
    assert page.inner_text("#problem") == "large.jpg has 1.1 MB; at most 1 MB are read."
    give(page, view(1))
    answered(page)
    assert page.is_hidden("#problem")


def test_a_service_that_is_gone_is_said(opened, city):
    with hosted(city) as url:
        page = opened(url)
    give(page, view(1))
    page.wait_for_selector("#problem:not([hidden])")
    assert "cannot be reached" in page.inner_text("#problem")


def test_an_unknown_place_is_said_to_be_one(address, opened):
    page = opened(address, ready=False)

    def unsure(route):
        body = route.fetch().json()
        changes = {"reject": 0.5} if route.request.url.endswith("about") else {"confidence": 0.12, "known": False}
        route.fulfill(json={**body, **changes})

    page.route("**/about", unsure)
    page.route("**/locate", unsure)
    page.goto(address)
    page.wait_for_selector("body[data-ready]")
    give(page, view(1))
    answered(page)
    said = page.inner_text("#verdict")
    assert (
        said.startswith("I do not know this place.")
        and "only 12\u00a0% sure" in said
        and "50\u00a0% are wanted" in said
    )
    assert page.get_attribute("#verdict [role=meter]", "aria-valuenow") == "12"
    assert page.evaluate("document.querySelector('.share.low div').offsetWidth") > 10
    assert page.inner_text("#status") == "I do not know this place."


def test_a_token_is_asked_for_and_kept(opened, city):
    with hosted(city, token="the-right-token") as url:
        page = opened(url, ready=False)
        for given, title in (("wrong-token", "That was not the token."), ("the-right-token", None)):
            page.wait_for_selector("#token-dialog[open]")
            page.fill("#token", given)
            page.keyboard.press("Enter")
            if title:
                until(page, f"document.getElementById('token-said').textContent === '{title}'")
        page.wait_for_selector("body[data-ready]")
        give(page, view(1))
        answered(page)  # its pictures too
        page.reload()
        page.wait_for_selector("body[data-ready]")
        assert page.is_hidden("#token-dialog")


def test_sentences_are_asked(opened, captioned):
    with hosted(captioned) as url:
        page = opened(url)
        page.fill("#text", "a place that sells bread")
        page.click("#go")
        answered(page, 3)
        assert "bakery" in page.inner_text("#hits .hit >> nth=0").lower()
        page.click("#hits .hit >> nth=0")
        page.wait_for_selector("#compare blockquote")
        assert page.inner_text("#compare blockquote") == "a place that sells bread"
        tall = "document.querySelector('#compare blockquote').offsetHeight"
        until(page, f"{tall} > 0.8 * document.querySelector('#compare img').offsetHeight")


def test_what_was_not_used_is_said(opened, captioned):
    with hosted(captioned) as url:
        page = opened(url)
        give(page, view(1))
        answered(page, 4)
        page.fill("#text", "a place that sells bread")
        page.click("#go")
        answered(page, 3)
        alone = "because thumbnail does not join the two."
        assert page.inner_text("#status") == f"3 hits for the sentence; the photo was not used, {alone}"
        give(page, view(2))
        answered(page, 4)
        assert page.inner_text("#status") == f"4 hits for the photo; the sentence was not used, {alone}"
        page.click("#go")
        until(page, "document.getElementById('status').textContent === '4 hits, the best first.'")


def test_names_and_times_are_shortened(address, opened):
    page = opened(address)
    name = "a/@0373503.39@5121396.03@32@T@046.23437@0007.35941@p00001v000@00@325@@@@20230510_152540@day@.jpg"
    written = {
        "20230510_152540": "10 May 2023, 15:25", "2023-05-10T15:25:40": "10 May 2023, 15:25", "20231209": "9 Dec 2023",
        "201305": "May 2013", "20231340": "20231340", "in spring": "in spring",
    }  # fmt: skip
    short = {
        name: "p00001v000 · 325° · 10 May 2023, 15:25 · day",
        "a/@1@2@.jpg": "a/@1@2@.jpg",
        "b/c@d.jpg": "b/c@d.jpg",
    }
    for function, wanted in (("readableTime", written), ("shortName", short)):
        told = page.evaluate(
            f"(all) => import('./page/labels.js').then((labels) => all.map(labels.{function}))", list(wanted)
        )
        assert told == list(wanted.values())
    give(page, view(5))
    answered(page)
    hit = page.locator("#hits .hit-name").nth(0)
    assert hit.inner_text() == "d5" and "@d5@" in hit.get_attribute("title")


def test_names_are_never_markup_and_no_map_is_drawn_without_positions(opened, folder, hog):
    root = folder / "markup"
    root.mkdir()
    name = "<img src=x onerror=document.title='taken'>.png"
    Image.fromarray(picture(1)).save(root / name)
    with hosted(Map.build(root, hog, folder / "markup.map")) as url:
        page = opened(url)
        assert "have no positions" in page.inner_text("#map-note")
        give(page, view(1))
        answered(page, 1)
        assert page.inner_text(".hit-name") == name and "no position" in page.inner_text("#hits .hit")
        assert page.title() == "Where is this? · markup.map"
        page.goto(url + "docs")
        assert json.loads(page.evaluate("fetch('openapi.json').then((one) => one.text())"))["openapi"]
        assert page.inner_text("h1") == "A place map" and page.locator("main section").count() >= 9
