"""Readers of what others wrote, as functions of bytes, with sound inputs to damage; for the tests and benchmarks."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.io import savemat

from vprkit.data import arrays, descriptions
from vprkit.data.benchmark import Benchmark
from vprkit.data.columns import StringColumn
from vprkit.data.conditions import with_conditions
from vprkit.data.index_lists import names_of, positives_of
from vprkit.data.layouts import at, at_columns, baidu_mall, google_landmarks, gsv_cities, san_francisco
from vprkit.data.layouts.dbstruct import read_dbstruct
from vprkit.data.layouts.layout import Roles
from vprkit.data.layouts.msls_tables import read_frames
from vprkit.data.layouts.table import read_records
from vprkit.data.layouts.vprbench import _ordered
from vprkit.data.matfile import read_mat
from vprkit.data.path_lists import list_names
from vprkit.data.positives import within_radius
from vprkit.data.query_lists import listed_queries
from vprkit.data.records import Records
from vprkit.errors import DataError
from vprkit.evaluation.submission import read_submission


@dataclass(frozen=True)
class Target:
    """A reader and sound inputs for it; `read` gets bytes and a folder of its own to write into."""

    read: Callable[[bytes, Path], object]
    seeds: tuple[bytes, ...]


def names(data: bytes, folder: Path) -> None:
    """Single names and columns of names must agree; a list of them must stay in its folder."""
    lines = data.decode("utf-8", "surrogateescape").split("\n")
    parsed = [at.parse_name(line) for line in lines]
    for start, piece in zip(range(0, len(lines), 3), at_columns.blocks(StringColumn.of(lines), 3), strict=True):
        for row, fields in enumerate(parsed[start : start + 3]):
            assert bool(piece.known[row]) == (fields is not None)
            if fields is not None:
                assert (fields.east, fields.north, fields.zone) == (piece.east[row], piece.north[row], piece.zone[row])
    (folder / "x_images_paths.txt").write_bytes(data)
    for name in list_names(folder / "x_images_paths.txt", folder / "x", folder):
        assert name.startswith("x/") and ".." not in name.split("/")


def csv(data: bytes, folder: Path) -> None:
    path = folder / "photos.csv"
    path.write_bytes(data)
    read_records(path)


def tables(data: bytes, folder: Path) -> None:
    """Tables of MSLS, GSV-Cities, Landmarks, poses, cameras, descriptions, conditions, lists of queries and prediction
    files, all from the same bytes."""
    for name in ("seq_info.csv", "subtask_index.csv", "postprocessed.csv", "raw.csv", "train_clean.csv", "keys.txt",
                 "conditions.csv"):  # fmt: skip
        (folder / name).write_bytes(data)
    (folder / "Dataframes").mkdir(exist_ok=True)
    (folder / "Images").mkdir(exist_ok=True)
    (folder / "Dataframes" / "City.csv").write_bytes(data)
    some = Records.from_rows(folder, [{"name": "a.jpg"}, {"name": "x/@1@2@3@4@5@6@key@@@@@@@@.jpg"}])
    _each(
        lambda: read_frames(folder),
        lambda: google_landmarks.read(folder, None),
        lambda: gsv_cities.read(folder, None),
        lambda: list(san_francisco._poses(folder / "raw.csv")),
        lambda: descriptions.read_descriptions(folder / "raw.csv").attach(some),
        lambda: listed_queries(folder / "raw.csv", some),
        lambda: listed_queries(folder / "keys.txt", some),
        lambda: read_submission(folder / "keys.txt", Benchmark("fuzzed", some, some, None, "none")),
        lambda: with_conditions(Roles(folder, some, some), folder),
        lambda: baidu_mall._centre(folder / "keys.txt"),
    )


def _each(*readers: Callable[[], object]) -> None:
    """Every reader, then the first refusal."""
    refusals = []
    for reader in readers:
        try:
            reader()
        except DataError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def mat(data: bytes, folder: Path) -> None:
    path = folder / "list.mat"
    path.write_bytes(data)
    read_mat(path)
    struct = read_dbstruct(path)
    within_radius(struct.utm_database, struct.utm_queries, struct.radius)


def npy(data: bytes, folder: Path) -> None:
    path = folder / "lists.npy"
    path.write_bytes(data)
    value = arrays.read_npy(path)
    count = len(value) if isinstance(value, list) else len(np.atleast_1d(value))
    _each(
        lambda: positives_of(value, count, 100, "lists.npy"),
        lambda: [name.encode("utf-8", "replace") for name in names_of(value, "lists.npy")],
        lambda: _ordered(value, count, path),
    )


def npz(data: bytes, folder: Path) -> None:
    path = folder / "lists.npz"
    path.write_bytes(data)
    arrays.read_npz(path)


def _mat_seed(compressed: bool) -> bytes:
    stream = io.BytesIO()
    cell = np.array(["000/000001_pitch1_yaw1.jpg", "000/000002_pitch1_yaw1.jpg"], dtype=object)[:, None]
    utm = np.array([[5e5, 5e5 + 9], [4e6, 4e6]])
    struct = {
        "whichSet": "test", "dbImageFns": cell, "utmDb": utm, "qImageFns": cell, "utmQ": utm, "numImages": 2,
        "numQueries": 2, "posDistThr": 25.0, "posDistSqThr": 625.0, "nonTrivPosDistSqThr": 100.0,
    }  # fmt: skip
    savemat(stream, {"dbStruct": struct}, do_compression=compressed)
    return stream.getvalue()


def _npy_seeds() -> tuple[bytes, ...]:
    lists = np.empty(3, dtype=object)
    lists[:] = [np.array([1, 2]), np.array([3]), [4, 5]]
    pairs = np.empty((2, 2), dtype=object)
    pairs[0], pairs[1] = [0, [1, 2]], [1, [-1]]
    sound = (
        np.arange(6).reshape(2, 3),
        np.array(["a.jpg", "b/c.jpg"]),
        lists,
        pairs,
        np.array(["x", "y"], dtype=object),
    )
    seeds = []
    for array in sound:
        stream = io.BytesIO()
        np.save(stream, array, allow_pickle=True)
        seeds.append(stream.getvalue())
    return tuple(seeds)


def _npz_seed(compressed: bool) -> bytes:
    stream = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(stream, utmQ=np.zeros((2, 2)), GThard=np.eye(3, dtype=bool))
    return stream.getvalue()


_MSLS = b",key,sequence_key,frame_number,all,easting,northing,unique_cluster,night,view_direction,lon,lat,ca,"
_MSLS += b"captured_at,pano\n"
TARGETS: dict[str, Target] = {
    "names": Target(names, (
        b"@0544388.51@4172758.25@10@S@037.70098@-122.49646@kPnABhWJ1kA61eMNPLs1vQ@@210@@@@201606@@.jpg",
        b"a@b/@0499637.67@6958017.95@56@J@-27.50149@0152.99633@id@07@015@@@@20180722_1405@night_x_cph@.jpg\nplain.jpg",
        b"@0619586.56@5734983.03@20141216_191044@.jpg\n@0@1000@@@@@0001@@@@@@@@.jpg")),
    "csv": Target(csv, (
        b"path,lat,lon,heading,time,condition,place,text\na.jpg,45.0,7.5,90,2024,night,p,\"red, new\"\nb.jpg,,,,,,,\n",
        b"image,easting,northing,zone\nx/a.jpg,400000,6957461,56J\ny/b.jpg,1e5,2,32T\n")),
    "tables": Target(tables, (
        _MSLS + b"0,abc,s1,3,True,345962.0,6173187.6,4,False,Forward,12.5,55.6,358.0,2015-01-10,False\n",
        b"landmark_id,images\n1,00cba0067c078490 00f928e383e1d121\n",
        b"place_id,year,month,northdeg,city_id,lat,lon,panoid\n1,2015,1,90,City,1.0,-1.2e-05,p_x\n",
        b"image_path,description\na.jpg, \"a red door\"\n", b"index image x y w z e n\n0 1.jpg 0 0 1 0 5 6\n",
        b"a.jpg\nkey\n", b"# predictions\na key a\nkey a\n", b"query,condition\na.jpg,day\nkey,night\n",
        b"0 0 0\n1 0 0\n0 1 0\n12.5 -3 1e2\n640 480\n")),
    "mat": Target(mat, (_mat_seed(False), _mat_seed(True))),
    "npy": Target(npy, _npy_seeds()),
    "npz": Target(npz, (_npz_seed(False), _npz_seed(True))),
}  # fmt: skip
