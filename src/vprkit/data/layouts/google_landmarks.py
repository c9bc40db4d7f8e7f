"""Google Landmarks v2, clean subset: `train_clean.csv`, images at `a/b/c/abc....jpg` (Weyand et al., CVPR 2020)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vprkit.data.columns import StringColumn
from vprkit.data.disk import is_file
from vprkit.data.layouts.place_layout import PlaceLayout, PlaceTable
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError
from vprkit.files import unread

LIST = "train_clean.csv"
BELOW = ("train", "", "images")


def read(path: Path, groups: Sequence[str] | None) -> PlaceTable | None:
    """Labels are landmark ids, in the list's order; a landmark is a place."""
    listed = next(
        (path / name for name in (LIST, f"train/{LIST}", f"metadata/{LIST}") if (path / name).is_file()), None
    )
    if listed is None:
        return None
    if groups is not None:
        raise ConfigError(f"{listed}: Google Landmarks has no groups to choose from")
    landmarks, images = _rows(listed)
    counts = np.array([len(ids) for ids in images], np.int64)
    flat = [image for ids in images for image in ids]
    if not flat:
        raise DataError(f"{listed}: lists no image")
    _check_ids(flat, listed)
    below = _below(path, flat[0])
    names = StringColumn.of(f"{below}{each[0]}/{each[1]}/{each[2]}/{each}.jpg" for each in flat)
    labels = np.repeat(np.array(landmarks, np.int64), counts)
    nothing = np.full(len(flat), np.nan)
    records = Records(path, names, nothing, nothing, np.zeros(len(flat), np.int16), np.zeros(len(flat), bool), nothing,
                      nothing, nothing.astype(np.float32))  # fmt: skip
    return PlaceTable(records, labels, np.zeros(len(flat), np.int64), np.zeros(len(flat), np.int64))


def _rows(path: Path) -> tuple[list[int], list[list[str]]]:
    """Landmark ids and the image ids of each; split by hand, as `csv` refuses fields as long as these."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(unread(path, error, "cannot be read as UTF-8 CSV")) from error
    header = [name.strip().strip('"') for name in (lines[0] if lines else "").split(",")]
    if header[:2] != ["landmark_id", "images"]:
        raise DataError(f"{path}: needs the columns landmark_id,images, has {','.join(header)[:120]}")
    landmarks, images = [], []
    for number, line in enumerate(lines[1:], 2):
        if not line:
            continue
        landmark, _, ids = line.partition(",")
        if not (landmark.isascii() and landmark.isdigit() and len(landmark) < 16):
            raise DataError(f"{path}, line {number}: '{landmark[:40]}' is no landmark id")
        landmarks.append(int(landmark))
        images.append(ids.split(",", 1)[0].strip('"').split())
    return landmarks, images


def _check_ids(ids: Sequence[str], path: Path) -> None:
    bad = next((image for image in ids if len(image) < 3 or not image.isascii() or not image.isalnum()), None)
    if bad is not None:
        raise DataError(f"{path}: '{bad[:40]}' is no image id")


def _below(path: Path, image: str) -> str:
    """Which folder the images lie in."""
    inside = f"{image[0]}/{image[1]}/{image[2]}/{image}.jpg"
    found = next((name for name in BELOW if is_file(path / name / inside)), "train")
    return f"{found}/" if found else ""


PLACES = PlaceLayout("google-landmarks", "Google Landmarks v2: train_clean.csv, images at a/b/c/<id>.jpg", read)
