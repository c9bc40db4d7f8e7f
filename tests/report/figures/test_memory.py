import json

import numpy as np
import pytest

from vprkit import config
from vprkit.errors import DataError
from vprkit.report.figures import memory, negative_counts, negative_statistics, negatives, records_of
from vprkit.training.negatives import Negatives

EDGES = (-1.0, 0.0, 0.5, 1.0)


def record(step: int, batch: int = 4, ages: tuple[int, ...] = (0, 1, 3), counts: tuple[int, ...] = (4, 6, 2)):
    return Negatives(
        step, batch, sum(counts) - batch, ages, counts, tuple(float(np.exp(-0.1 * age)) for age in ages),
        tuple(0.1 for _ in ages), EDGES, (0, batch, 0), (0, 0, sum(counts) - batch),
    )  # fmt: skip


RECORDS = {10: record(10), 20: record(20, 5, (0, 1), (5, 9)), 30: record(30)}


def test_ages_leave_the_batch_out():
    ages, counts, weights = memory.by_age(RECORDS)
    assert ages.tolist() == [1, 3] and counts.tolist() == [6 + 9 + 6, 4]
    assert np.allclose(weights, np.exp([-0.1, -0.3]))


def test_bars_are_stacked():
    bars = negative_counts(RECORDS).axes[0].patches
    low, high = bars[:3], bars[3:]
    assert [bar.get_height() for bar in low] == [4, 5, 4] and [bar.get_height() for bar in high] == [8, 9, 8]
    assert [bar.get_y() for bar in high] == [4, 5, 4]
    assert [bar.get_x() + bar.get_width() / 2 for bar in low] == [10, 20, 30]


def test_many_records_are_averaged():
    many = {step: record(step, batch=step) for step in range(1, 201)}
    steps, batch, _ = memory._thinned(many)
    assert len(steps) == 67 and np.allclose(steps, batch) and steps[0] == 2  # threes
    assert len(negative_counts({7: record(7)}).axes[0].patches) == 2


def test_statistics():
    ages, similar, weights = negative_statistics(RECORDS).axes
    assert sum(bar.get_height() for bar in ages.patches) == pytest.approx(1)
    assert [list(stairs.get_data().values) for stairs in similar.patches] == [[0, 1, 0], [0, 0, 1]]
    assert similar.get_xlim() == (-1, 1)
    assert weights.lines[0].get_xdata().tolist() == [1, 3]
    assert len(negatives(RECORDS).axes) == 4


def test_a_memory_that_gave_nothing_yet_is_drawn():
    assert len(negatives({1: record(1, 4, (0,), (4,))}).axes) == 4


def test_run_folders(tmp_path):
    lines = [{"step": step, "negatives": config.to_dict(one)} for step, one in RECORDS.items()]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [{"step": 5, "loss": 1.0}, *lines]))
    assert records_of(tmp_path) == RECORDS
    (tmp_path / "log.jsonl").write_text('{"step": 5, "loss": 1.0}\n')
    with pytest.raises(DataError, match=r"no records of negatives; train with .* memory.record_every"):
        records_of(tmp_path)
