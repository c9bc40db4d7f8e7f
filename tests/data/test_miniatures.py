"""A layout-faithful miniature of every named data set reads back as what it is."""

from pathlib import Path

import numpy as np
import pytest

from tests.data.miniatures import (
    FACTS,
    MINIATURES,
    amstertime,
    facts,
    gardens_tutorial,
    patch_netvlad,
    pittsburgh,
    sf_xl,
    svox,
    tokyo247,
    vpr_bench,
)
from tests.data.writing import at, photos
from vprkit.data.benchmark import open_benchmark
from vprkit.data.city import make_city
from vprkit.data.layouts.at import parse_name
from vprkit.data.layouts.san_francisco import heading_of
from vprkit.data.places import open_places
from vprkit.errors import ConfigError, DataError


@pytest.mark.parametrize("name", MINIATURES)
def test_miniature_is_read_back(name, tmp_path):
    miniature = MINIATURES[name]
    folder = tmp_path / name.split("-")[0]
    folder.mkdir()
    expected = miniature.build(folder)
    if name == "nordland-patch-netvlad":
        benchmark = open_benchmark(folder / "lists", images=folder)
    else:
        benchmark = open_benchmark(folder, **miniature.options)
    assert (len(benchmark.database), len(benchmark.queries)) == (miniature.database, miniature.queries)
    assert [row.tolist() for row in benchmark.positives] == expected
    assert miniature.inside in benchmark.rule
    for records in (benchmark.database, benchmark.queries):
        assert all(record.path.is_file() for record in records), "a name that is no file"


@pytest.mark.skipif(not FACTS.is_file(), reason=f"the facts are not here: {FACTS}")
@pytest.mark.parametrize(("name", "key"), [(name, key) for name, row in facts().items() for key in row
                                           if key.startswith("example") and str(row[key]).startswith("@")])  # fmt: skip
def test_published_example_names_are_read(name, key):
    fields = parse_name(facts()[name][key])
    assert fields is not None and not fields.zone_unreadable
    assert fields.east == float(facts()[name][key].split("@")[1])


def test_svox_conditions_together_and_alone(tmp_path):
    svox(tmp_path)
    night = open_benchmark(tmp_path, queries="night")
    assert set(night.queries.texts["condition"]) == {"night"}
    every = open_benchmark(tmp_path, queries="queries_*")
    assert len(every.queries) == 15
    assert set(every.queries.texts["condition"]) == {"night", "rain", "overcast", "snow", "sun"}
    both = open_benchmark(tmp_path, queries="night,queries_rain")
    assert [record.condition for record in both.queries] == ["night"] * 3 + ["rain"] * 3
    assert any("other queries lie here too" in notice for notice in open_benchmark(tmp_path).notices)
    with pytest.raises(ConfigError, match="no folder 'fog' of queries"):
        open_benchmark(tmp_path, queries="night,fog")


def test_pittsburgh_knows_both_sets_and_their_views(tmp_path):
    pittsburgh(tmp_path)
    benchmark = open_benchmark(tmp_path)
    assert any("pitts30k was read; pitts250k lies here too" in notice for notice in benchmark.notices)
    assert benchmark.queries[0].zone == 17 and not benchmark.queries[0].south
    with pytest.raises(ConfigError, match="no pitts30_test.mat.*pitts30k"):
        open_benchmark(tmp_path, variant="pitts30")


def test_tokyo_says_that_its_list_names_other_files(tmp_path):
    tokyo247(tmp_path)
    (tmp_path / "conditions.csv").write_text("query,condition\n00010.jpg,day\n00011.jpg,night\n")
    benchmark = open_benchmark(tmp_path)
    assert any(".jpg files, on disk they are .png" in notice for notice in benchmark.notices)
    assert [record.condition for record in benchmark.queries] == ["day", "night"]
    assert benchmark.database.text("tile", 3) == "03" and len(benchmark.database.text("id", 3)) == 22
    (tmp_path / "conditions.csv").write_text("query,condition\nnone.jpg,day\n")
    with pytest.raises(DataError, match="line 2: 'none.jpg' is not among the queries"):
        open_benchmark(tmp_path)


@pytest.mark.parametrize("key", ["00010.jpg", "00010", "queries/{}"])
def test_conditions_of_the_at_version_lie_in_the_sets_folder(tmp_path, key):
    """Tokyo's @ names keep the query's file name in field 7; its three times of day are told by a table alone."""
    names = [at(381419 + 60 * n, 3946450, "54@S", f"0001{n}.jpg") for n in range(3)]
    photos(tmp_path / "images/test/queries", names)
    photos(tmp_path / "images/test/database", [at(381418, 3946450, "54@S", "pano", tile="00")])
    rows = f"{key.format(sorted(names)[0])},day\n00011.jpg,sunset\n00012.jpg,night\n"
    (tmp_path / "conditions.csv").write_text(f"query,condition\n{rows}")
    benchmark = open_benchmark(tmp_path)
    assert [record.condition for record in benchmark.queries] == ["day", "sunset", "night"]


def test_tokyo_without_the_folder_that_is_asked_for(tmp_path):
    tokyo247(tmp_path)
    with pytest.raises(ConfigError, match="no folder '247query_v3' of queries"):
        open_benchmark(tmp_path, queries="247query_v3")


def test_answers_nearly_right_are_ignored(tmp_path):
    gardens_tutorial(tmp_path)
    benchmark = open_benchmark(tmp_path)
    assert [record.name.split("/")[0] for record in (benchmark.database[0], benchmark.queries[0])] == [
        "day_right",
        "night_right",
    ]
    assert benchmark.ignored[0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    left = open_benchmark(tmp_path, database="day_left", queries="day_right")
    assert left.database[0].name.startswith("day_left/")
    tutorial = open_benchmark(tmp_path, protocol="gardens-point-tutorial")
    assert tutorial.ignored is not None and tutorial.positives[3].tolist() == [3]
    for options in ({"protocol": "gardens-point"}, {"ground_truth": "frames:2"}):
        wider = open_benchmark(tmp_path, **options)  # frames 1 and 2 away are right here, not to be passed over
        assert wider.ignored is None and wider.positives[3].tolist() == [1, 2, 3, 4, 5]


def test_positives_beyond_the_end_are_counted(tmp_path):
    vpr_bench(4, 4, [[0], [1], [2, 4], [3, 5]], [])(tmp_path)
    benchmark = open_benchmark(tmp_path)
    assert [row.tolist() for row in benchmark.positives] == [[0], [1], [2], [3]]
    assert any("2 positives lie beyond the 4 database images (up to 5)" in notice for notice in benchmark.notices)
    by_protocol = open_benchmark(tmp_path, protocol="gardens-point")
    assert by_protocol.positives[1].tolist() == [0, 1, 2, 3]
    assert any("2 positives lie beyond" in notice for notice in by_protocol.notices)
    assert any("(listed in ground_truth_new.npy) says otherwise for 4 of 4" in notice for notice in by_protocol.notices)


def test_vpr_bench_without_its_file_goes_by_the_published_rule(tmp_path):
    for name, reach in (("Corridor", 2), ("SPED", 0), ("Living_room", 1)):
        root = tmp_path / name
        photos(root / "ref", [f"{n:07d}.jpg" for n in range(4)])
        photos(root / "query", [f"{n:07d}.jpg" for n in range(4)])
        benchmark = open_benchmark(root)
        assert benchmark.positives[1].tolist() == [n for n in range(4) if abs(n - 1) <= reach]
        assert any("ground_truth_new.npy is missing" in notice for notice in benchmark.notices)


def test_frame_numbers_as_points_are_told(tmp_path):
    patch_netvlad(tmp_path)
    benchmark = open_benchmark(tmp_path / "lists", images=tmp_path)
    assert any("accepts +-7 frames, not 10" in notice for notice in benchmark.notices)


def test_amstertime_pairs_by_id(tmp_path):
    amstertime(tmp_path)
    photos(tmp_path / "old", ["0002.jpg"])
    benchmark = open_benchmark(tmp_path)
    assert benchmark.positives.counts.tolist() == [1, 1, 0, 1, 1]
    assert any("1 old images have no new one, such as old/0002.jpg" in notice for notice in benchmark.notices)


def test_a_choice_of_folders_that_means_nothing_is_not_passed_over(tmp_path):
    amstertime(tmp_path)
    with pytest.raises(DataError, match="no folder 'night'.*there are new, old"):
        open_benchmark(tmp_path, queries="night")


def test_headings_of_poses():
    assert heading_of(0, 0, 0, 1) == pytest.approx(180)  # looking along the axis the formula starts from
    assert 0 <= heading_of(0.1, 0.2, 0.3, 0.9) < 360


def test_sf_xl_has_four_sets_of_queries_in_one_table(tmp_path):
    sf_xl(tmp_path)
    benchmark = open_benchmark(tmp_path, queries="queries_*")
    expected = ["night"] * 4 + ["occlusion"] * 4 + ["v1"] * 4 + ["v2"] * 4
    assert [record.condition for record in benchmark.queries] == expected
    with pytest.raises(ConfigError, match="no variant 'proccessed'.*there are processed and small"):
        open_benchmark(tmp_path, variant="proccessed")


def test_sf_xl_training_classes(tmp_path):
    sf_xl(tmp_path)
    names = [
        f"@{545001 + n * 0.1:010.2f}@4180001.00@10@S@037.7@-122.4@p{n}@@{10 + n % 3:03d}@@@@201606@@.jpg"
        for n in range(12)
    ]
    names += [f"@{545061 + n * 0.1:010.2f}@4180001.00@10@S@037.7@-122.4@s{n}@@200@@@@201606@@.jpg" for n in range(11)]
    names += ["@0546000.00@4180001.00@10@S@037.7@-122.4@alone@@000@@@@201606@@.jpg"]
    photos(tmp_path / "processed" / "train", names)
    places = open_places(tmp_path)
    assert len(places) == 23 and places.places.tolist() == [0, 1]
    assert len(open_places(tmp_path, groups=["0"]).places) == 1
    with pytest.raises(ConfigError, match="no group '7'"):
        open_places(tmp_path, groups=["7"])


def test_msls_clusters_are_places():
    places = open_places(Path(__file__).parent / "msls_raw", min_images=1)
    assert set(places.groups.tolist()) == {0}  # trondheim: the other cities of the fixture are not for training
    by_label = {record.place: label for record, label in zip(places.records, places.labels, strict=True)}
    assert by_label == {f"trondheim/{label}": label for label in sorted(set(places.labels.tolist()))}
    assert {name.split("/")[2] for name in places.records.names} == {"query", "database"}
    with pytest.raises(DataError, match="no city 'pariss'"):
        open_places(Path(__file__).parent / "msls_raw", groups=["pariss"])


def test_google_landmarks(tmp_path):
    ids = [f"{n:016x}" for n in range(100, 109)]
    photos(tmp_path / "train", [f"{each[0]}/{each[1]}/{each[2]}/{each}.jpg" for each in ids])
    rows = [(203, ids[:4]), (17, ids[4:8]), (9, ids[8:])]
    text = "landmark_id,images\n" + "".join(f"{label},{' '.join(each)}\n" for label, each in rows)
    (tmp_path / "train_clean.csv").write_text(text)
    places = open_places(tmp_path)
    assert places.places.tolist() == [17, 203] and len(places) == 8
    assert all(record.path.is_file() for record in places.records)
    (tmp_path / "train_clean.csv").write_text("landmark_id,images\n1,../../x\n")
    with pytest.raises(DataError, match="is no image id"):
        open_places(tmp_path)


def test_descriptions_are_matched_by_path(tmp_path):
    svox(tmp_path)
    names = [
        path.relative_to(tmp_path / "images/test").as_posix()
        for path in sorted((tmp_path / "images/test/gallery").iterdir())
    ]
    rows = [f'{names[0]}, "a red door, open"', f'test/{names[1]},"not this one"', "bad line without comma"]
    (tmp_path / "texts.csv").write_text("image_path,description\n" + "\n".join(rows) + "\n")
    benchmark = open_benchmark(tmp_path, texts=tmp_path / "texts.csv")
    assert benchmark.database[0].text == "a red door, open" and benchmark.database[1].text is None
    assert any("5 of 6 images have no description" in notice for notice in benchmark.notices)
    assert any("1 lines could not be read" in notice for notice in benchmark.notices)


OLD = (  # what NumPy under Python 2 wrote: bytes as text, object arrays as `O8`
    b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x03K\x02\x86cnumpy\ndtype\n"
    b"U\x02O8K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK?tb\x89]("
    b"K\x00](K\x00K\x01eK\x01](K\x02eK\x02](J\xff\xff\xff\xffeetb."
)


def test_ground_truth_that_python_2_wrote(tmp_path):
    vpr_bench(3, 3, [[0], [1], [2]], [])(tmp_path)
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (3L, 2L), }"
    header += b" " * (-(len(header) + 11) % 16) + b"\n"
    written = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + OLD
    (tmp_path / "ground_truth_new.npy").write_bytes(written)
    assert [row.tolist() for row in open_benchmark(tmp_path).positives] == [[0, 1], [2], []]


def test_texts_that_are_no_characters(tmp_path):
    photos(tmp_path, ["a.jpg"])
    names = np.array(["a.jpg"])
    np.save(tmp_path / "x_qImages.npy", names)
    names.view("u4")[2] = 0x11FFFF
    np.save(tmp_path / "x_dbImages.npy", names)
    with pytest.raises(DataError, match="no characters"):
        open_benchmark(tmp_path)
    np.save(tmp_path / "x_dbImages.npy", names[:0])
    with pytest.raises(DataError, match="x_dbImages.npy: lists no image"):
        open_benchmark(tmp_path)


def test_our_own_city_is_read_in_its_layouts(tmp_path):
    """SF-XL's is read where its panoramas are drawn, in `city/test_layouts.py`."""
    roots = make_city(tmp_path, places=8, views=4, seed=2, layouts=("msls", "gsv"), size=32, workers=1).roots
    val = open_benchmark(roots["msls"], "val")
    assert val.areas.names == ("cph", "sf") and val.positives.counts.all()
    assert open_benchmark(roots["msls"]).search_inside
    assert len(open_places(roots["msls"], min_images=1)) > 0 and len(open_places(roots["gsv"], min_images=1)) > 0


def test_a_split_or_folder_that_is_not_there_is_named(tmp_path):
    pittsburgh(tmp_path / "pitts")
    svox(tmp_path / "svox")
    for folder in ("pitts", "svox"):
        with pytest.raises(DataError, match="has no split 'val'; it has 'test'"):
            open_benchmark(tmp_path / folder, "val")
    with pytest.raises(DataError, match=r"no folder 'nigth' .*queries_night.*; there are gallery, queries, queries_ni"):
        open_benchmark(tmp_path / "svox", queries="nigth")
    with pytest.raises(DataError, match="there is no folder 'galery'.*gallery"):
        open_benchmark(tmp_path / "svox", database="galery")


def test_what_is_asked_of_the_wrong_set(tmp_path):
    svox(tmp_path)
    with pytest.raises(ConfigError, match="has no cities, so cities means nothing here"):
        open_benchmark(tmp_path, cities=["sf"])
    with pytest.raises(ConfigError, match="has no cities, so subtask means nothing"):
        open_benchmark(tmp_path, subtask="s2w")
    with pytest.raises(ConfigError, match="a search cannot stay inside"):
        open_benchmark(tmp_path, per_city=True)
    for outside in ({"queries": "../x"}, {"database": "/etc"}, {"cities": ["../.."]}):
        with pytest.raises(DataError, match="does not stay inside"):
            open_benchmark(tmp_path, **outside)
    (tmp_path / "msls").mkdir()
    (tmp_path / "msls" / "train_val").symlink_to(Path(__file__).parent / "msls_raw" / "train_val")
    with pytest.raises(DataError, match="without its test cities; it holds train_val/"):
        open_benchmark(tmp_path / "msls")


def test_pickles_in_index_files_never_run(tmp_path):
    import os

    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    vpr_bench(3, 3, [[0], [1], [2]], [])(tmp_path)
    np.save(tmp_path / "ground_truth_new.npy", np.array([Evil(), 1, 2], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="could run code, so nothing was read"):
        open_benchmark(tmp_path)
    assert not (tmp_path / "ran").exists()
