"""Mapillary SLS as unpacked: frames, sequences, cities, protocols and what they count."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from tests.data.msls_loops import Loops
from tests.data.msls_miniature import COUNT, GAP, PANORAMA, write_msls
from tests.data.test_fixtures import items_of
from vprkit.data.benchmark import open_benchmark
from vprkit.data.check import check_benchmark
from vprkit.data.convert import Conversion
from vprkit.data.protocols import find_protocol, protocols
from vprkit.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def msls(tmp_path_factory) -> Path:
    return write_msls(tmp_path_factory.mktemp("data") / "msls", test=("miami", "athens"))


def centres(length: int, first: int = 0) -> list[int]:
    """Centre frames by the definition: inside one drive, numbers without a hole, no panorama, flagged `all`."""
    half = length // 2
    found = []
    for centre in range(half, COUNT - half):
        window = range(centre - half, centre + half + 1)
        one_drive = len({number >= GAP for number in window}) == 1
        if one_drive and centre != PANORAMA and centre >= first:
            found.append(centre)
    return found


def number_of(name: str) -> int:
    return int(name.rsplit("/", 1)[-1].split("_")[1][:2])


LENGTHS = {"seq2seq": (3, 3), "seq2im": (3, 1), "im2seq": (1, 3), "im2im": (1, 1)}


@pytest.mark.parametrize("task", LENGTHS)
def test_tasks_are_what_their_authors_define(msls, task):
    benchmark = open_benchmark(msls, "val", task=task, length=3, answerable_only=False)
    asking, answering = LENGTHS[task]
    queries, database = centres(asking, first=1), centres(answering)
    assert [number_of(name) for name in benchmark.queries.names] == queries * 2
    assert [number_of(name) for name in benchmark.database.names] == database * 2
    assert benchmark.areas.names == ("cph", "sf") and not benchmark.search_inside

    def frames(centre: int, length: int) -> range:
        return range(centre - length // 2, centre + length // 2 + 1)

    for query, found in enumerate(benchmark.positives):
        city, centre = divmod(query, len(queries))
        near = [
            other + city * len(database)
            for other, middle in enumerate(database)
            if any(abs(one - two) <= 2 and one != COUNT - 1  # 10 m apart and 2 m beside; the last query is far off
                   for one in frames(queries[centre], asking) for two in frames(middle, answering))
        ]  # fmt: skip
        assert found.tolist() == near
    if task != "im2im":
        for role, length in zip(("queries", "database"), (asking, answering), strict=True):
            side = getattr(benchmark.frames, role)
            records = getattr(benchmark, role)
            assert side.rows.shape == (len(records), length)
            for item in range(len(records)):
                names = side.names(item)
                assert names[length // 2] == records.names[item]
                assert [number_of(name) for name in names] == list(frames(number_of(records.names[item]), length))


def test_sequences_without_a_positive_are_left_out_and_a_radius_is_heeded(msls):
    kept = open_benchmark(msls, "val", task="seq2seq")
    assert kept.positives.counts.all() and kept.frames.queries.rows.shape == (len(kept.queries), 3)
    narrow = open_benchmark(msls, "val", task="seq2im", radius=5)
    assert [row.tolist() for row in narrow.positives] != [row.tolist() for row in kept.positives]
    assert "within 5 m" in narrow.rule and narrow.positives.counts.max() <= 3
    assert open_benchmark(msls, "val", task="seq2seq", length=5).frames.queries.length == 5


def test_training_cities_are_evaluated_within_25_metres_too(tmp_path):
    """Training pairs go by 10 m; who evaluates on these cities is not to get that radius unasked, sequences or not."""
    root = write_msls(tmp_path / "msls", val=("london",))
    assert "within 25 m" in open_benchmark(root, "train").rule
    sequences = open_benchmark(root, "train", task="seq2im")
    assert "within 25 m" in sequences.rule and sequences.positives.counts.max() == 7  # 3 frames, 2 more on both sides


def test_lists_of_sequences_have_a_hash_of_their_own(msls):
    three = open_benchmark(msls, "val", task="seq2seq", length=3).frames.queries
    other = dataclasses.replace(three, rows=three.rows[:, ::-1])
    assert three.list_hash() != other.list_hash() == dataclasses.replace(other).list_hash()


def test_tasks_of_the_challenge_stay_in_their_city_and_are_not_scored(msls):
    benchmark = open_benchmark(msls, protocol="msls-challenge-seq2seq-3")
    assert benchmark.search_inside and benchmark.positives is None and benchmark.areas.names == ("miami", "athens")
    assert benchmark.frames.queries.length == 3


def test_what_does_not_fit_sequences_is_said(msls, tmp_path):
    with pytest.raises(ConfigError, match="task 'seq2sek' is unknown"):
        open_benchmark(msls, "val", task="seq2sek")
    with pytest.raises(ConfigError, match="odd number of frames, got 4"):
        open_benchmark(msls, "val", task="seq2seq", length=4)
    with pytest.raises(ConfigError, match="'zone_aware' does not fit"):
        open_benchmark(msls, "val", task="seq2seq", ground_truth="zone_aware")
    with pytest.raises(ConfigError, match="msls-val-seq2seq-3 fixes length to '3'"):
        open_benchmark(msls, protocol="msls-val-seq2seq-3", length=5)
    with pytest.raises(ConfigError, match="the task 'seq2im' means nothing"):
        open_benchmark(Path(__file__).parent / "at_layout", task="seq2im")
    sequences = open_benchmark(msls, protocol="msls-val-seq2im-3")
    with pytest.raises(ConfigError, match="neither layout holds sequences"):
        Conversion("csv").write(sequences, tmp_path / "out")


def test_a_folder_of_queries_is_no_part_of_the_raw_set(msls):
    with pytest.raises(ConfigError, match="no folder 'query_blur' to choose.*@ layout"):
        open_benchmark(msls, protocol="msls-val-blur")
    with pytest.raises(ConfigError, match="no folder 'night'"):
        open_benchmark(msls, "val", queries="night")


def test_check_looks_at_every_frame(tmp_path):
    root = write_msls(tmp_path / "msls")
    (root / "train_val/cph/query/images").joinpath("-cpq_00AbCdEfGhIjKlMnO.jpg").unlink()  # no centre of any sequence
    benchmark = open_benchmark(root, "val", task="seq2seq")
    assert not any("_00" in name for name in benchmark.queries.names)
    found = [each.message for each in check_benchmark(benchmark, "none") if each.level == "error"]
    assert any("1 of" in message and "-cpq_00" in message for message in found)


def test_one_city_by_protocol(msls):
    for city in ("cph", "sf"):
        benchmark = open_benchmark(msls, protocol=f"msls-val-{city}")
        assert benchmark.areas.names == (city,)
        assert {name.split("/")[1] for name in benchmark.queries.names} == {city}
    with pytest.raises(ConfigError, match="fixes cities"):
        open_benchmark(msls, protocol="msls-val-cph", cities=["sf"])


def test_the_740_come_from_the_raw_set_without_any_list(msls, monkeypatch):
    """As many as the protocol says: no warning; a query more or less: both numbers."""
    whole = open_benchmark(msls, protocol="msls-val-747")
    benchmark = open_benchmark(msls, protocol="msls-val-740")
    flagged = 2 * len(centres(1, first=1))
    assert (len(whole.queries), len(benchmark.queries)) == (flagged, flagged - 2)  # one per city is out of reach
    counts = {"database": len(benchmark.database), "queries": len(benchmark.queries)}
    assert benchmark.notices[0].startswith(
        f"protocol msls-val-740 has 18,871 / 740, but here are {counts['database']} database images and "
        f"{counts['queries']} queries (of {flagged} listed)"
    )
    table = [dataclasses.replace(each, **counts) if each.name == "msls-val-740" else each for each in protocols()]
    monkeypatch.setattr("vprkit.data.protocols.protocols", lambda: tuple(table))
    again = open_benchmark(msls, protocol="msls-val-740")
    assert not any(notice.startswith("protocol ") for notice in again.notices)
    assert again.positives.counts.all()


def test_a_converted_protocol_opens_by_its_protocol(msls, tmp_path):
    """Its split is that of the protocol, and the file of truth keeps its queries the 740."""
    raw = open_benchmark(msls, protocol="msls-val-740")
    for form in ("at", "csv"):
        Conversion(form, "link").write(raw, tmp_path / form)
        again = open_benchmark(tmp_path / form, protocol="msls-val-740")
        assert len(again.queries) == len(raw.queries)
        assert sorted(again.positives.counts.tolist()) == sorted(raw.positives.counts.tolist())


def test_no_notice_is_false(msls, tmp_path):
    benchmark = open_benchmark(msls, "val")
    assert not any("was not looked for" in notice for notice in benchmark.notices)
    index = write_index(msls, tmp_path / "index", "val", "train_val")
    assert not any("was not looked for" in notice for notice in open_benchmark(index, "val", images=msls).notices)
    found = {
        each.check: each.message
        for each in check_benchmark(open_benchmark(msls, protocol="msls-val-seq2seq-3"), "none")
    }
    assert "(no counts are published)" in found["counts"] and "as published" not in found["counts"]
    # Two zones whose bare numbers are alike: positives stay inside a city, so zones change nothing.
    assert "planar and zone-aware positives are the same" in found["zones"]
    messages = [each.message for each in check_benchmark(open_benchmark(msls, protocol="msls-val-740"), "none")]
    assert len(messages) == len(set(messages))


def test_a_subtask_without_frames_is_said(msls):
    with pytest.raises(DataError, match="no query of cph, sf is flagged 's2w'"):
        open_benchmark(msls, protocol="msls-val-s2w")
    assert len(open_benchmark(msls, protocol="msls-val-d2n").queries) == 2


def write_index(msls: Path, folder: Path, split: str, base: str) -> Path:
    folder.mkdir(exist_ok=True)
    for part, role in (("dbImages", "database"), ("qImages", "query")):
        files = sorted((msls / base).glob(f"*/{role}/images/*.jpg"))
        names = np.array([file.relative_to(msls).as_posix() for file in files], dtype=object)
        np.save(folder / f"msls_{split}_{part}.npy", names, allow_pickle=True)
    return folder


def test_index_files_of_the_challenge_search_inside_cities(msls, tmp_path):
    index = write_index(msls, tmp_path / "index", "test", "test")
    benchmark = open_benchmark(index, protocol="msls-challenge", images=msls)
    assert benchmark.areas.names == ("miami", "athens") and benchmark.search_inside
    assert [benchmark.areas.names[area] for area in benchmark.areas.queries] == [
        name.split("/")[1] for name in benchmark.queries.names
    ]
    assert open_benchmark(index, images=msls).search_inside  # by its layout, whoever asks
    write_index(msls, tmp_path / "index", "val", "train_val")
    assert open_benchmark(index, "val", images=msls).areas.names == ("cph", "sf")
    assert not open_benchmark(index, "val", images=msls).search_inside
    with pytest.raises(ConfigError, match="index files list one selection"):
        open_benchmark(index, protocol="msls-val-cph", images=msls)


@pytest.mark.parametrize("index", [False, True])
def test_descriptions_of_the_challenge_begin_with_the_city(msls, tmp_path, index):
    texts = tmp_path / "msls_challenge_descriptions.csv"
    described = "miami/query/images/-miq_04AbCdEfGhIjKlMnO.jpg"
    texts.write_text(f"image_path,description\n{described},a palm tree\nathens/query/images/none.jpg,nothing\n")
    where = write_index(msls, tmp_path / "index", "test", "test") if index else msls
    benchmark = open_benchmark(where, protocol="msls-challenge", texts=texts, images=msls if index else None)
    found = {record.name: record.text for record in benchmark.queries if record.text}
    assert found == {f"test/{described}": "city miami. a palm tree"}  # no text, no prefix
    val = tmp_path / "val.csv"
    val.write_text("image_path,description\ncph/query/images/-cpq_04AbCdEfGhIjKlMnO.jpg,a bicycle\n")
    assert "a bicycle" in {record.text for record in open_benchmark(msls, "val", texts=val).queries}


def test_sequence_protocols_are_known():
    for task in ("seq2seq", "seq2im", "im2seq"):
        for name in (f"msls-val-{task}-3", f"msls-challenge-{task}-3"):
            protocol = find_protocol(name)
            assert dict(protocol.select) == {"task": task, "length": 3} and protocol.database is None
    with pytest.raises(DataError, match="no city 'nowhere'"):
        open_benchmark(Path(__file__).parent / "msls_raw", "val", cities=["nowhere"], task="seq2seq")


CASES = [
    ("val", ["cph", "sf"], {}), ("val", ["sf"], {"task": "seq2seq", "length": 5}), ("test", ["miami"], {}),
    ("val", ["cph", "sf"], {"task": "seq2seq"}), ("val", ["cph", "sf"], {"task": "im2seq", "posDistThr": 7.5}),
    ("val", ["cph", "sf"], {"task": "seq2im", "subtask": "n2d"}), ("val", ["cph"], {"exclude_panos": False}),
    ("test", ["miami"], {"task": "seq2im", "length": 5}),
]  # fmt: skip


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_msls_fixture_of_other_seeds(seed, tmp_path):
    """Drawn at random and read by loops that know nothing of the package, as the published fixture is."""
    loops = Loops.drawn(seed)
    loops.write(tmp_path)
    for mode, cities, more in CASES:
        expected = loops.expected(mode, cities, **more)
        benchmark = open_benchmark(
            tmp_path, mode, cities=cities, task=more.get("task"), length=more.get("length"),
            subtask=more.get("subtask"), radius=more.get("posDistThr"), panoramas=not more.get("exclude_panos", True),
            answerable_only=False,
        )  # fmt: skip
        assert items_of(benchmark, "queries") == expected["query_images"], (mode, more)
        assert items_of(benchmark, "database") == expected["database_images"], (mode, more)
        if mode == "test":
            assert benchmark.positives is None
            continue
        assert [row.tolist() for row in benchmark.positives] == expected["all_positives"], (mode, more)
        kept = benchmark.answerable()
        assert [row.tolist() for row in kept.positives] == expected["positives"]
        assert items_of(kept, "queries") == [expected["query_images"][row] for row in expected["kept_query_indices"]]
