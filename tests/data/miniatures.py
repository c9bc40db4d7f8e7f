"""Layout-faithful miniatures of the named data sets: folders, names and tables as `dataset-formats.md` gives them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tests.data.index_miniatures import msls_val_index, patch_netvlad
from tests.data.writing import at, mat, near, photos

FACTS = Path(__file__).parents[3] / "shared" / "dataset-facts.json"


def facts() -> dict[str, Any]:
    """The published facts where they lie beside the checkout, else nothing."""
    return json.loads(FACTS.read_text(encoding="utf-8"))["datasets"] if FACTS.is_file() else {}


@dataclass(frozen=True)
class Miniature:
    """What a miniature must read as.

    Attributes:
        build: makes it in a folder and gives the positives per query, in byte order of names.
        options: of `open_benchmark`.
        database, queries: how many images.
        inside: part of the rule's words.
    """

    build: Callable[[Path], list[list[int]] | None]
    database: int
    queries: int
    options: dict[str, Any] = field(default_factory=dict)
    inside: str = ""


def at_pair(
    root: Path, database: str, queries: str, count: int = 6, grey: bool = False, **fields: str
) -> list[list[int]]:
    """Database images 15 m apart, a query beside each."""
    photos(root, [f"{database}/{at(545000 + 15 * n, 4180000, image=f'd{n}', **fields)}" for n in range(count)], grey)
    photos(root, [f"{queries}/{at(545002 + 15 * n, 4180000, image=f'q{n}', **fields)}" for n in range(count)], grey)
    return near(range(count), 1, count)


def svox(root: Path) -> list[list[int]]:
    base = root / "images" / "test"
    photos(base / "gallery", [f"@{619500 + 15 * n}.10@5734983.03@20141216_191{n:03d}@.jpg" for n in range(6)])
    for condition in ("", "_night", "_rain", "_overcast", "_snow", "_sun"):
        photos(
            base / f"queries{condition}",
            [f"@{619502 + 15 * n}.10@5734983.03@20151029_124{n:03d}@.jpg" for n in range(3)],
        )
    return near(range(3), 1, 6)


def sf_xl(root: Path) -> list[list[int]]:
    folders = ("processed/val", "processed/test", "small/test")
    for folder in folders:
        roles = ("database", "queries_v1", "queries_v2", "queries_night", "queries_occlusion")
        lists = {role: [at(545000 + 15 * n + 2 * (role != "database"), 4180000, image=str(n), heading="210")
                        for n in range(4)] for role in roles}  # fmt: skip
        if folder.endswith("val"):
            lists = {"database": lists["database"], "queries": lists["queries_v1"]}
        for role, names in lists.items():
            photos(root / folder / role, names)
        (root / folder / "database_images_paths.txt").write_text("\n".join(sorted(lists["database"])) + "\n")
    return near(range(4), 1, 4)


def pittsburgh(root: Path) -> list[list[int]]:
    names = {"db": [f"00{n % 3}/{n:06d}_pitch{n % 2 + 1}_yaw{n % 12 + 1}.jpg" for n in range(5)],
             "q": [f"000/{900 + n:06d}_pitch1_yaw{n + 1}.jpg" for n in range(3)]}  # fmt: skip
    photos(root, names["db"])
    photos(root / "queries_real", names["q"])
    utm = {"db": np.array([[584800.0 + 20 * n, 4476790.0] for n in range(5)]),
           "q": np.array([[584801.0 + 20 * n, 4476790.0] for n in range(3)])}  # fmt: skip
    for name in ("pitts30k", "pitts250k"):
        mat(root / "datasets" / f"{name}_test.mat", "test", names, utm)
    return near(range(3), 1, 5)


def tokyo247(root: Path) -> list[list[int]]:
    panorama = "AbCdEfGhIjKlMnOpQrSt_-"
    listed = [f"03814/381418.23_3946450.43/{panorama}_012_{30 * n:03d}.jpg" for n in range(4)]
    photos(root, [name.replace(".jpg", ".png") for name in listed])
    queries = ["00010.jpg", "00011.jpg"]
    photos(root / "247query_subset_v2", queries)
    for name in queries:
        (root / "247query_subset_v2" / name.replace("jpg", "csv")).write_text(f"{name},35.65,139.70\n")
    utm = {"db": np.array([[381418.23 + 30 * n, 3946450.43] for n in range(4)]),
           "q": np.array([[381419.0, 3946450.0], [381479.0, 3946450.0]])}  # fmt: skip
    mat(root / "datasets" / "tokyo247.mat", "test", {"db": listed, "q": queries}, utm)
    return [[0], [2]]


def san_francisco(root: Path) -> list[list[int]]:
    photos(
        root / "PCI_001",
        [f"PCI_sp_1146{n}_37.7950{n}_-122.394683_937762214_{n}_727224067_0.{n}2_-17.5.jpg" for n in range(3)],
    )
    photos(root / "queries", ["0001.jpg", "0002.jpg", "0003.jpg"])
    from vprkit.data import geo

    east, north, _, _ = geo.to_utm(np.array([37.79500, 37.79502]), np.array([-122.394683] * 2))
    lines = ["index image qx qy qw qz east north"]
    lines += [f"{n} 000{n + 1} 0.1 0.2 0.9 0.3 {east[n]} {north[n]}" for n in range(2)]
    (root / "reference_poses_addTM_all_598.txt").write_text("\n".join(lines) + "\n")
    return [[0, 1, 2], [0, 1, 2]]


def nordland_seasons(root: Path) -> list[list[int]]:
    frames = [202, 203, 204, 207, 208, 35582]
    for season in ("summer", "winter", "fall", "spring"):
        photos(root / season, [f"images-{n:05d}.png" for n in (*frames, 205)])
    (root / "cleanImageNames.txt").write_text("".join(f"images-{n:05d}.png\n" for n in frames))
    return near(range(6), 10, 6)


def nordland_at(spacing: float, every: int = 1) -> Callable[[Path], list[list[int]]]:
    """The mock coordinates: north is the frame times 25/10.5 m (25/1.5 in the subset), five digits and one decimal."""

    def build(root: Path) -> list[list[int]]:
        for role, numbers in (("database", range(1, 41)), ("queries", range(1, 41, every))):
            photos(root / "images" / "test" / role, [f"@0@{n * spacing:07.1f}@@@@@{n}@@@@@@@@.jpg" for n in numbers])
        names = {
            role: sorted(path.name for path in (root / "images/test" / role).iterdir())
            for role in ("database", "queries")
        }
        frame = {role: [int(name.split("@")[7]) for name in each] for role, each in names.items()}
        reach = 10 if spacing < 10 else 1
        return [
            [row for row, other in enumerate(frame["database"]) if abs(other - n) <= reach] for n in frame["queries"]
        ]

    return build


def vpr_bench(
    count: int, queries: int, lists: list[list[int]], clipped: list[list[int]]
) -> Callable[[Path], list[list[int]]]:
    def build(root: Path) -> list[list[int]]:
        photos(root / "ref", [f"{n:07d}.jpg" for n in range(count)])
        photos(root / "query", [f"{n:07d}.jpg" for n in range(queries)])
        table = np.empty((queries, 2), dtype=object)
        for number, row in enumerate(lists):
            table[number] = [number, row]
        np.save(root / "ground_truth_new.npy", table, allow_pickle=True)
        return clipped

    return build


def vpr_bench_nordland(root: Path) -> list[list[int]]:
    return vpr_bench(30, 3, near(range(3), 1, 30, 10), near(range(3), 1, 30, 10))(root)


def gardens_tutorial(root: Path) -> list[list[int]]:
    for traverse in ("day_left", "day_right", "night_right"):
        photos(root / traverse, [f"Image{n:03d}.jpg" for n in range(12)])
    rows = np.arange(12)
    np.savez(root / "GT.npz", GThard=rows[:, None] == rows, GTsoft=abs(rows[:, None] - rows) <= 8)
    return near(range(12), 0, 12)


def gardens_traverses(root: Path) -> list[list[int]]:
    for traverse in ("day_left", "day_right", "night_right"):
        photos(root / traverse, [f"Image{n:03d}.jpg" for n in range(7)])
    return near(range(7), 2, 7)


def amstertime(root: Path) -> list[list[int]]:
    for number in (0, 1, 4, 1367):
        photos(root / "old", [f"{number:04d}.jpg"])
        photos(root / "new", [f"{number:04d}.png"])
    return near(range(4), 0, 4)


def amstertime_at(root: Path) -> list[list[int]]:
    for role in ("database", "queries"):
        photos(root / "images" / "test" / role, [f"@0@{n * 1000}@@@@@{n:04d}@@@@@@@@.jpg" for n in (1, 2, 3)])
    return near(range(3), 0, 3)


def eynsham(root: Path) -> list[list[int]]:
    for role, lap in (("database", 0), ("queries", 1)):
        names = [at(612000 + 40 * n, 5738000 + lap, "30@U", f"{n:04d}", f"{tile:02d}", time="20080729_10", degrees="@")
                 for n in range(2) for tile in range(5)]  # fmt: skip
        photos(root / "images" / "test" / role, names, grey=True)
    return [list(range(5))] * 5 + [list(range(5, 10))] * 5


def st_lucia(root: Path) -> list[list[int]]:
    for role, traverse, east in (("database", "100909_0845", 0), ("queries", "210809_1210", 1)):
        names = [at(499600 + 5 * n + east, 6958017.95, "56@J", f"{traverse}_{n:05d}", degrees="-27.50149@0152.99633")
                 for n in range(10)]  # fmt: skip
        photos(root / "images" / "test" / role, names)
    return [list(range(max(0, n - 4), min(10, n + 6))) for n in range(10)]


def st_lucia_tutorial(root: Path) -> list[list[int]]:
    for traverse in ("100909_0845", "180809_1545"):
        photos(root / traverse, [f"{n:05d}.jpg" for n in range(6)])
    apart = abs(np.arange(6)[:, None] - np.arange(6))
    np.savez(root / "GT.npz", GThard=apart <= 1, GTsoft=apart <= 2)
    return near(range(6), 1, 6)


def baidu_mall(root: Path) -> list[list[int]]:
    for folder, count, x in (("training_images_undistort", 4, 0.0), ("query_images_undistort", 2, 1.0)):
        for number in range(count):
            photos(root / folder, [f"{number:05d}.jpg"])
            lines = [
                "1 0 0",
                "0 1 0",
                "0 0 1",
                "0 0 0",
                "1 0 0",
                "0 1 0",
                "0 0 1",
                f"{x + 20 * number} 2.0 {30 * (number == 3)}",
                "640 480",
            ]
            (root / folder / f"{number:05d}.camera").write_text("\n".join(lines) + "\n")
    return [[0, 1], [0, 1, 2]]


def gardens_true_negative(root: Path) -> list[list[int]]:
    lists = [*near(range(4), 3, 6), [-1], [-1]]
    return vpr_bench(6, 6, lists, [*near(range(4), 3, 6), [], []])(root)


def at_set(folder: str, **fields: str) -> Callable[[Path], list[list[int]]]:
    return lambda root: at_pair(root, f"{folder}/database", f"{folder}/queries", **fields)


MINIATURES: dict[str, Miniature] = {
    "pitts30k": Miniature(pittsburgh, 5, 3, {}, "within 25 m"),
    "pitts250k": Miniature(pittsburgh, 5, 3, {"variant": "pitts250k"}, "planar"),
    "pitts30k-at": Miniature(at_set("images/test", zone="17@T", degrees="040.43744@-080.00013"), 6, 6),
    "tokyo247": Miniature(tokyo247, 4, 2, {}, "planar"),
    "tokyo247-at": Miniature(at_set("images/test", zone="54@S", tile="07"), 6, 6),
    "sf-xl-val": Miniature(sf_xl, 4, 4, {"split": "val"}),
    "sf-xl-test-v1": Miniature(sf_xl, 4, 4),
    "sf-xl-test-v2": Miniature(sf_xl, 4, 4, {"queries": "queries_v2"}),
    "sf-xl-test-night": Miniature(sf_xl, 4, 4, {"queries": "night"}),
    "sf-xl-test-occlusion": Miniature(sf_xl, 4, 4, {"queries": "queries_occlusion"}),
    "sf-xl-small": Miniature(sf_xl, 4, 4, {"variant": "small"}),
    "san-francisco": Miniature(san_francisco, 3, 2),
    "st-lucia": Miniature(st_lucia, 10, 10),
    "st-lucia-tutorial": Miniature(st_lucia_tutorial, 6, 6, {}, "ignored"),
    "nordland-seasons": Miniature(nordland_seasons, 6, 6, {}, "within 10"),
    "nordland-w2": Miniature(
        lambda root: [nordland_seasons(root), near(range(6), 2, 6)][1], 6, 6, {"ground_truth": "frames:2"}
    ),
    "nordland-at": Miniature(nordland_at(25 / 10.5), 40, 40),
    "nordland-at-subset": Miniature(nordland_at(25 / 1.5, 10), 40, 4),
    "nordland-vpr-bench": Miniature(vpr_bench_nordland, 30, 3),
    "nordland-patch-netvlad": Miniature(patch_netvlad, 12, 12, {}, "nordland.npz"),
    "gardens-point": Miniature(
        vpr_bench(6, 6, near(range(6), 2, 8), near(range(6), 2, 6)), 6, 6, {}, "ground_truth_new"
    ),
    "gardens-point-true-negative": Miniature(gardens_true_negative, 6, 6),
    "gardens-point-tutorial": Miniature(gardens_tutorial, 12, 12, {}, "ignored"),
    "gardens-point-traverses": Miniature(gardens_traverses, 7, 7),
    "svox": Miniature(svox, 6, 3),
    **{
        f"svox-{name}": Miniature(svox, 6, 3, {"queries": name})
        for name in ("night", "rain", "overcast", "snow", "sun")
    },
    "amstertime": Miniature(amstertime, 4, 4, {}, "same id"),
    "amstertime-at": Miniature(amstertime_at, 3, 3),
    "essex3in1": Miniature(vpr_bench(5, 5, near(range(5), 0, 5), near(range(5), 0, 5)), 5, 5),
    "sped": Miniature(vpr_bench(5, 5, near(range(5), 0, 5), near(range(5), 0, 5)), 5, 5),
    "corridor": Miniature(vpr_bench(5, 5, near(range(5), 2, 5), near(range(5), 2, 5)), 5, 5),
    "eynsham": Miniature(eynsham, 10, 10),
    "baidu-mall": Miniature(baidu_mall, 4, 2, {}, "in space"),
    "msls-val-index": Miniature(msls_val_index, 4, 2, {"split": "val"}, "msls_val_pIdx"),
}
