"""San Francisco Landmark with the poses of R-SF: database names tell position, queries a table of poses.

Chen et al., CVPR 2011; Torii et al., TPAMI 2019. A database name has ten parts joined by `_`: two prefixes, panorama,
latitude, longitude, building, tile, carto id, heading, pitch.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vprkit.data.folders import photos_below
from vprkit.data.layouts.layout import Layout, Request, Roles
from vprkit.data.records import Records
from vprkit.errors import DataError

POSES = "reference_poses_*.txt"
PARTS, COLUMNS, ZONE = 10, 8, 10


def read(request: Request) -> Roles | None:
    poses = next((path for pattern in (POSES, f"*/{POSES}") for path in sorted(request.path.glob(pattern))), None)
    if poses is None:
        return None
    root = request.images or request.path
    names = [path.relative_to(root).as_posix() for path in photos_below(root)]
    views = [row for name in names if (row := view_of(name)) is not None]
    if not views:
        raise DataError(
            f"{root}: no image has a name of ten parts such as PCI_sp_11467_37.79_-122.39_9377_0_727_109_-17.jpg"
        )
    placed = {row["name"] for row in views}
    others = {Path(name).stem: name for name in names if name not in placed}
    queries, missing = [], []
    for image, row in _poses(poses):
        name = others.get(image) or others.get(image.zfill(4)) or others.get(Path(image).stem)
        if name is None:
            missing.append(image)
            continue
        queries.append({**row, "name": name})
    if not queries:
        raise DataError(f"{poses}: none of its {len(missing)} images lies below {root}")
    notices = (
        (f"{len(missing)} images of {poses.name} do not lie below {root}, such as {missing[0]}",) if missing else ()
    )
    return Roles(request.path, Records.from_rows(root, views), Records.from_rows(root, queries), notices)


def view_of(name: str) -> dict[str, Any] | None:
    """What a database name tells; None where it is another name."""
    parts = name.rsplit("/", 1)[-1].rsplit(".", 1)[0].split("_")
    if len(parts) != PARTS:
        return None
    try:
        latitude, longitude, heading = float(parts[3]), float(parts[4]), float(parts[8])
    except ValueError:
        return None
    if not (abs(latitude) <= 90 and abs(longitude) <= 180 and math.isfinite(heading)):
        return None
    return {"name": name, "latitude": latitude, "longitude": longitude, "heading": heading % 360, "id": parts[2],
            "tile": parts[6]}  # fmt: skip


def heading_of(x: float, y: float, z: float, w: float) -> float:
    """Compass degrees of a camera's quaternion, by the formula published with the poses."""
    yaw = math.atan2(2 * (z * x + y * w), -1 + 2 * (x * x + y * y))
    return (((yaw / math.pi) + 1) * 180 + 180) % 360


def _poses(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(image id, position and heading): index, image id, quaternion x y w z, east, north below a header line."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as text ({error})") from error
    for number, line in enumerate(lines[1:], 2):
        fields = line.replace(",", " ").split()
        if not fields:
            continue
        try:
            if len(fields) < COLUMNS:
                raise ValueError
            x, y, w, z, east, north = (float(field) for field in fields[2:8])
            if not all(math.isfinite(value) for value in (x, y, w, z, east, north)):
                raise ValueError
        except ValueError:
            raise DataError(
                f"{path}, line {number}: needs index, image, four quaternion numbers, east and north"
            ) from None
        yield fields[1], {"east": east, "north": north, "zone": ZONE, "heading": heading_of(x, y, z, w)}


LAYOUT = Layout(
    "san-francisco",
    "San Francisco Landmark: reference_poses_addTM_all_598.txt and names of ten parts",
    read,
    22,
    chooses=False,
)
