import json
from pathlib import Path

import numpy as np
import pytest

from vprkit.data.layouts.gsv_cities import CITIES, file_name, order_of
from vprkit.data.places import CustomPlaces, join_places, open_places
from vprkit.data.sampling import PlaceSampler, PlaceSampling
from vprkit.errors import ConfigError, DataError

FIXTURE = Path(__file__).parent / "gsv_cities"
EXPECTED = json.loads((FIXTURE / "expected.json").read_text())


def base_names(places):
    return [name.split("/")[-1] for name in places.records.names]


def test_names_labels_and_existence():
    places = open_places(FIXTURE, min_images=1, groups=EXPECTED["city_order"])
    for position, city in enumerate(EXPECTED["city_order"]):
        names = np.array(base_names(places))[places.groups == position]
        assert names.tolist() == EXPECTED["image_names_in_csv_row_order"][city]
    assert all(record.path.is_file() for record in places.records)
    assert places.records[0].heading == 117


@pytest.mark.parametrize("least", [2, 4])
def test_small_places_are_dropped(least):
    places = open_places(FIXTURE, min_images=least, groups=EXPECTED["city_order"])
    truth = EXPECTED["min_images"][str(least)]
    assert len(places) == truth["images"]
    assert places.places.tolist() == truth["place_ids_sorted_with_city_prefix"]


def test_the_newest_images():
    places = open_places(FIXTURE, min_images=2, groups=EXPECTED["city_order"]).newest(2)
    for label, names in EXPECTED["two_newest_images_per_place"].items():
        found = [
            name for name, mine in zip(base_names(places), places.labels, strict=True) if mine % 100000 == int(label)
        ]
        assert not found or sorted(names) == sorted(found)
    assert len(places) == 2 * len(places.places)


def test_cities_keep_the_published_order():
    assert order_of(["PRS", "Zurich", "Bangkok", "Aachen"]) == ["Bangkok", "PRS", "Aachen", "Zurich"]
    assert len(CITIES) == 23
    places = open_places(FIXTURE, min_images=1)
    assert places.labels[places.groups == 0].max() < 100_000
    assert base_names(places)[0].startswith("Medellin")  # before London and PRS


def test_names_of_numbers():
    row = {"place_id": 500013, "year": 2015, "month": 11, "northdeg": 584, "city_id": "Boston"}
    row |= {"lat": 42.36, "lon": -1.28e-05, "panoid": "x_y"}
    assert file_name(row) == "Boston_0000013_2015_11_584_42.36_-1.28e-05_x_y.jpg"


@pytest.fixture
def town(tmp_path):
    (tmp_path / "Images").mkdir()
    (tmp_path / "Dataframes").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("place_id,year\n1,2\n", "Oslo.csv: needs the columns.*'month' is missing"),
        ("place_id,year,month,northdeg,city_id,lat,lon,panoid\nx,1,1,1,O,1,1,p\n", "line 2, column place_id: 'x'"),
        ("place_id,year,month,northdeg,city_id,lat,lon,panoid\n1,1,1,1,O,1,?,p\n", "line 2, column lon: '\\?'"),
        ("place_id,year,month,northdeg,city_id,lat,lon,panoid\n1,1,1,1,../O,1,1,p\n", "does not stay inside"),
    ],
)
def test_bad_tables_are_named(town, table, message):
    (town / "Dataframes" / "Oslo.csv").write_text(table)
    with pytest.raises(DataError, match=message):
        open_places(town, min_images=1)


def test_what_is_missing_is_named(town):
    with pytest.raises(DataError, match="holds no <City>.csv"):
        open_places(town)
    with pytest.raises(DataError, match="did you mean 'London'"):
        open_places(FIXTURE, groups=["Londn"])
    with pytest.raises(DataError, match="no place has 99 images"):
        open_places(FIXTURE, min_images=99)
    with pytest.raises(DataError, match="no known training layout"):
        open_places(town / "Images")


@pytest.fixture(scope="module")
def places():
    return open_places(FIXTURE, min_images=2)


def sampler(table, **options):
    return PlaceSampler(table, PlaceSampling(**{"places": 4, "images": 2, **options}))


def test_an_epoch_holds_every_place_once(places):
    batches = list(sampler(places).epoch(0))
    assert [len(batch) for batch in batches] == [4, 4, 4, 3] and len(sampler(places)) == 4
    labels = places.labels[np.concatenate(batches)]
    assert (labels[:, 0] == labels[:, 1]).all()
    assert sorted(labels[:, 0].tolist()) == places.places.tolist()
    assert all(len(set(row)) == 2 for row in np.concatenate(batches).tolist())
    assert len(list(sampler(places, drop_last=True).epoch(0))) == 3


def test_draws_depend_on_seed_and_epoch_alone(places):
    def rows(epoch, **options):
        return np.concatenate(list(sampler(places, **options).epoch(epoch))).tolist()

    assert rows(3) == rows(3)
    assert rows(3) != rows(4)
    assert rows(3) != rows(3, seed=1)
    assert rows(3, places=5) == rows(3)  # another batch size cuts the same order elsewhere


def test_batches_stay_inside_cities_or_mix(places):
    groups = places.groups[np.concatenate(list(sampler(places).epoch(1)))[:, 0]]
    assert (np.diff(groups) >= 0).all()
    mixed = places.groups[np.concatenate(list(sampler(places, within_groups=False).epoch(1)))[:, 0]]
    assert (np.diff(mixed) < 0).any()


def test_the_newest_instead_of_drawn(places):
    drawn = np.concatenate(list(sampler(places, newest=True).epoch(5)))
    newest = places.newest(2)
    assert sorted(base_names(places.take(drawn.ravel()))) == sorted(base_names(newest))


def test_all_images_of_a_place_are_drawn_equally_often(places):
    label = places.places[0]
    rows = np.flatnonzero(places.labels == label)
    counts = dict.fromkeys(rows.tolist(), 0)
    for epoch in range(300):
        for row in np.concatenate(list(sampler(places).epoch(epoch))).ravel().tolist():
            if row in counts:
                counts[row] += 1
    expected = 600 / len(rows)
    assert all(abs(count - expected) < 5 * np.sqrt(expected) for count in counts.values())


def test_places_too_small_for_a_batch_are_an_error(places):
    with pytest.raises(ConfigError, match="open it with min_images=9"):
        sampler(places, images=9)


class Drawn(CustomPlaces):
    """Pictures that are on no disk."""

    def photo(self, row):
        return np.full((4, 4, 3), row, np.uint8)


def test_a_set_of_ones_own_is_drawn_from_like_any_other():
    places = Drawn("drawn", [7, 7, 3, 3, 3], groups=[0, 0, 1, 1, 1])
    batches = list(PlaceSampler(places, PlaceSampling(places=1, images=2)).epoch(0))
    assert sorted(set(places.labels[batch[0]].tolist()).pop() for batch in batches) == [3, 7]
    with pytest.raises(ConfigError, match="drawn has places of 2 images, batches want 3"):
        PlaceSampler(places, PlaceSampling(images=3))
    with pytest.raises(DataError, match="column of shape"):
        Drawn("drawn", [1, 2], groups=[0])


@pytest.mark.parametrize(
    "wrong", [["square", "bridge"], [0.5, 0.7], [float("nan"), 1], [[0, 1]], [[0], [1, 2]], 3, [None, 1]]
)
def test_labels_that_are_no_whole_numbers_are_refused(wrong):
    class Own(CustomPlaces):
        def photo(self, row):
            return "none"

    with pytest.raises(DataError, match=r"own: labels must be one whole number per image; np.unique\(names"):
        Own("own", wrong)
    with pytest.raises(DataError, match="own: groups must be"):
        Own("own", [0, 1], groups=wrong)
    assert Own("own", [0.0, 1.0]).labels.dtype == np.int64 and len(Own("own", [])) == 0
    assert Own("own", np.unique(["square", "bridge"], return_inverse=True)[1]).labels.tolist() == [1, 0]


def test_several_sets_are_one_without_sharing_places():
    first, second = Drawn("a", [5, 5, 9, 9]), Drawn("b", [5, 5], groups=[3, 3])
    joined = join_places([first, second])
    assert joined.name == "a + b"
    assert len(set(joined.labels.tolist())) == 3 and joined.labels[4] == joined.labels[5]
    assert joined.groups.tolist() == [0, 0, 0, 0, 1, 1]
    assert joined.photo(5)[0, 0, 0] == 1 and joined.photo(3)[0, 0, 0] == 3
    assert join_places([first]) is first
    assert join_places([second, first]).fingerprint() != joined.fingerprint()
    mixed = join_places([open_places(FIXTURE, min_images=2), first])
    assert mixed.photo(0).is_file() and mixed.photo(len(mixed.labels) - 1)[0, 0, 0] == 3
