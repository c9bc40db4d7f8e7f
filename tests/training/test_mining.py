"""Which queries a round draws more often."""

import numpy as np
import pytest

from tests.data.msls_miniature import write_msls
from vprkit.data.benchmark import open_benchmark
from vprkit.data.convert import Conversion
from vprkit.data.triplets import triplet_set
from vprkit.training.mining import msls_weights


def places_of(benchmark):
    return triplet_set(benchmark.name, benchmark.database, benchmark.queries)


def test_msls_is_weighed_as_it_is_distributed_and_as_it_is_converted(tmp_path):
    """Night and view direction stand in the set's tables, or in the `@` names that conversion makes of them."""
    distributed = open_benchmark(write_msls(tmp_path / "msls", val=("trondheim", "london")), "train")
    places = places_of(distributed)
    notes = [places.queries.text("note", row).split("_") for row in range(len(places.queries))]
    night, sideways = (
        np.array([note[part] == word for note in notes]) for part, word in ((0, "night"), (1, "sideways"))
    )
    assert 0 < night.sum() < len(notes) and 0 < sideways.sum() < len(notes) and not (night & sideways).any()
    expected = 1 + night * len(notes) / night.sum() + sideways * len(notes) / sideways.sum()
    assert msls_weights(places) == pytest.approx(expected / expected.sum())
    Conversion("at", "link").write(distributed, tmp_path / "at")
    converted = places_of(open_benchmark(tmp_path / "at", "train"))
    assert "note" not in converted.queries.texts
    assert np.sort(msls_weights(converted)) == pytest.approx(np.sort(msls_weights(places)))
