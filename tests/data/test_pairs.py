"""Pairs of places and of panoramas: who is drawn with whom, from which side, and what stands for a broken image."""

import numpy as np
import pytest
from PIL import Image

from tests.training.cells import name_of
from tests.training.small import Drawn
from vprkit.data.folders import records_of_names
from vprkit.data.grouped_images import group_images
from vprkit.data.groups import PAIR_VPR, PANORAMA, CosPlaceGrouping, crop_towards
from vprkit.data.members import Members
from vprkit.data.pairs import JoinedPairs, PlacePairs
from vprkit.data.panorama_pairs import PairViews, PanoramaPairs, accepted, signed_difference
from vprkit.errors import ConfigError, DataError


def cells(tmp_path, cells=3, images=12):
    """Panoramas along a street, in cells of 15 m."""
    rng = np.random.default_rng(1)
    names = []
    for number in range(cells * images):
        east, north = 550005 + 15 * (number // images) + rng.uniform(0, 14), 4180005 + rng.uniform(0, 14)
        names.append(name_of(east, north, number).replace("@000@", f"@{rng.integers(360):03d}@"))
    return group_images(records_of_names(tmp_path, names), PAIR_VPR)


def test_members_are_those_of_a_loop():
    labels = np.array([2, -1, 0, 2, 0, -1, 2])
    found = Members.of(labels, 4)
    assert [found.rows[a:b].tolist() for a, b in zip(found.starts, found.starts[1:], strict=False)] == [
        [2, 4], [], [0, 3, 6], []]  # fmt: skip
    drawn = found.draw_again(np.array([2, 0]), 50, np.random.default_rng(0))
    assert set(drawn[0]) == {0, 3, 6} and set(drawn[1]) == {2, 4}


def test_a_place_gives_two_different_images_of_its_own():
    places = Drawn(places=12, images=4)
    pairs = PlacePairs("places", places)
    seen = set()
    for seed in range(30):
        drawn = pairs.draw(np.random.default_rng(seed))
        assert drawn.shape == (12, 2) and (drawn[:, 0] != drawn[:, 1]).all()
        assert places.labels[drawn[:, 0]].tolist() == places.labels[drawn[:, 1]].tolist() == list(range(12))
        seen |= {tuple(pair) for pair in drawn}
    assert len(seen) > 12 * 10  # of 12 x 12 ordered pairs
    assert places.labels[pairs.another(7, np.random.default_rng(0))] == places.labels[7]


def test_differences_of_angles_wrap():
    rng = np.random.default_rng(0)
    one, other = rng.uniform(0, 360, 500), rng.uniform(0, 360, 500)
    for a, b, found in zip(one, other, signed_difference(one, other), strict=True):
        loop = a - b
        while loop > 180:
            loop -= 360
        while loop <= -180:
            loop += 360
        assert found == pytest.approx(loop)


def test_attempts_equal_the_published_loop():
    rng = np.random.default_rng(5)
    first = rng.uniform(0, 360, 400)
    candidates = (first[:, None] + rng.choice([0.0, 0.05, 0.5, 2.9, 3.0, 50.0, 50.1, 180.0], (400, 10))) % 360
    found = accepted(first, candidates, (3, 50))
    for row in range(400):
        for attempt in range(1, 11):
            apart = abs(float(signed_difference(candidates[row, attempt - 1 : attempt], first[row])[0]))
            if 3 <= apart <= 50 or (attempt >= 5 and apart > 0.1) or attempt == 10:
                break
        assert found[row] == attempt - 1


def test_panoramas_of_a_pair_face_one_point_from_different_sides(tmp_path):
    images = cells(tmp_path)
    pairs = PanoramaPairs("panoramas", images, PairViews())
    records, apart = images.records, []
    for seed in range(40):
        drawn = pairs.draw(np.random.default_rng(seed))
        image, column = np.divmod(drawn, PANORAMA)
        labels = images.grouped.labels[image]
        assert (labels == np.arange(3)[:, None]).all()
        # The column faces the bearing, so bearings come back from columns (to less than half a degree).
        crop = (column + 256 - ((180 - np.floor(records.heading[image])) % 360 / 360 * PANORAMA).astype(int)) % PANORAMA
        apart += np.abs(signed_difference(crop[:, 0] / PANORAMA * 360, crop[:, 1] / PANORAMA * 360)).tolist()
    inside = np.mean([2.5 <= angle <= 50.5 for angle in apart])
    assert inside > 0.85 and np.max(apart) > 20


def test_fixed_points_are_the_same_every_epoch_and_lie_at_the_least_distance(tmp_path):
    images = cells(tmp_path)
    pairs = PanoramaPairs("panoramas", images, PairViews(dynamic=False))
    east, north = (points[:, 0] for points in pairs._points(np.random.default_rng(0)))
    again = pairs._points(np.random.default_rng(1))
    assert (again[0][:, 0] == east).all()
    records, labels = images.records, images.grouped.labels
    for cell in range(3):
        inside = labels == cell
        distance = np.hypot(east[cell] - records.east[inside].mean(), north[cell] - records.north[inside].mean())
        assert distance == pytest.approx(10)


def test_another_panorama_looks_the_same_way(tmp_path):
    images = cells(tmp_path)
    records = images.records
    pairs = PanoramaPairs("panoramas", images, PairViews())
    far = (np.array([550020.0 + 1e7]), np.array([4180010.0 + 5e6]))
    column = int(crop_towards(records.heading[[4]], records.east[[4]], records.north[[4]], *far)[0])
    for seed in range(20):
        other, turned = divmod(pairs.another(4 * PANORAMA + column, np.random.default_rng(seed)), PANORAMA)
        assert images.grouped.labels[other] == images.grouped.labels[4]
        place = (records.heading[[other]], records.east[[other]], records.north[[other]])
        wanted = int(crop_towards(*place, *far)[0])
        assert min((turned - wanted) % PANORAMA, (wanted - turned) % PANORAMA) <= 2


def test_a_view_is_the_part_of_the_panorama(tmp_path):
    images = cells(tmp_path)
    pixels = np.arange(208, dtype=np.uint8)[None, :, None].repeat(32, 0).repeat(3, 2)
    path = images.records.path(2)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path.with_suffix(".png"))
    path.with_suffix(".png").rename(path)
    photo = PanoramaPairs("panoramas", images, PairViews()).photo(2 * PANORAMA + 1600)
    assert photo.size == (32, 32) and np.asarray(photo)[0, 0, 0] == 100


def test_joined_sources_keep_their_views_apart(tmp_path):
    first, second = PlacePairs("places", Drawn(places=4)), PanoramaPairs("panoramas", cells(tmp_path), PairViews())
    third = PlacePairs("places", Drawn(places=2, seed=1))
    joined = JoinedPairs([first, second, third])
    drawn = joined.draw(np.random.default_rng(3))
    assert len(joined) == 9 == len(drawn) and joined.views == 16 + second.views + 8
    assert (
        joined.source_of(drawn[:, 0]).tolist() == joined.source_of(drawn[:, 1]).tolist() == [0] * 4 + [1] * 3 + [2] * 2
    )
    assert (joined.photo(drawn[-1, 0]) == third.photo(drawn[-1, 0] - 16 - second.views)).all()
    view = int(drawn[5, 1])
    assert joined.source_of(np.array([joined.another(view, np.random.default_rng(0))])) == 1
    assert joined.fingerprint() != JoinedPairs([first, third]).fingerprint()


def test_what_cannot_be_paired(tmp_path):
    with pytest.raises(ConfigError, match="views.angles must be two rising numbers"):
        PairViews(angles=(50, 3))
    few = group_images(cells(tmp_path).records, CosPlaceGrouping(15, 0, 1, 1, 100))
    with pytest.raises(DataError, match="no cell has 100 panoramas; lower min_images"):
        PanoramaPairs("panoramas", few, PairViews())
    names = [name_of(550005 + number, 4180005, number).replace("@000@", "@@") for number in range(6)]
    with pytest.raises(DataError, match="6 of 6 panoramas tell no heading"):
        PanoramaPairs("panoramas", group_images(records_of_names(tmp_path, names), PAIR_VPR), PairViews())
