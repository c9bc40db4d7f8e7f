"""Recall of 20,000 queries x 20 candidates x 30 positives against the field's per-query loops."""

import numpy as np
from common import best_of, table

from vprkit.data.positives import Positives
from vprkit.evaluation.recall import NO_HIT, first_hits

QUERIES, CANDIDATES, POSITIVES, DATABASE = 20_000, 20, 30, 100_000


def main() -> None:
    rng = np.random.default_rng(0)
    positives = Positives.of([rng.choice(DATABASE, POSITIVES, replace=False) for _ in range(QUERIES)])
    rankings = rng.integers(0, DATABASE, (QUERIES, CANDIDATES))
    rankings[::3, 3] = positives.numbers[positives.offsets[:-1]][::3]
    lists, sets = list(positives), [set(row.tolist()) for row in positives]

    def with_isin() -> int:
        return sum(bool(np.isin(row, right).any()) for row, right in zip(rankings, lists, strict=True))

    def with_sets() -> int:
        return sum(any(number in right for number in row) for row, right in zip(rankings.tolist(), sets, strict=True))

    def ours() -> int:
        return int((first_hits(rankings, positives, DATABASE) != NO_HIT).sum())

    assert with_isin() == with_sets() == ours()
    seconds = {"np.isin per query": best_of(with_isin, 3), "Python sets (ready made)": best_of(with_sets, 5),
               "vprkit": best_of(ours, 10)}  # fmt: skip
    table(
        "Recall, 20k x 20 x 30",
        ("", "ms", "vprkit is faster by"),
        [(name, f"{1000 * value:.1f}", f"{value / seconds['vprkit']:.1f}") for name, value in seconds.items()],
    )


if __name__ == "__main__":
    main()
