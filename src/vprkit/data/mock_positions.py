"""Mock positions: where the `@` versions of sets without positions put images, so that readers' 25 m are the truth.

They are for names that are converted only: nothing that answers with positions ever sees them.
"""

import numpy as np

from vprkit.data.frame_axis import FrameRule, frame_axis
from vprkit.data.records import Records

REACH = 25.0
"""Metres within which readers of `@` names call an image right."""

APART = 1000
"""Metres between images that only their twins are right for."""


def with_mock_positions(
    rule: FrameRule, database: Records, queries: Records, traverse: int | None = None
) -> tuple[Records, Records]:
    """Both lists along one line, east 0, where the radius reaches as many frames as the rule (`25/10.5 m` for +-10).

    Args:
        rule: what is right.
        database, queries: the lists.
        traverse: queries of one traverse, where several follow each other.
    """
    axis = frame_axis(database, queries, rule.stride, traverse)
    return _placed(database, axis.database, rule), _placed(queries, axis.queries, rule)


def twin_north(number: int) -> str:
    """North of the images of one id, far from all others (AmsterTime, SPED)."""
    return str(number * APART)


def _placed(records: Records, frames: np.ndarray, rule: FrameRule) -> Records:
    """As the `@` versions print it: whole metres of single images, five digits and one decimal of frames."""
    if not rule.window:
        return records.with_text("mock_north", [twin_north(int(frame)) for frame in frames])
    return records.with_text("mock_north", [f"{north:07.1f}" for north in frames * (REACH / (rule.window + 0.5))])
