"""What the renderer draws: perspective, bounded memory, descriptions that tell places apart, honest difficulty."""

import csv
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from vprkit.data.city import make_city
from vprkit.data.city.camera import panorama, pinhole
from vprkit.data.city.raster import Buffer, Quads, draw
from vprkit.data.city.textures import WALL, Texture, TextureCache, build_texture


def _plain(width: float, height: float) -> Texture:
    texels = np.full((32, 32, 4), (200, 100, 50, WALL), np.uint8)
    return build_texture(texels, width, height)


def _wall(x0: float, x1: float, y: float, height: float) -> Quads:
    one = np.ones(1, np.float32)
    ends = np.array([[x0, y]], np.float32), np.array([[x1, y]], np.float32)
    return Quads(*ends, one * 0, one * height, one * height, np.full(1, 3, np.uint8))


def test_a_wall_has_the_height_and_width_of_perspective() -> None:
    camera = pinhole(0, 0, 1.6, 0, 200, 90, 0.5, oversample=1)
    buffer = Buffer.empty(camera)
    draw(camera, buffer, _wall(-3, 3, 12, 6), lambda n, t: _plain(6, 6))
    rows, columns = np.flatnonzero(buffer.texels.any(axis=1)), np.flatnonzero(buffer.texels.any(axis=0))
    focal = 100  # half the width at 90 degrees
    assert abs((rows[-1] - rows[0] + 1) - focal * 6 / 12) <= 1
    assert abs((columns[-1] - columns[0] + 1) - focal * 6 / 12) <= 1
    assert abs((100 - rows[0]) - focal * (6 - 1.6) / 12) <= 1


def test_near_walls_hide_far_ones_in_any_order() -> None:
    camera = pinhole(0, 0, 1.6, 0, 64, 70, 0.5)
    near, far = _wall(-4, 4, 10, 3), _wall(-40, 40, 20, 30)
    for first, second in ((near, far), (far, near)):
        both = Quads(*(np.concatenate([getattr(q, f) for q in (first, second)]) for f in Quads.__dataclass_fields__))
        buffer = Buffer.empty(camera)
        draw(camera, buffer, both, lambda n, t: _plain(8, 8))
        middle = buffer.depth[:, 64]
        assert {10.0, 20.0} == {float(v) for v in np.unique(middle[np.isfinite(middle)])}
        assert middle[64] == 10 and middle[10] == 20


def test_a_panorama_turns_clockwise_around_its_heading() -> None:
    camera = panorama(0, 0, 1.6, 30, (64, 360), 360)
    assert abs(camera.turn[180] - 30.5) < 0.01 and abs(camera.turn[270] - 120.5) < 0.01
    east = int(np.argmin(np.abs(camera.turn - 90)))
    assert camera.directions[0, east] > 0.99


def test_the_texture_cache_is_bounded_in_bytes() -> None:
    cache = TextureCache(limit=20_000)
    made = []

    def make(number: int) -> Texture:
        made.append(number)
        return _plain(1, 1)

    for number in range(50):
        cache.get(number, lambda number=number: make(number))  # type: ignore[misc]
        cache.get(number, lambda number=number: make(number))  # type: ignore[misc]
    assert made == list(range(50)) and cache.nbytes <= 20_000


@pytest.fixture(scope="module")
def test_split(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("difficulty")
    make_city(out, places=20, views=8, seed=1, size=64, conditions=("day", "night"), workers=1)
    return out / "images/test"


def _rows(root: Path, role: str) -> list[dict[str, str]]:
    with (root / f"{role}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _thumbnail(path: Path) -> npt.NDArray[np.float32]:
    with Image.open(path) as image:
        grey = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.BOX), np.float32).ravel()
    grey = grey - grey.mean()
    return np.asarray(grey / np.linalg.norm(grey), np.float32)


def test_night_is_hard_for_a_thumbnail_and_day_is_easier(test_split: Path) -> None:
    database, queries = _rows(test_split, "database"), _rows(test_split, "queries")
    known = np.stack([_thumbnail(test_split / row["path"]) for row in database])
    asked = np.stack([_thumbnail(test_split / row["path"]) for row in queries])
    best = (asked @ known.T).argmax(axis=1)
    right = np.array([database[n]["place"] == row["place"] for n, row in zip(best, queries, strict=True)])
    night = np.array([row["condition"] == "night" for row in queries])
    assert 0.04 < right[night].mean() < 0.6
    assert right[~night].mean() > right[night].mean() + 0.1


def test_night_is_dark(test_split: Path) -> None:
    levels: dict[str, list[float]] = {"day": [], "night": []}
    for row in _rows(test_split, "queries"):
        with Image.open(test_split / row["path"]) as image:
            levels[row["condition"]].append(float(np.asarray(image.convert("L")).mean()))
    assert np.mean(levels["night"]) < 0.5 * np.mean(levels["day"])


def test_descriptions_name_the_condition_and_tell_places_apart(test_split: Path) -> None:
    words = {"night": ("night",), "day": ("day",)}
    texts = []
    for row in _rows(test_split, "queries") + _rows(test_split, "database"):
        assert any(word in row["text"].lower() for word in words[row["condition"]])
        assert 20 < len(row["text"]) <= 256 and row["text"].endswith(".")
        texts.append((row["place"], row["text"]))
    assert len({text for _, text in texts}) > 0.98 * len(texts)
    openings = {text.split(" with ")[0].split(":")[0].split(" showing ")[0] for _, text in texts}
    assert len(openings) > 8
