"""Protocols: the table against the facts, opening by name, and what is said where a set is another variant."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat, savemat

from tests.conftest import at_name, write_set
from tests.data.miniatures import FACTS, facts, near, nordland_seasons, patch_netvlad, pittsburgh, svox
from tests.data.test_fixtures import SHARED
from tests.data.writing import photos
from vprkit.data.benchmark import open_benchmark
from vprkit.data.catalogue import CATALOGUE
from vprkit.data.check import check_benchmark
from vprkit.data.convert import Conversion
from vprkit.data.layouts.layout import layouts
from vprkit.data.layouts.place_layout import place_layouts
from vprkit.data.locate import data_set_of
from vprkit.data.protocols import find_protocol, matching_protocols, protocols, protocols_of
from vprkit.errors import ConfigError, DataError

MSLS = Path(__file__).parent / "msls_raw"

PROTOCOL_OF = {
    "msls_val": "msls-val-740", "msls_val_all_frames": "msls-val-11084", "msls_test": "msls-challenge",
    "nordland": "nordland-27592-w10", "nordland_patchnetvlad_npz": "nordland-27592-npz",
    "nordland_vprbench": "nordland-2760-w1", "gardens_point_walking": "gardens-point",
    "san_francisco_landmark": "san-francisco", "vprbench_pittsburgh": "pittsburgh-vprbench",
    "vprbench_tokyo247": "tokyo247-vprbench",
}  # fmt: skip


@pytest.mark.skipif(not FACTS.is_file(), reason=f"the facts are not here: {FACTS}")
@pytest.mark.parametrize("name", [name for name, row in facts().items() if isinstance(row.get("queries"), int)])
def test_counts_and_windows_are_those_of_the_facts(name):
    row = facts()[name]
    protocol = find_protocol(PROTOCOL_OF.get(name, name))
    assert (protocol.database, protocol.queries) == (row["database"], row["queries"])
    window = row.get("frame_window")
    assert window is None or protocol.ground_truth.split("x")[0] == f"frames:{window}"
    if row.get("threshold_m"):
        assert protocol.ground_truth in ("planar", "auto") and protocol.radius in (None, 25.0)


def test_the_table_is_consistent():
    names = [protocol.name for protocol in protocols()]
    assert len(set(names)) == len(names)
    families = {row.name for row in CATALOGUE}
    assert {protocol.family for protocol in protocols()} <= families
    known = {layout.name for layout in (*layouts(), *place_layouts())}
    assert {layout for row in CATALOGUE for layout in row.layouts} <= known
    assert all(protocol.source for protocol in protocols())
    assert find_protocol("Pitts30k_test").name == "pitts30k-test"
    assert matching_protocols("msls-val-?2?") == [
        f"msls-val-{flag}" for flag in ("s2w", "w2s", "o2n", "n2o", "d2n", "n2d")
    ]
    with pytest.raises(ConfigError, match=r"no protocol 'msls-val-741' \(did you mean msls-val-7"):
        find_protocol("msls-val-741")
    assert protocols_of(Path("/x/Nordland/images/test"))[0].name == "nordland-27592-w10"


@pytest.mark.parametrize(
    ("folder", "family"),
    [("Tokyo_24_7", "tokyo247"), ("tokyo-247", "tokyo247"), ("Pittsburgh250k", "pitts250k"), ("SF_XL", "sf-xl"),
     ("city", None), ("msls_val", "msls"), ("St_Lucia", "st-lucia"), ("gardens_point_walking", "gardens-point"),
     ("R-SF", "san-francisco")],
)  # fmt: skip
def test_folders_are_known_by_their_names(folder, family):
    found = protocols_of(Path("/data") / folder)
    assert (found[0].family if found else None) == family


def test_pittsburgh_is_found_in_one_folder_for_both(tmp_path, monkeypatch):
    (tmp_path / "Pittsburgh250k").mkdir()
    monkeypatch.setenv("VPRKIT_DATASETS", str(tmp_path))
    assert data_set_of(find_protocol("pitts30k-test")) == tmp_path / "Pittsburgh250k"
    with pytest.raises(DataError, match="holds no folder named like 'svox'.*VPR-datasets-downloader"):
        data_set_of(find_protocol("svox"))


def test_msls_by_protocol_names_the_variant(tmp_path):
    benchmark = open_benchmark(MSLS, protocol="msls-val-740")
    assert benchmark.protocol == "msls-val-740" and benchmark.positives.counts.min() > 0
    assert benchmark.notices[0].startswith("protocol msls-val-740 has 18,871 / 740, but here are")
    whole = open_benchmark(MSLS, protocol="msls-val-747")
    assert len(whole.queries) > len(benchmark.queries)
    assert find_protocol("msls-val-740").warning(18_871, 740) is None
    unfiltered = find_protocol("msls-val-740").warning(18_871, 11_084)
    assert "11,084 queries: this is the unfiltered MSLS-val (msls-val-11084)" in unfiltered
    partly = find_protocol("msls-val-740").warning(18_871, 10_902, 11_084)
    assert "10,902 queries (of 11,084 listed): 11,084 queries: this is the unfiltered MSLS-val" in partly
    assert "unfiltered MSLS-val" in find_protocol("msls-val-740").warning(18_870, 11_084)
    with pytest.raises(ConfigError, match="fixes split to 'val'; leave split out"):
        open_benchmark(MSLS, "train", protocol="msls-val-740")
    challenge = open_benchmark(MSLS, protocol="msls-challenge")
    assert challenge.search_inside and challenge.positives is None


@pytest.mark.parametrize(
    ("option", "value", "published"),
    [("radius", 100.0, "25.0"), ("subtask", "n2d", "all"), ("cities", ["cph"], "all"), ("panoramas", True, "False"),
     ("task", "seq2seq", "im2im"), ("per_city", True, "False"), ("answerable_only", False, "True")],
)  # fmt: skip
def test_a_protocol_fixes_also_what_it_does_not_name(option, value, published):
    """Its name must not stay on figures of another radius, subtask or city; what it means anyway may be said."""
    with pytest.raises(ConfigError, match=f"msls-val-740 fixes {option} to '{published}'; leave {option} out"):
        open_benchmark(MSLS, protocol="msls-val-740", **{option: value})
    same = open_benchmark(MSLS, protocol="msls-val-740", radius=25, subtask="all", task="im2im", per_city=False)
    assert same.protocol == "msls-val-740" and "25 m" in same.rule


def test_a_protocols_radius_holds_where_a_set_states_another(tmp_path):
    pittsburgh(tmp_path)
    listed = tmp_path / "datasets" / "pitts30k_test.mat"
    struct = loadmat(listed)["dbStruct"]
    struct["posDistThr"][0, 0] = 45.0
    savemat(listed, {"dbStruct": struct})
    assert "45 m" in open_benchmark(tmp_path, variant="pitts30k").rule
    assert "25 m" in open_benchmark(tmp_path, protocol="pitts30k-test").rule


@pytest.mark.parametrize(
    ("name", "counts", "variant"),
    [("st-lucia", (3_013, 1_464), "3,013 in the database: this is RerankVPR's St Lucia index"),
     ("tokyo247", (4_104, 315), "4,104 in the database: this is VPR-Bench's Tokyo (tokyo247-vprbench)"),
     ("pitts250k-test", (10_000, 6_816), "6,816 queries: this is pitts30k test (pitts30k-test)"),
     ("nordland-27592-w10", (3_450, 3_450), "(nordland-3450-w2)"),
     ("nordland-27592-w1", (27_592, 2_760), "2,760 queries: this is Nordland*")],
)  # fmt: skip
def test_a_variant_is_named_by_either_count_and_in_any_family(name, counts, variant):
    assert variant in find_protocol(name).warning(*counts)
    assert "this is" not in find_protocol(name).warning(17, 4)


def test_the_unfiltered_set_is_named_though_queries_without_a_positive_are_left_out(tmp_path, monkeypatch):
    root = write_set(tmp_path / "msls" / "val")
    for n in range(3):
        (root / "queries" / at_name(900_000 + n, 5e6, name=f"far{n}")).touch()
    table = [dataclasses.replace(each, database=8, queries=19) if each.name == "msls-val-11084" else each
             for each in protocols()]  # fmt: skip
    monkeypatch.setattr("vprkit.data.protocols.protocols", lambda: tuple(table))
    benchmark = open_benchmark(tmp_path / "msls", protocol="msls-val-740")
    assert (len(benchmark.queries), benchmark.listed) == (16, 19)
    assert "16 queries (of 19 listed): 19 queries: this is the unfiltered MSLS-val" in benchmark.notices[0]


def test_seasons_and_folders_of_protocols(tmp_path):
    nordland_seasons(tmp_path / "frames")
    narrow = open_benchmark(tmp_path / "frames", protocol="nordland-27592-w1")
    assert narrow.positives[2].tolist() == [1, 2, 3]
    both = open_benchmark(tmp_path / "frames", queries="winter,fall")
    assert len(both.queries) == 12 and both.positives[6].tolist() == both.positives[0].tolist()
    assert set(both.queries.texts["condition"]) == {"winter", "fall"}
    with pytest.raises(ConfigError, match="no season 'monsoon'"):
        open_benchmark(tmp_path / "frames", queries="monsoon")
    svox(tmp_path / "svox")
    assert len(open_benchmark(tmp_path / "svox", protocol="svox-conditions").queries) == 15
    write_set(tmp_path / "at")  # roles by season, in a set whose folders are roles already
    assert open_benchmark(tmp_path / "at", protocol="nordland-3450-w2").positives[0].tolist() == [0, 1, 2]


def test_a_window_that_is_asked_for_holds_whatever_the_folder_lists(tmp_path):
    """Nordland has several windows: its npz accepts +-7, a conversion keeps the one it was made by."""
    patch_netvlad(tmp_path / "frames")
    for window, name in ((10, "w10"), (2, "w2"), (1, "w1"), (7, "npz")):
        asked = {"protocol": f"nordland-27592-{name}", "images": tmp_path / "frames"}
        wide = open_benchmark(tmp_path / "frames" / "lists", **asked)
        assert [row.tolist() for row in wide.positives] == near(range(12), window, 12)
    Conversion("csv").write(wide, tmp_path / "converted")
    narrow = open_benchmark(tmp_path / "converted", protocol="nordland-27592-w1")
    assert [row.tolist() for row in narrow.positives] == near(range(12), 1, 12)
    assert open_benchmark(tmp_path / "converted").positives[0].tolist() == list(range(8))


def test_frames_are_counted_in_their_order_where_sorting_breaks_it(tmp_path):
    """North of the @ subset passes 100,000 at frame 6,000 and becomes wider: byte order is no frame order there."""
    for role, every in (("database", 1), ("queries", 10)):
        frames = range(5_981, 6_021, every)
        photos(tmp_path / role, [f"@0@{n * 25 / 1.5:07.1f}@@@@@{n}@@@@@@@@.jpg" for n in frames])
    by_names = open_benchmark(tmp_path, protocol="nordland-2760-at")
    numbers = {role: [int(name.split("@")[7]) for name in records.names] for role, records in by_names.images().items()}
    assert numbers["database"] != sorted(numbers["database"]) and numbers["queries"] != sorted(numbers["queries"])
    by_frames = open_benchmark(tmp_path, protocol="nordland-2760-w1")
    assert any("in the order of the positions" in notice for notice in by_frames.notices)
    for benchmark in (by_names, by_frames):
        for number, found in zip(numbers["queries"], benchmark.positives, strict=True):
            assert {numbers["database"][row] for row in found} == {
                n for n in (number - 1, number, number + 1) if n > 5980
            }
            assert found.tolist() == sorted(found.tolist())


def test_sped_in_the_at_layout_is_one_to_one(tmp_path):
    for role in ("database", "queries"):
        photos(tmp_path / role, [f"@0@{n * 1000}@@@@@{n:04d}@@@@@@@@.jpg" for n in range(8, 13)])
    benchmark = open_benchmark(tmp_path, protocol="sped")
    assert [row.tolist() for row in benchmark.positives] == [[n] for n in range(5)]


def test_a_list_of_queries_filters(photo_set, tmp_path):
    names = sorted(path.name for path in (photo_set / "queries").iterdir())
    listed = tmp_path / "keys.txt"
    listed.write_text(f"# kept\n{names[3]}\n{names[0].split('@')[7]}\nqueries/{names[5]}\n")
    benchmark = open_benchmark(photo_set, query_list=listed)
    assert [name.split("/")[1] for name in benchmark.queries.names] == [names[0], names[3], names[5]]
    assert len(benchmark.positives) == 3
    listed.write_text("nobody\n")
    with pytest.raises(DataError, match="line 1: 'nobody' is none of the 16 queries"):
        open_benchmark(photo_set, query_list=listed)


def test_lavpr_lists_its_subsets_in_tables(photo_set, tmp_path):
    names = sorted(path.name for path in (photo_set / "queries").iterdir())
    inside = sorted(path.name for path in (photo_set / "database").iterdir())
    listed = tmp_path / "pitts30k_val_800_queries.csv"
    rows = [f'database/{inside[0]},"a door"', f'queries/{names[4]},"a tree, tall"', f"test/queries/{names[1]},"]
    listed.write_text("image_path,description\n" + "\n".join([*rows, "half a row"]) + "\n")
    benchmark = open_benchmark(photo_set, query_list=listed)
    assert list(benchmark.queries.names) == [f"queries/{names[1]}", f"queries/{names[4]}"]
    listed.write_text(f"image_path,description\ndatabase/{inside[0]},only that\n")
    with pytest.raises(DataError, match="lists none of the 16 queries"):
        open_benchmark(photo_set, query_list=listed)


@pytest.mark.parametrize("edit", ["blur", "weather"])
def test_edited_queries_of_lavpr_are_a_set_of_their_own(tmp_path, edit):
    """`query_blur` with 86 edited copies lies beside the queries of the @ layout, same names."""
    root = write_set(tmp_path / "msls" / "val")
    edited = root / f"query_{edit}"
    edited.mkdir()
    chosen = sorted((root / "queries").iterdir())[3:7]
    for path in chosen:
        (edited / path.name).write_bytes(path.read_bytes() + b"edited")
    benchmark = open_benchmark(tmp_path / "msls", protocol=f"msls-val-{edit}")
    assert [name.split("/")[-1] for name in benchmark.queries.names] == [path.name for path in chosen]
    assert {name.split("/")[0] for name in benchmark.queries.names} == {f"query_{edit}"}
    whole = open_benchmark(tmp_path / "msls", "val", ground_truth="planar")
    assert [row.tolist() for row in benchmark.positives] == [whole.positives[row].tolist() for row in range(3, 7)]
    assert "has 18,871 / 86, but here are 8 database images and 4 queries" in benchmark.notices[0]
    texts = tmp_path / f"msls_val_{edit}_descriptions.csv"
    texts.write_text(f"image_path,description\nquery_{edit}/{chosen[0].name},fog\nqueries/{chosen[1].name},no\n")
    described = open_benchmark(tmp_path / "msls", protocol=f"msls-val-{edit}", texts=texts)
    assert [record.text for record in described.queries] == ["fog", None, None, None]
    # A conversion by us leaves a list of truth that speaks of the whole set's queries.
    Conversion("at").write(whole, tmp_path / "converted")
    shutil.copytree(edited, tmp_path / "converted/images/val" / edited.name)
    by_protocol = open_benchmark(tmp_path / "converted", protocol=f"msls-val-{edit}")
    assert [row.tolist() for row in by_protocol.positives] == [row.tolist() for row in benchmark.positives]
    again = open_benchmark(tmp_path / "converted", "val", queries=edited.name)
    assert [row.tolist() for row in again.positives] == [row.tolist() for row in benchmark.positives]
    assert any("ground_truth.csv speaks of other queries" in notice for notice in again.notices)


def messages(folder, **options):
    return {finding.check: f"{finding.level}: {finding.message}" for finding in check_benchmark(
        open_benchmark(folder, **options), decode_images="all")}  # fmt: skip


def test_check_knows_protocol_patch_and_leaks(tmp_path):
    root = tmp_path / "st_lucia"
    write_set(root)
    found = messages(root, protocol="st-lucia")
    assert found["counts"].startswith("warning: protocol st-lucia has 1,549 / 1,464, but here are 8 database images")
    for name in ("a", "b"):  # an index whose queries are in the database too, as the one of RerankVPR
        files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
        np.save(root / f"{name}_dbImages.npy", np.array(files))
        np.save(root / f"{name}_qImages.npy", np.array([file for file in files if file.startswith("queries")]))
    benchmark = open_benchmark(root, variant="a")
    assert any("16 of 16 queries are database images too" in notice for notice in benchmark.notices)
    assert "error: 16 of 16 queries are also in the database" in messages(root, variant="a")["leaks"]
    with pytest.raises(ConfigError, match="holds several index files; give one as variant: a, b"):
        open_benchmark(root)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the fixtures with images are not here")
def test_damaged_msls_images_point_to_the_patch(tmp_path):
    shutil.copytree(SHARED / "msls_raw", tmp_path / "msls")
    victim = next((tmp_path / "msls/train_val/sf/database/images").iterdir())
    victim.write_bytes(victim.read_bytes()[:100])
    benchmark = open_benchmark(tmp_path / "msls", "val", panoramas=True)
    found = [finding.message for finding in check_benchmark(benchmark, "all") if finding.level == "error"]
    assert any("patch_v1.1.zip" in message for message in found)
