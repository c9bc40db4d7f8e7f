"""Classes and groups of SF-XL against loops, and panorama crops against the city that is drawn with them."""

import numpy as np
import pytest

from vprkit.data.city.layouts.sfxl import column_of
from vprkit.data.groups import COSPLACE, EIGENPLACES, PAIR_VPR, CosPlaceGrouping, crop_towards
from vprkit.errors import ConfigError, DataError


@pytest.mark.parametrize("grouping", [COSPLACE, EIGENPLACES, PAIR_VPR, CosPlaceGrouping(7, 45, 3, 3, 2)])
def test_classes_and_groups_equal_loops(grouping):
    rng = np.random.default_rng(4)
    east, north = rng.uniform(-60, 60, 3000), rng.uniform(-60, 60, 3000)
    heading = rng.integers(-20, 380, 3000).astype(float)
    found = grouping.group(east, north, heading)
    m, a, n, sectors = grouping.metres, grouping.degrees, grouping.cells, grouping.sectors
    members: dict[tuple[int, int, int], list[int]] = {}
    for row in range(3000):
        corner = [int(east[row] // m * m), int(north[row] // m * m), int(heading[row] // a * a) if a else 0]
        members.setdefault((corner[0], corner[1], corner[2]), []).append(row)
    kept = {key: rows for key, rows in members.items() if len(rows) >= grouping.min_images}
    assert [tuple(row) for row in found.classes.tolist()] == sorted(kept)
    numbers: dict[tuple[int, int, int], int] = {}
    for row in range(3000):
        key = next((key for key, rows in kept.items() if row in rows), None) if found.labels[row] >= 0 else None
        if key is None:
            assert found.group_of_image[row] == -1
            continue
        assert tuple(found.classes[found.labels[row]]) == key
        part = (key[0] % (m * n) // m, key[1] % (m * n) // m, key[2] % (a * sectors) // a if a else 0)
        assert found.group_of_image[row] == numbers.setdefault(part, len(numbers))
    assert found.groups == len(numbers)


def test_crops_face_the_point_with_90_as_east():
    rng = np.random.default_rng(2)
    east, north, heading = rng.uniform(0, 50, 100), rng.uniform(0, 50, 100), rng.integers(0, 360, 100)
    columns = crop_towards(heading, east, north, 20.0, 30.0)
    assert columns.tolist() == [
        column_of(float(h), float(e), float(n), 20.0, 30.0) for h, e, n in zip(heading, east, north, strict=True)
    ]


def test_what_cannot_be_grouped():
    nothing = np.array([np.nan])
    with pytest.raises(DataError, match="1 of 1 images have no position"):
        COSPLACE.group(nothing, nothing, np.zeros(1))
    with pytest.raises(DataError, match="1 of 1 images have no heading"):
        COSPLACE.group(np.zeros(1), np.zeros(1), nothing)
    with pytest.raises(ConfigError, match="positive whole numbers"):
        CosPlaceGrouping(metres=0)
