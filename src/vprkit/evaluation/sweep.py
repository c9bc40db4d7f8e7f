"""Which thresholds of guided matching are best: every pair from one pass, chosen on one set and used on another."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from vprkit.data.benchmark import Benchmark
from vprkit.errors import ConfigError, DataError
from vprkit.evaluation.evaluate import Progress, evaluate
from vprkit.evaluation.result import Result
from vprkit.evaluation.two_stage import Second
from vprkit.files import refuse_to_overwrite, unread, write_atomically
from vprkit.method import Method
from vprkit.rerank.guided import Mask
from vprkit.rerank.guided_grid import GuidedGrid
from vprkit.rerank.guided_matches import GuidedMatches
from vprkit.rerank.reranker import ORDERS, Ties
from vprkit.retrieval.describe import Streaming

KS = (1, 5, 10)


@dataclass(frozen=True)
class Sweep:
    """Recall after re-ranking for every pair of thresholds.

    Attributes:
        benchmark, method: names.
        queries: of the benchmark.
        count: candidates that were looked at again.
        mask: as of `GuidedMatches`.
        saliencies, similarities: S and T thresholds, rising.
        first_stage: K -> per cent of the queries before re-ranking.
        recalls: K -> S rows of T per cents after it.
    """

    benchmark: str
    method: str
    queries: int
    count: int
    mask: Mask
    saliencies: tuple[float, ...]
    similarities: tuple[float, ...]
    first_stage: dict[int, float]
    recalls: dict[int, list[list[float]]]

    def best(self) -> GuidedMatches:
        """The thresholds of the highest R@1; of equal ones the highest at the next K, then the lowest thresholds."""
        cells = np.stack([np.array(self.recalls[k]).ravel() for k in sorted(self.recalls, reverse=True)])
        order = np.lexsort([-row for row in cells])
        row, column = divmod(int(order[0]), len(self.similarities))
        return GuidedMatches(self.saliencies[row], self.similarities[column], self.mask)

    def table(self) -> str:
        """R@1 of every pair."""
        first = min(self.recalls)
        lines = [
            f"{self.method} on {self.benchmark}: R@{first} of {self.queries} queries after re-ranking {self.count}, "
            f"before {self.first_stage[first]:.1f}",
            "  saliency \\ similarity  " + " ".join(f"{value:6.2f}" for value in self.similarities),
        ]
        for threshold, row in zip(self.saliencies, self.recalls[first], strict=True):
            lines.append(f"  {threshold:21.2f}  " + " ".join(f"{value:6.1f}" for value in row))
        return "\n".join(lines)

    def to_json(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write as JSON."""
        refuse_to_overwrite(Path(path), overwrite)
        write_atomically(Path(path), self.to_json())

    @staticmethod
    def load(path: str | Path) -> "Sweep":
        """Read what `save` wrote.

        Raises:
            DataError: no such file, or not a sweep.
        """
        try:
            data: dict[str, Any] = json.loads(Path(path).read_text(encoding="utf-8"))
            for key in ("first_stage", "recalls"):
                data[key] = {int(k): value for k, value in data[key].items()}
            for key in ("saliencies", "similarities"):
                data[key] = tuple(data[key])
            return Sweep(**data)
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise DataError(unread(path, error, "not a sweep that `vpr sweep --save` wrote")) from error


def sweep(
    method: Method,
    benchmark: Benchmark,
    second: Second,
    saliencies: Sequence[float],
    similarities: Sequence[float],
    *,
    mask: Mask = "strict",
    ks: Sequence[int] = KS,
    features: str | Path | None = None,
    streaming: Streaming | None = None,
    progress: Progress | None = None,
) -> Sweep:
    """Recall for every pair of thresholds; every similarity is computed once.

    Args:
        method: has local features with saliency.
        benchmark: has ground truth.
        second: how many candidates, from where, and how ties are broken; its re-ranker is not used.
        saliencies, similarities: thresholds, rising.
        mask: as of `GuidedMatches`.
        ks: the K of Recall@K, at most the candidates.
        features, streaming, progress: as of `evaluate`.

    Raises:
        ConfigError: thresholds do not rise, K exceeds the candidates, or the benchmark has no ground truth.
        DataError: an image cannot be read.
    """
    if max(ks) > second.count:
        raise ConfigError(f"R@{max(ks)} needs as many candidates, {second.count} are looked at again")
    if benchmark.positives is None:
        raise ConfigError(f"{benchmark.name} has no ground truth to choose thresholds by")
    grid = GuidedGrid(tuple(saliencies), tuple(similarities), mask)
    asked = dataclasses.replace(second, reranker=grid, ties="first_stage")
    result = evaluate(method, benchmark, ks=ks, rerank=asked, features=features, streaming=streaming, progress=progress)
    if len(grid.counts) != len(result.rankings):
        raise DataError(f"{len(result.rankings) - len(grid.counts)} queries of {benchmark.name} cannot be read")
    right = [np.array(row.right, bool)[: len(counts)] for row, counts in zip(result.rankings, grid.counts, strict=True)]
    return Sweep(
        result.benchmark, method.name, result.queries, result.reranked or 0, mask, grid.saliencies, grid.similarities,
        result.first_stage, _recalls(grid.counts, right, second.ties, ks),
    )  # fmt: skip


def on_another(chosen: Sweep, result: Result) -> Result:
    """The result of a test set with a sentence about where its thresholds come from."""
    best = chosen.best()
    tried = len(chosen.saliencies) * len(chosen.similarities)
    where = f"chosen among {tried} pairs by R@{min(chosen.recalls)} on {chosen.benchmark}"
    if result.benchmark == chosen.benchmark:
        where += ", the set measured here: this is no fair figure"
    sentence = f"thresholds saliency {best.saliency:g} and similarity {best.similarity:g} were {where}"
    return dataclasses.replace(result, notices=(*result.notices, sentence))


def _recalls(
    counts: Sequence[np.ndarray], right: Sequence[np.ndarray], ties: Ties, ks: Sequence[int]
) -> dict[int, list[list[float]]]:
    """K -> (S, T) per cent of the queries with a positive among the first K."""
    hits: Mapping[int, list[np.ndarray]] = {k: [] for k in ks}
    for each, yes in zip(counts, right, strict=True):
        placed = yes[ORDERS[ties](each)]
        for k in ks:
            hits[k].append(placed[:k].any(0))
    return {k: (100 * np.mean(rows, 0)).tolist() for k, rows in hits.items()}
