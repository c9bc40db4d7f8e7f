"""Focal points of EigenPlaces against a singular value decomposition, class by class."""

import numpy as np
import pytest

from vprkit.data.focal_points import FRONTAL, LATERAL, focal_points, second_axes
from vprkit.errors import DataError


def test_axes_equal_the_official_ones_up_to_sign() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(-1, 20, 400)
    east, north = rng.normal(5e5, 5, 400), rng.normal(4e6, 2, 400)
    axes = second_axes(east, north, labels, 20)
    for label in range(20):
        points = np.stack([east, north], 1)[labels == label]
        u = np.linalg.svd((points - points.mean(0)).T)[0]
        assert np.allclose(axes[label, :2], points.mean(0))
        assert abs(axes[label, 2:] @ u[1]) == pytest.approx(1, abs=1e-9)
        assert axes[label, 3] >= 0


def test_equal_points_look_north_and_frontal_is_lateral_turned_left() -> None:
    axes = second_axes(np.full(3, 7.0), np.full(3, 9.0), np.zeros(3, np.int64), 1)
    assert focal_points(axes, 10, LATERAL).tolist() == [[7, 19]]
    assert np.allclose(focal_points(axes, 10, FRONTAL), [[-3, 9]])


def test_a_class_without_images_is_named() -> None:
    with pytest.raises(DataError, match="class 1 has no image"):
        second_axes(np.zeros(2), np.zeros(2), np.array([0, 2]), 3)
