"""Where EigenPlaces looks: for every class one point beside the street and one along it (Berton et al., ICCV 2023).

The official program takes a row of LAPACK's U, whose sign is arbitrary. Here the axis has a closed form and a
documented sign, so points are the official ones or their mirror images about the class's mean.
"""

import numpy as np

from vprkit.errors import DataError

LATERAL, FRONTAL = 0.0, 90.0
"""Angles between the second principal axis and where is looked: across the street, and along it."""


def second_axes(east: np.ndarray, north: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """(C, 4) east and north of each class's mean, then its second principal axis of unit length.

    The axis is (-sin t, cos t) with t = atan2(2 c_en, c_ee - c_nn) / 2, so its north part is never negative; (0, 1)
    for equal points, as published. Points without a principal direction have whatever rounding gives.

    Args:
        east, north: (N,) metres.
        labels: (N,) classes; negative ones are left out.
        classes: C.

    Raises:
        DataError: a class has no image.
    """
    used = labels >= 0
    label = labels[used]
    counts = np.bincount(label, minlength=classes)
    if (counts == 0).any():
        raise DataError(f"class {int(np.flatnonzero(counts == 0)[0])} has no image, so it has no focal point")
    points = [np.asarray(values, np.float64)[used] for values in (east, north)]
    means = [np.bincount(label, values, classes) / counts for values in points]
    e, n = (values - mean[label] for values, mean in zip(points, means, strict=True))
    ee, nn, en = (np.bincount(label, product, classes) for product in (e * e, n * n, e * n))
    theta = 0.5 * np.arctan2(2 * en, ee - nn)
    return np.stack([*means, -np.sin(theta), np.cos(theta)], 1)


def focal_points(axes: np.ndarray, distance: float | np.ndarray, angle: float | np.ndarray) -> np.ndarray:
    """(C, 2) east and north of the points that the classes' panoramas turn to.

    Args:
        axes: (C, 4) from `second_axes`.
        distance: metres from the mean, or (C,) for each class its own.
        angle: degrees by which the axis is turned counter-clockwise, or (C,); `LATERAL` or `FRONTAL`.
    """
    cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    east, north = axes[:, 2], axes[:, 3]
    turned = np.stack([cos * east - sin * north, sin * east + cos * north], 1)
    return np.asarray(axes[:, :2] + np.asarray(distance)[..., None] * turned)
