"""Evaluations made up of answers whose probability of being right is known."""

from typing import Any

import numpy as np

from vprkit.evaluation.result import DatabaseImage, Position, QueryResult, Result

PLACES, VIEWS = 40, 3


def answers(count: int = 600, seed: int = 0, hits: int = 10, spacing: float = 60.0, **changes: Any) -> Result:
    """Queries of which the clear ones are answered rightly more often, with higher scores and hits that agree.

    Database images are views 4 m apart of places `spacing` metres apart, on a line.
    """
    generator = np.random.default_rng(seed)
    images = {
        number: DatabaseImage(
            f"{number}.jpg", Position(400_000.0 + number // VIEWS * spacing + 4.0 * (number % VIEWS), 5e6, 32)
        )
        for number in range(PLACES * VIEWS)
    }
    rankings = [_answer(generator, number, images, hits) for number in range(count)]
    right = float(np.mean([row.first_hit == 1 for row in rankings]))
    told: dict[str, Any] = {
        "benchmark": f"town {seed}", "rule": "within 25 m", "method": "hog", "recalls": {1: 100 * right},
        "recalls_answerable": {1: 100 * right}, "intervals": {1: (0.0, 100.0)}, "queries": count,
        "database": len(images), "queries_without_positives": 0, "mean_average_precision": None, "curve": None,
        "rankings": rankings, "images": images, "database_root": "/nowhere", "queries_root": "/nowhere",
        "identity": {"method": "hog", "metric": "ip"}, "list_hashes": {"database": "d" * 64, "queries": f"{seed:064d}"},
    }  # fmt: skip
    return Result(**{**told, **changes})


def _answer(generator: np.random.Generator, number: int, images: dict[int, DatabaseImage], hits: int) -> QueryResult:
    clarity = generator.uniform()
    truth = int(generator.integers(PLACES))
    right = generator.uniform() < clarity
    first = truth if right else int((truth + generator.integers(1, PLACES)) % PLACES)
    agreeing = 1 + int(generator.binomial(VIEWS - 1, clarity))
    others = generator.permutation([place for place in range(PLACES) if place != first])[: hits - agreeing]
    ranking = [first * VIEWS + view for view in range(agreeing)] + [int(place) * VIEWS for place in others]
    drops = generator.exponential(0.01, len(ranking))
    drops[0], drops[agreeing] = 0.0, 0.08 * clarity + 0.01 * generator.exponential()
    scores = (0.8 + 0.1 * clarity - np.cumsum(drops)).tolist()
    good = [name // VIEWS == truth for name in ranking]
    position = images[truth * VIEWS].position
    return QueryResult(f"{number}.jpg", ranking, scores, good, good.index(True) + 1 if any(good) else None, VIEWS,
                       truth * VIEWS, 0.0, None, position)  # fmt: skip
