import numpy as np
import pytest

import vprkit
from vprkit.errors import ConfigError
from vprkit.report.figures import descriptor_map
from vprkit.report.figures.descriptors import embedded, position_colours


def test_groups_stay_together():
    generator = np.random.default_rng(0)
    vectors = np.repeat(np.eye(3, 16), 12, 0) + generator.normal(0, 0.02, (36, 16))
    found = embedded(vectors)
    distances = np.linalg.norm(found[:, None] - found[None], axis=2) + 1e9 * np.eye(36)
    assert (distances.argmin(1) // 12 == np.arange(36) // 12).all()
    assert np.array_equal(found, embedded(vectors))
    with pytest.raises(ConfigError, match="at least 5 images, got 2"):
        embedded(vectors[:2])


def test_colours_follow_positions():
    colours = position_colours(np.array([[0, 0], [1, 0], [900, 5], [np.nan, 2]]))
    assert np.allclose(colours[0], [0, 0.15, 1]) and np.allclose(colours[2], [1, 0.85, 0])
    assert np.allclose(colours[1, :2], [0.5, 0.15]) and (colours[3] == 0.6).all()


def test_database_and_queries_are_told_apart(hog, shared_set):
    benchmark = vprkit.open_benchmark(shared_set)
    database, queries = descriptor_map(hog, benchmark).axes[0].collections
    assert (len(database.get_offsets()), len(queries.get_offsets())) == (8, 16)
    assert "24 of 24 images" in descriptor_map(hog, benchmark).get_suptitle()
    few = descriptor_map(hog, benchmark, most=10)
    assert sum(len(part.get_offsets()) for part in few.axes[0].collections) == 10
