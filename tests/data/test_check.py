import shutil

import numpy as np
from PIL import Image

from tests.conftest import at_name, picture
from vprkit.data.benchmark import open_benchmark
from vprkit.data.check import check_benchmark, passed
from vprkit.data.protocols import protocols_of


def findings(folder, **options):
    return check_benchmark(open_benchmark(folder, **options))


def messages(found, check):
    return " ".join(f"{finding.level}: {finding.message}" for finding in found if finding.check == check)


def test_a_sound_set_passes(shared_set):
    found = findings(shared_set)
    assert passed(found)
    assert "all 8 database images exist" in messages(found, "files")
    assert "16 queries, 0 without a positive" in messages(found, "ground truth")


def test_a_query_in_the_database_is_a_leak(photo_set):
    source = sorted((photo_set / "queries").iterdir())[0]
    shutil.copy(source, photo_set / "database" / at_name(400_000, 5e6, name="copy"))
    found = findings(photo_set)
    assert not passed(found)
    assert "error: 1 of 16 queries is also in the database" in messages(found, "leaks")


def test_the_same_name_with_other_bytes_is_legal(photo_set):
    name = sorted(path.name for path in (photo_set / "queries").iterdir())[0]
    Image.fromarray(picture(77)).save(photo_set / "database" / name)
    assert passed(findings(photo_set))


def test_broken_and_missing_images_are_errors(photo_set):
    first = sorted((photo_set / "database").iterdir())[0]
    first.write_bytes(first.read_bytes()[:300])
    found = findings(photo_set)
    assert "cannot be decoded" in messages(found, "images") and not passed(found)
    benchmark = open_benchmark(photo_set)
    first.rename(first.with_suffix(".JPG"))
    found = check_benchmark(benchmark)
    assert "1 of 8 database images does not exist" in messages(found, "files")
    assert "under another suffix" in messages(found, "files")


def test_zones_and_positions_are_reported(photo_set):
    Image.fromarray(picture(5)).save(photo_set / "database" / at_name(400_000, 5e6, zone="33@T", name="other"))
    Image.fromarray(picture(6)).save(photo_set / "database" / at_name(5, 5e6, name="off"))
    found = findings(photo_set)
    assert "UTM zones 32, 33: the positives of 2 queries differ" in messages(found, "zones")
    assert "outside their UTM zone's range" in messages(found, "positions")
    assert passed(found) and not passed(found, strict=True)


def test_queries_without_positive_are_counted(photo_set):
    Image.fromarray(picture(50)).save(photo_set / "queries" / at_name(500_000, 5e6))
    assert "1 query has no positive and counts as a miss" in messages(findings(photo_set), "ground truth")


def test_counts_against_published_ones(photo_set):
    renamed = photo_set.rename(photo_set.with_name("st_lucia"))
    assert "fit no published variant" in messages(findings(renamed), "counts")


def test_copies_and_missing_texts_are_reported(photo_set):
    first, second = sorted((photo_set / "database").iterdir())[:2]
    shutil.copy(first, second)
    assert "1 of 8 database images is a copy of another" in messages(findings(photo_set), "duplicates")
    for role in ("database", "queries"):
        names = sorted(path.name for path in (photo_set / role).iterdir())[:2]
        rows = [f"{role}/{names[0]},45,7,a red house", f"{role}/{names[1]},45,7,"]
        (photo_set / f"{role}.csv").write_text("path,lat,lon,text\n" + "\n".join(rows) + "\n")
    assert "1 of 2 query images has no text" in messages(findings(photo_set), "texts")


def test_counts_are_compared_only_for_sets_of_that_name(tmp_path):
    for name, known in (("city/images/test", False), ("msls/val", True), ("Tokyo_24_7", True), ("tokyo247", True)):
        assert bool(protocols_of(tmp_path / name)) == known


def test_exif_orientation_is_reported(photo_set):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.asarray(picture(4))).save(photo_set / "queries" / at_name(400_100, 5e6, name="t"), exif=exif)
    assert "1 of 17 query images has an EXIF orientation" in messages(findings(photo_set), "images")
