"""Conversions read back as the same set; the source stays."""

from pathlib import PurePath

import numpy as np
import pytest
from PIL import Image

from tests.conftest import write_set
from tests.data.miniatures import MINIATURES, gardens_tutorial, nordland_seasons, pittsburgh, tokyo247
from tests.data.msls_miniature import write_msls
from tests.data.test_fixtures import fixtures
from vprkit.data.benchmark import open_benchmark, open_records
from vprkit.data.convert import Conversion
from vprkit.data.frame_axis import FrameRule
from vprkit.data.mock_positions import with_mock_positions
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError, VprError


def same(one, other):
    assert (len(one.database), len(one.queries)) == (len(other.database), len(other.queries))
    pairs = {(query, int(number)) for query, row in enumerate(one.positives) for number in row}
    assert len(pairs) == int(other.positives.counts.sum())


@pytest.mark.parametrize("name", ["pitts30k", "tokyo247", "svox-night", "amstertime", "gardens-point", "eynsham"])
@pytest.mark.parametrize("files", ["copy", "link"])
def test_tables_keep_everything(name, files, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    MINIATURES[name].build(source)
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    benchmark = open_benchmark(source, **MINIATURES[name].options)
    written = Conversion("csv", files).write(benchmark, tmp_path / "out")
    again = open_benchmark(tmp_path / "out")
    same(benchmark, again)
    assert [row.tolist() for row in again.positives] == [row.tolist() for row in benchmark.positives]
    assert written.reencoded == 0 and before == {
        path: path.read_bytes() for path in source.rglob("*") if path.is_file()
    }
    first = again.database[0].path
    assert first.is_symlink() == (files == "link")
    assert first.read_bytes() == benchmark.database[0].path.read_bytes()


def test_pittsburgh_becomes_at_names(tmp_path):
    pittsburgh(tmp_path / "source")
    benchmark = open_benchmark(tmp_path / "source", protocol="pitts30k-test")
    Conversion("at").write(benchmark, tmp_path / "out")
    again = open_benchmark(tmp_path / "out")
    same(benchmark, again)
    planar = open_benchmark(tmp_path / "out", ground_truth="planar")
    assert planar.positives.counts.tolist() == again.positives.counts.tolist()
    assert any("pitch1_yaw1@.jpg" in name for name in again.queries.names)


@pytest.mark.parametrize(("folder", "expected"), fixtures("msls"))
def test_msls_fixture_converts_to_its_at_names(folder, expected, tmp_path):
    benchmark = open_benchmark(folder, "val")
    if not benchmark.database[0].path.is_file():
        pytest.skip("this fixture has tables only")
    Conversion("at", "link").write(benchmark, tmp_path / "out")
    wanted = sorted(expected["at_names"][name] for name in benchmark.queries.names)
    assert sorted(path.name for path in (tmp_path / "out/images/val/queries").iterdir()) == wanted


def test_what_is_asked_for_and_no_more(tmp_path):
    tokyo247(tmp_path / "source")
    benchmark = open_benchmark(tmp_path / "source")
    Conversion("at").write(benchmark, tmp_path / "plain")
    assert {path.suffix for path in (tmp_path / "plain").rglob("database/*")} == {".png"}
    written = Conversion("at", jpeg=True).write(benchmark, tmp_path / "jpeg")
    assert written.reencoded == 4 and any("re-encoded" in line for line in written.lines())
    with Image.open(next((tmp_path / "jpeg").rglob("database/*.jpg"))) as image:
        assert image.format == "JPEG"
    with pytest.raises(VprError, match="exists already"):
        Conversion("at").write(benchmark, tmp_path / "plain")
    Conversion("csv", "move").write(benchmark, tmp_path / "moved")
    assert not benchmark.database[0].path.exists()
    with pytest.raises(DataError, match="does not exist"):
        Conversion("csv").write(benchmark, tmp_path / "late")


@pytest.mark.parametrize("files", ["copy", "link", "move"])
def test_a_set_is_never_converted_onto_itself(files, tmp_path):
    source = write_set(tmp_path / "source", places=3)
    linked = tmp_path / "linked"
    Conversion("csv", "link").write(open_benchmark(source), linked)
    before = {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}
    for read, out in ((source, source), (linked, source), (source, tmp_path), (source, source / "database")):
        benchmark = open_benchmark(read)
        with pytest.raises(VprError, match="holds images of the set itself"):
            Conversion("csv", files).write(benchmark, out, overwrite=True)
        assert before == {path: path.read_bytes() for path in source.rglob("*") if path.is_file()}


def test_what_a_copy_cannot_hold_is_said(tmp_path):
    gardens_tutorial(tmp_path / "source")
    written = Conversion("csv").write(open_benchmark(tmp_path / "source"), tmp_path / "out")
    assert any("neither right nor wrong cannot be written" in line for line in written.lines())
    msls = write_msls(tmp_path / "msls", test=("miami",))
    challenge = Conversion("csv").write(open_benchmark(msls, protocol="msls-challenge"), tmp_path / "challenge")
    assert any("cities are not kept" in line for line in challenge.lines())


def named(benchmark, positives, image=lambda name: name):
    """{(query, positive)} by what their images are called."""
    return {(image(benchmark.queries.names[query]), image(benchmark.database.names[int(number)]))
            for query, row in enumerate(positives) for number in row}  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "miniature", "north"),
    [("ams", "amstertime", "@0@4000@@@@@0004@@@@@@@@.png"),
     ("nordland", "nordland-seasons", "@0@00002.4@@@@@images-00203@@@@@@@summer@.png"),
     ("sped", "sped", "@0@1000@@@@@0000001@@@@@@@@.jpg"),
     ("corridor", "corridor", "@0@00010.0@@@@@0000001@@@@@@@@.jpg"),
     ("gardens", "gardens-point-traverses", "@0@00010.0@@@@@Image001@@@@@@@@.jpg")],
)  # fmt: skip
def test_sets_without_positions_get_the_mock_ones_of_their_at_versions(folder, miniature, north, tmp_path):
    """The planar 25 m of whoever reads these names are the set's own truth; nothing else believes them."""
    source = tmp_path / folder
    source.mkdir()
    MINIATURES[miniature].build(source)
    benchmark = open_benchmark(source)
    assert not benchmark.database.any_position and not open_records(source).any_position
    Conversion("at").write(benchmark, tmp_path / "out")
    again = open_benchmark(tmp_path / "out")
    assert north in {name.rsplit("/", 1)[-1] for name in again.database.names}
    truth = named(benchmark, benchmark.positives, lambda name: PurePath(name).stem)
    assert truth == named(again, again.positives, lambda name: name.split("@")[7])
    assert truth == named(again, open_benchmark(tmp_path / "out", ground_truth="planar").positives,
                          lambda name: name.split("@")[7])  # fmt: skip


def test_several_seasons_ask_under_names_of_their_own(tmp_path):
    nordland_seasons(tmp_path / "source")
    benchmark = open_benchmark(tmp_path / "source", queries="winter,fall")
    Conversion("at").write(benchmark, tmp_path / "out")
    again = open_benchmark(tmp_path / "out", ground_truth="planar")
    assert {name.split("@")[14] for name in again.queries.names} == {"winter", "fall"} and len(again.queries) == 12
    assert again.positives.counts.tolist() == benchmark.positives.counts.tolist()


def test_every_tenth_frame_asks_where_it_is():
    """VPR-Bench's Nordland, as the `@` subset: 25/1.5 m a frame of the database."""
    whole, tenth = (Records.from_rows("/x", [{"name": f"{n}.jpg"} for n in range(count)]) for count in (40, 4))
    database, queries = with_mock_positions(FrameRule(1, 10), whole, tenth)
    assert list(queries.texts["mock_north"]) == [f"{n * 250 / 1.5:07.1f}" for n in range(4)]
    assert [database.text("mock_north", 10 * n) for n in range(4)] == list(queries.texts["mock_north"])


def test_what_cannot_be_converted_says_so(tmp_path):
    gardens_tutorial(tmp_path / "source")
    benchmark = open_benchmark(tmp_path / "source")
    with pytest.raises(DataError, match="has no position.*convert to csv"):
        Conversion("at").write(benchmark, tmp_path / "out")
    with pytest.raises(ConfigError, match="'cvs' is unknown.*csv"):
        Conversion("cvs")
    twice = benchmark.take_queries(np.array([0, 0]))
    with pytest.raises(DataError, match="would both become"):
        Conversion("csv").write(twice, tmp_path / "out")
