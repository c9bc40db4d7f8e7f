"""Classes, groups, focal points and crops of CosPlace and EigenPlaces against their cases."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from tests.reference.runner import Case, handles
from vprkit.data.columns import StringColumn
from vprkit.data.focal_points import FRONTAL, LATERAL, focal_points, second_axes
from vprkit.data.folders import records_of_names
from vprkit.data.grouped_images import GroupedImages
from vprkit.data.groups import CROP, PANORAMA, CosPlaceGrouping, Grouped, bearing_towards, crop_towards
from vprkit.data.layouts import at_columns
from vprkit.methods.progeo.official_prompts import published_order


def columns(names: list[str]) -> Any:
    """What the names say, as the product reads it."""
    (read,) = at_columns.blocks(StringColumn.of(names), len(names))
    assert read.known.all()
    return read


def official_classes(grouped: Grouped, width: int) -> list[list[list[int]]]:
    """Sorted class corners of every group, in the order of the groups."""
    return [grouped.classes[grouped.group_of_class == g, :width].tolist() for g in range(grouped.groups)]


def group_codes(classes: np.ndarray, p: dict[str, int]) -> np.ndarray:
    """(C, 2 or 3) group ids of class corners, from the formula."""
    side = p["M"] * p["N"]
    parts = [classes[:, 0] % side // p["M"], classes[:, 1] % side // p["M"]]
    if "alpha" in p:
        parts.append(classes[:, 2] % (p["alpha"] * p["L"]) // p["alpha"])
    return np.stack(parts, 1)


@handles("progeo/cosplace_grouping")
def cosplace(case: Case) -> None:
    read = columns(case.json["filenames"])
    for number, expected in enumerate(case.json["groups"]):
        p = expected["params"]
        grouping = CosPlaceGrouping(p["M"], p["alpha"], p["N"], p["L"], p["mipc"])
        found = grouping.group(read.east, read.north, read.heading)
        assert (found.groups, len(found.classes)) == (expected["num_groups"], expected["num_classes"])
        assert int((found.labels >= 0).sum()) == expected["num_images"]
        assert official_classes(found, 3) == expected["classes"]
        firsts = [int(np.flatnonzero(found.group_of_class == g)[0]) for g in range(found.groups)]
        assert group_codes(found.classes[firsts], p).tolist() == expected["group_order"]
        sizes = np.bincount(found.labels[found.group_of_image == 0], minlength=len(found.classes))
        counts = {",".join(map(str, c)): int(n) for c, n in zip(found.classes.tolist(), sizes, strict=True) if n}
        assert counts == expected["images_per_class_first_group"]
        images = GroupedImages(records_of_names(Path(), case.json["filenames"]), grouping, found)
        official = found.classes[found.group_of_class == 0][published_order(images, 0)]
        assert official.tolist() == expected["official_order_first_group"]
        if number == 0:
            every = CosPlaceGrouping(p["M"], p["alpha"], p["N"], p["L"], 1).group(read.east, read.north, read.heading)
            case.check("class_id", every.classes[every.labels])
            case.check("group_id", group_codes(every.classes, p)[every.labels])


@handles("progeo/eigenplaces_grouping")
def eigenplaces(case: Case) -> None:
    config, expected = case.config, case.json["groups"]
    (source,) = re.findall(r"[\w-]+\.json", config["source_filenames"])
    read = columns(json.loads((case.folder / source).read_text())["filenames"])
    found = CosPlaceGrouping(config["M"], 0, config["N"], 1, config["mipc"]).group(read.east, read.north, read.heading)
    assert official_classes(found, 2) == expected["classes"]
    firsts = [int(np.flatnonzero(found.group_of_class == g)[0]) for g in range(found.groups)]
    assert group_codes(found.classes[firsts], config).tolist() == expected["group_order"]
    every = CosPlaceGrouping(config["M"], 0, config["N"], 1, 1).group(read.east, read.north, read.heading)
    case.check("class_id", every.classes[every.labels, :2])
    case.check("group_id", group_codes(every.classes, config)[every.labels])
    case.check("classes", found.classes[:, :2])
    axes = second_axes(read.east, read.north, found.labels, len(found.classes))
    case.check("mean", axes[:, :2])
    sign = np.sign((axes[:, 2:] * case.output("axis").numpy()).sum(1, keepdims=True))
    case.check("axis", sign * axes[:, 2:])
    for name, angle in (("lateral", LATERAL), ("frontal", FRONTAL)):
        mirrored = axes * np.concatenate([np.ones_like(sign)] * 2 + [sign] * 2, 1)
        case.check(f"focal_{name}", focal_points(mirrored, config["focal_dist"], angle))
    _special(case)
    _crops(case)


def _special(case: Case) -> None:
    """Few points; isotropic ones have no axis, so only their distance from the mean is told."""
    for name in sorted(key.removeprefix("input/") for key in case.tensors if key.startswith("input/")):
        points = case.input(name).numpy()
        axes = second_axes(points[:, 0], points[:, 1], np.zeros(len(points), np.int64), 1)
        for kind, angle in (("lateral", LATERAL), ("frontal", FRONTAL)):
            label, distance = f"{name}_{kind}", case.config["special_inputs_focal_dist"]
            wanted = case.output(label).numpy() if case.outputs(label) else None
            offset = focal_points(axes, distance, angle)[0] - axes[0, :2]
            if wanted is None or isotropic(points):
                assert np.isclose(np.linalg.norm(offset), distance)
                case.done.add(label)
                continue
            side = 1.0 if (offset * (wanted - axes[0, :2])).sum() >= 0 else -1.0
            case.check(label, axes[0, :2] + side * offset)


def isotropic(points: np.ndarray) -> bool:
    """Whether different points spread alike to all sides."""
    centred = points - points.mean(0)
    least, most = np.linalg.eigvalsh(centred.T @ centred)
    return bool(most > 0 and np.isclose(least, most))


def _crops(case: Case) -> None:
    assert (case.config["PANO_WIDTH"], case.config["crop"]) == (PANORAMA, CROP)
    crops = case.json["crops"]
    read = columns([crop["path"] for crop in crops])
    focal = np.array([crop["focal"] for crop in crops])
    offsets = [
        crop_towards(read.heading[[i]], read.east[[i]], read.north[[i]], focal[i, 0], focal[i, 1])[0]
        for i in range(len(crops))
    ]
    assert offsets == [crop["offset"] for crop in crops]
    bearings = bearing_towards(read.east, read.north, *focal.T)
    case.compare("bearing_deg", bearings, np.array([crop["bearing_deg"] for crop in crops]))
