"""A served map that others write: what is looked at to see that it has changed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import at_name, picture
from vprkit.loading import load_method
from vprkit.retrieval.map import Map
from vprkit.serve import following


def test_an_index_that_comes_after_its_photos_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`vpr map add` commits photos first and extends the fast index then: in between the map answers exactly."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        Image.fromarray(picture(number)).save(photos / at_name(400_000 + 100 * number, 5e6, name=str(number)))
    place_map = Map.build(photos, load_method("thumbnail"), tmp_path / "map")
    served = following.Following(place_map)
    monkeypatch.setattr(following, "LOOK_EVERY", 0.0)
    assert served.latest() is place_map
    (place_map.folder / "index").mkdir()
    (place_map.folder / "index" / "fast.json").write_text("{}")
    opened = served.latest()
    assert opened is not place_map and np.array_equal(opened.live, place_map.live)
    assert served.latest() is opened
