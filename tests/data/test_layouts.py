import numpy as np
import pytest
from PIL import ExifTags, Image

from tests.conftest import at_name, picture, write_set
from vprkit.data.benchmark import open_benchmark, open_records
from vprkit.data.layouts.at import parse_name
from vprkit.data.records import Records
from vprkit.errors import DataError


def save(path, seed=0, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed)).save(path, **options)


def gps(latitude, longitude, heading=None):
    exif = Image.Exif()
    block = {
        ExifTags.GPS.GPSLatitudeRef: "S" if latitude < 0 else "N",
        ExifTags.GPS.GPSLatitude: degrees(abs(latitude)),
        ExifTags.GPS.GPSLongitudeRef: "W" if longitude < 0 else "E",
        ExifTags.GPS.GPSLongitude: degrees(abs(longitude)),
    }
    if heading is not None:
        block[ExifTags.GPS.GPSImgDirection] = heading
    exif.get_ifd(ExifTags.IFD.GPSInfo).update(block)
    exif[ExifTags.Base.DateTime] = "2024:05:06 07:08:09"
    return exif


def degrees(value):
    whole = int(value)
    minutes = int((value - whole) * 60)
    return (float(whole), float(minutes), (value - whole - minutes / 60) * 3600)


@pytest.mark.parametrize(("database", "queries"), [("gallery", "query"), ("ref", "query"), ("database", "queries")])
@pytest.mark.parametrize("inside", ["", "images/test", "test"])
def test_folder_pairs_by_any_name_and_depth(tmp_path, database, queries, inside):
    root = tmp_path / inside
    for place in range(3):
        save(root / database / at_name(400_000 + 50 * place, 5e6), place)
        save(root / queries / "deep" / at_name(400_003 + 50 * place, 5e6), place)
    benchmark = open_benchmark(tmp_path)
    assert [row.tolist() for row in benchmark.positives] == [[0], [1], [2]]
    assert all("deep/" in name for name in benchmark.queries.names)
    assert any("gallery" in notice for notice in benchmark.notices) == (database == "gallery")


def test_queries_can_be_chosen(photo_set):
    save(photo_set / "queries_night" / at_name(400_000, 5e6))
    assert len(open_benchmark(photo_set, queries="queries_night").queries) == 1


def test_names_are_sorted_bytewise(tmp_path):
    for name in ("b.jpg", "B.jpg", "a10.jpg", "a9.jpg", "ä.jpg"):
        save(tmp_path / name)
    assert list(open_records(tmp_path).names) == ["B.jpg", "a10.jpg", "a9.jpg", "b.jpg", "ä.jpg"]


def test_a_path_list_replaces_the_walk(photo_set):
    names = sorted(path.name for path in (photo_set / "database").iterdir())
    (photo_set / "database_images_paths.txt").write_text("\n".join(names[:3]) + "\n")
    assert len(open_benchmark(photo_set).database) == 3
    (photo_set / "database_images_paths.txt").write_text("\n".join([names[0], "gone.jpg"]))
    with pytest.raises(DataError, match="database_images_paths.txt: 1 of 2 listed files do not exist.*gone.jpg"):
        open_benchmark(photo_set)


def test_exif_positions(tmp_path):
    save(tmp_path / "a.jpg", exif=gps(-27.5, 153.25, 359.5))
    save(tmp_path / "b.jpg")
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    records = open_records(tmp_path)
    assert records[0].latitude == pytest.approx(-27.5, abs=1e-6)
    assert records[0].longitude == pytest.approx(153.25, abs=1e-6)
    assert records[0].zone == 56 and records[0].south
    assert records[0].heading == pytest.approx(359.5)
    assert records[0].time == "2024:05:06 07:08:09"
    assert records[1].latitude is None and records[2].latitude is None
    save(tmp_path / "c.jpg", exif=gps(0.0, 0.0, 1.0))
    assert open_records(tmp_path)[-1].latitude is None  # what is written without a fix


def test_degrees_that_lie_on_no_globe_are_told_by_the_metres():
    name = "@0400000.00@5000000.00@32@T@91.0@200.0@@@@@@@@.jpg"
    found = Records.from_rows("/", [parse_name(name).row(name)]).with_latlon()
    assert found.latitude[0] == pytest.approx(45.15, abs=0.01) and found.longitude[0] == pytest.approx(7.73, abs=0.01)
    found = Records.from_rows("/", [{"name": "a.jpg", "latitude": 10.0, "longitude": 190.0}]).with_latlon()
    assert found.longitude[0] == pytest.approx(-170)


def test_csv_with_degrees_or_metres(tmp_path):
    path = tmp_path / "photos.csv"
    path.write_text(
        'path,lat,lon,heading,time,condition,place,text\na.jpg,45.0,7.5,90,2024,night,p1,"red, brick"\nb.jpg,,,,,,,\n'
    )
    records = open_records(path)
    assert (records[0].zone, records[0].heading, records[0].condition, records[0].text) == (
        32,
        90,
        "night",
        "red, brick",
    )
    assert records[1].east is None
    assert any("1 of 2 rows has no position" in notice for notice in records.notices)
    path.write_text("image,easting,northing,zone\nx/a.jpg,400000,6957461,56J\n")
    assert open_records(path)[0].south
    assert np.isclose(open_records(path).with_latlon()[0].latitude, -27.5, atol=0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,lat,lon\na.jpg,91,0\n", "line 2, column lat: 91 is out of range"),
        ("path,lat,lon\na.jpg,x,0\n", "line 2, column lat: 'x' is no number"),
        ("path,lat,lon\na.jpg,1,\n", "line 2: latitude and longitude"),
        ("path,east,north,zone\na.jpg,1,2,99Q\n", "'99Q' is no UTM zone"),
        ("path,lat,lon\n../a.jpg,1,1\n", "does not stay inside"),
        ("path,lat,lon\n/etc/a.jpg,1,1\n", "lies outside"),
        ("path,lat,lon\na.jpg,1,1\na.jpg,1,1\n", "line 3: 'a.jpg' was already on line 2"),
        ("pth,lat,lon\na.jpg,1,1\n", "a column named 'path' is needed, there are pth, lat, lon"),
        ("path,lat,lon\n", "no rows"),
        ("path,lat\na.jpg\n", "line 2: 1 fields where the header names 2"),
    ],
)
def test_bad_csv_names_the_line(tmp_path, text, message):
    path = tmp_path / "photos.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        open_records(path)


def test_tables_win_over_folders_because_they_say_more(photo_set):
    for role in ("database", "queries"):
        names = sorted(path.name for path in (photo_set / role).iterdir())[:4]
        rows = "\n".join(f"{role}/{name},{45 + i / 1000},7.5,dusk" for i, name in enumerate(names))
        (photo_set / f"{role}.csv").write_text(f"path,lat,lon,condition\n{rows}\n")
    benchmark = open_benchmark(photo_set)
    assert len(benchmark.database) == 4
    assert [row.tolist() for row in benchmark.positives] == [[0], [1], [2], [3]]
    assert benchmark.queries[0].condition == "dusk"


def test_links_in_a_circle_are_followed_once(tmp_path):
    save(tmp_path / "a.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert list(open_records(tmp_path).names) == ["a.jpg"]


def test_columns_and_rows_that_say_one_thing_twice(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("path,lat,LAT,lon\na.jpg,1,2,3\n")
    with pytest.raises(DataError, match="'lat' and 'LAT' both give the latitude"):
        open_records(path)
    path.write_text("path,lat,lon\na/b.jpg,1,2\n./a//b.jpg,1,2\n")
    with pytest.raises(DataError, match="line 3: 'a/b.jpg' was already on line 2"):
        open_records(path)
    path.write_text("path,lat,lon,name\na.jpg,1,2,Main Street\n")
    assert open_records(path).names[0] == "a.jpg"
    path.write_text("path;lat;lon\na.jpg;1;2\n")
    with pytest.raises(DataError, match="separated by ';'"):
        open_records(path)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        open_benchmark(tmp_path / "nowhere")
    (tmp_path / "readme.txt").write_text("")
    with pytest.raises(DataError, match="no known layout.*readme.txt"):
        open_benchmark(tmp_path)
    write_set(tmp_path, places=1)
    for path in (tmp_path / "database").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="database: holds no photos"):
        open_benchmark(tmp_path)


def test_a_parent_folder_may_hold_an_at_sign(tmp_path):
    root = write_set(tmp_path / "me@home@1")
    assert open_benchmark(root).positives.counts.tolist() == [1] * 16


def test_some_unreadable_names_are_counted(photo_set):
    save(photo_set / "database" / "IMG_1.jpg")
    benchmark = open_benchmark(photo_set)
    assert any("1 of 9 names have no readable position" in notice for notice in benchmark.notices)
    assert benchmark.positives.counts.tolist() == [1] * 16
