"""What the miniatures are written with: photos, `@` names, MATLAB lists."""

import io
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

from tests.conftest import picture


def encoded(seed: int, form: str = "JPEG", grey: bool = False) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(picture(seed, (8, 8)))
    (image.convert("L") if grey else image).save(stream, form)
    return stream.getvalue()


def photos(root: Path, names: Iterable[str], grey: bool = False) -> list[str]:
    """Small photos, each another; the names are given back, sorted byte-wise."""
    names = list(names)
    for number, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(number + len(name) * 1000, "PNG" if name.endswith(".png") else "JPEG", grey))
    return sorted(names)


def at(
    east: float,
    north: float,
    zone: str = "10@S",
    image: str = "x",
    tile: str = "",
    heading: str = "",
    time: str = "",
    note: str = "",
    degrees: str = "037.70098@-122.49646",
) -> str:
    return f"@{east:010.2f}@{north:010.2f}@{zone}@{degrees}@{image}@{tile}@{heading}@@@@{time}@{note}@.jpg"


def mat(path: Path, which: str, names: dict[str, list[str]], utm: dict[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = {role: np.array(each, dtype=object)[:, None] for role, each in names.items()}
    struct = {"whichSet": which, "dbImageFns": cells["db"], "utmDb": utm["db"].T, "qImageFns": cells["q"],
              "utmQ": utm["q"].T, "numImages": len(cells["db"]), "numQueries": len(cells["q"]), "posDistThr": 25.0,
              "posDistSqThr": 625.0, "nonTrivPosDistSqThr": 100.0}  # fmt: skip
    savemat(path, {"dbStruct": struct}, do_compression=True)


def near(rows: Iterable[int], reach: int, count: int, stride: int = 1) -> list[list[int]]:
    return [[other for other in range(count) if abs(other - stride * row) <= reach] for row in rows]
