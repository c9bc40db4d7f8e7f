"""Maps that are served, and clients of them."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import vprkit
from tests.conftest import picture
from tests.serve.browser import WIDE, browser, hosted
from vprkit.retrieval.map import Map
from vprkit.serve.app import create_app
from vprkit.serve.settings import Limits, ServeSettings

HERE = "http://127.0.0.1"


def client_of(place_map: Map, limits: Limits | None = None, **settings) -> TestClient:
    return TestClient(create_app(place_map, ServeSettings(limits=limits or Limits(), **settings)), base_url=HERE)


def encoded(pixels: np.ndarray, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def view(place: int, form: str = "PNG", seed: int = 1) -> bytes:
    """A photo of a place of the served map, on another day."""
    return encoded(picture(place, noise=10.0, noise_seed=seed), form)


@pytest.fixture(scope="package")
def folder(tmp_path_factory, shared_set) -> Path:
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="package")
def city(folder, shared_set, hog) -> Map:
    return Map.build(shared_set / "database", hog, folder / "city.map")


@pytest.fixture(scope="package")
def client(city) -> TestClient:
    return client_of(city)


@pytest.fixture(scope="package")
def matching(folder, shared_set) -> Map:
    """A map whose method has a second stage that matches cells."""
    selavpr = vprkit.load_method("selavpr", "random:3", size="S", depth=1, table_size=56, local_mid_channels=16,
                                 local_channels=8, resize=56, device="cpu")  # fmt: skip
    return Map.build(shared_set / "database", selavpr, folder / "matching.map", local="float16")


@pytest.fixture(scope="package")
def captioned(folder) -> Map:
    """Four photos with captions, 100 m apart."""
    root = folder / "captioned"
    root.mkdir()
    captions = {
        "church": "A red-brick church beside a petrol station, broad trees.",
        "bakery": "A bakery under a blue awning in a narrow street at night.",
        "harbour": "Sailing boats in a harbour, a white lighthouse behind them.",
        "tower": "",
    }
    lines = ["image_path,description"]
    for number, (name, caption) in enumerate(captions.items()):
        file = f"@{550000 + 100 * number:010.2f}@4180000.00@10@S@@@{name}@@@@@@@{('day', 'night')[number % 2]}@.png"
        Image.fromarray(picture(number)).save(root / file)
        lines.append(f'captioned/{file},"{caption}"')
    (folder / "texts.csv").write_text("\n".join(lines) + "\n")
    records = vprkit.data.benchmark.open_records(root, texts=folder / "texts.csv")
    return Map.build(records, vprkit.load_method("thumbnail"), folder / "captioned.map")


def locate(client, photo: bytes, **fields):
    return client.post("/locate", files={"image": ("photo.png", photo)}, data=fields)


def sentence(answer, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"error"}
    return answer.json()["error"]


@pytest.fixture(scope="module")
def chromium():
    with browser(viewport=WIDE, reduced_motion="reduce") as context:
        yield context


@pytest.fixture(scope="module")
def address(city):
    with hosted(city, limits=Limits(upload_mb=1)) as url:
        yield url


@pytest.fixture
def opened(chromium):
    """Opens the page of an address; at the end nothing may have gone wrong in it."""
    pages, wrong = [], []

    def page_of(url: str, ready: bool = True, viewport=WIDE):
        page = chromium.new_page()
        page.set_default_timeout(15_000)
        page.set_viewport_size(viewport)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        page.goto(url)
        if ready:
            page.wait_for_selector("body[data-ready]")
        pages.append(page)
        return page

    yield page_of
    for page in pages:
        page.close()
    assert not wrong
