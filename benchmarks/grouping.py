"""Classes and groups of 200,000 SF-XL names: by columns, against one split and one dictionary look-up per name."""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
from common import best_of, table

from vprkit.data.folders import records_of_names
from vprkit.data.groups import COSPLACE, EIGENPLACES, CosPlaceGrouping, Grouped


def make_names(count: int) -> list[str]:
    """Crops along streets, about 15 to a class."""
    rng = np.random.default_rng(0)
    side = (count / 15 / 12) ** 0.5 * 10
    east, north = (start + rng.uniform(0, side, count) for start in (546000, 4178000))
    heading = rng.integers(0, 360, count)
    return [
        f"2013/@{e:010.2f}@{n:010.2f}@10@S@037.81098@-122.47762@p{i:07d}@@{h:03d}@@@@201409@@.jpg"
        for i, (e, n, h) in enumerate(zip(east, north, heading, strict=True))
    ]


def by_name(names: list[str], rule: CosPlaceGrouping) -> tuple[int, int]:
    """The way of the published programs: numbers in one array, then row by row; what is kept of classes and groups."""
    m, a = rule.metres, rule.degrees
    images_of, classes_of = defaultdict(list), defaultdict(set)
    fields = [name.split("@") for name in names]
    numbers = np.array([(row[1], row[2], row[9]) for row in fields]).astype(np.float64)
    for name, (east, north, heading) in zip(names, numbers, strict=True):
        e, n = int(east // m * m), int(north // m * m)
        h = int(heading // a * a) if a else 0
        images_of[(e, n, h)].append(name)
    kept = {key: images for key, images in images_of.items() if len(images) >= rule.min_images}
    for e, n, h in kept:
        sector = h % (a * rule.sectors) // a if a else 0
        classes_of[(e % (m * rule.cells) // m, n % (m * rule.cells) // m, sector)].add((e, n, h))
    return len(kept), len(classes_of)


def by_columns(names: list[str], rule: CosPlaceGrouping) -> Grouped:
    records = records_of_names(Path(), names)
    return rule.group(records.east, records.north, records.heading)


def main(count: int) -> None:
    names, rows = make_names(count), []
    for label, rule in (("cosplace", COSPLACE), ("eigenplaces", EIGENPLACES)):
        found, expected = by_columns(names, rule), by_name(names, rule)
        assert (len(found.classes), found.groups) == expected, "both must find the same"
        ours, theirs = (
            best_of(lambda rule=rule: by_columns(names, rule)),
            best_of(lambda rule=rule: by_name(names, rule)),
        )
        rows.append([label, str(expected[0]), f"{ours:.3f}", f"{theirs:.3f}", f"{theirs / ours:.1f}"])
    table(f"{count:,} names into classes and groups", ("rule", "classes", "s", "s, per name", "times faster"), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200_000)
    main(parser.parse_args().count)
