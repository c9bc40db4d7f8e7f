import numpy as np
import pytest

from vprkit.errors import ConfigError
from vprkit.evaluation.sweep import Sweep
from vprkit.report.figures import threshold_map

SWEEP = Sweep(
    "city", "rerankvpr-small", 40, 10, "strict", (0.1, 0.3), (0.2, 0.5, 0.8), {1: 60.0, 5: 80.0},
    {1: [[50.0, 62.5, 60.0], [55.0, 65.0, 20.0]], 5: [[80.0, 82.5, 80.0], [81.0, 85.0, 80.0]]},
)  # fmt: skip


def test_every_cell_says_its_recall_and_the_best_is_framed():
    figure = threshold_map(SWEEP)
    axes = figure.axes[0]
    assert [text.get_text() for text in axes.texts] == ["50.0", "62.5", "60.0", "55.0", "65.0", "20.0"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0.2", "0.5", "0.8"]
    frame = axes.lines[0]
    assert (np.mean(frame.get_xdata()[:4]), np.mean(frame.get_ydata()[:4])) == (1, 1)
    heat = axes.images[0]
    assert sum(heat.get_clim()) / 2 == 60  # the recall before is in the middle of the colours
    assert "R@1 of 40 queries, 60.0 before" in figure.get_suptitle()


def test_other_k():
    assert threshold_map(SWEEP, 5).axes[0].texts[4].get_text() == "85.0"
    with pytest.raises(ConfigError, match="recall at 1, 5, not at 2"):
        threshold_map(SWEEP, 2)
