"""Approximate search for large maps: 4-bit product quantisation, refined at half precision (faiss PQ fast-scan).

Its recall against exact search is measured on a sample when it is built, kept beside it, and shown.
"""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import faiss
import numpy as np

from vprkit.errors import ConfigError, StoreError
from vprkit.files import replacing, write_json
from vprkit.registry import Metric
from vprkit.retrieval.index import ExactIndex, Neighbours, Rows, best_of, checked_queries, exact_scores
from vprkit.retrieval.partial import some_of
from vprkit.retrieval.weighted import exact_index

FACTS = "fast.json"
TRAINING_ROWS = 65_536
SAMPLE = 200
MIN_ROWS = 1000
REFINE = 16
"""Candidates that are refined per neighbour asked for."""


@dataclass(frozen=True)
class FastReport:
    """What building measured.

    Attributes:
        rows: rows covered.
        trained: rows there were when the quantiser was trained; it is trained anew when they have doubled.
        source: fingerprint of the store's rows that it covers.
        recall_at_10: against exact search, on a sample of the rows, each asked for its ten nearest others.
        kind: faiss's description of the index.
    """

    rows: int
    trained: int
    source: str
    recall_at_10: float
    kind: str


class FastIndex:
    """Approximate search; the final scores are exact float64 ones of the candidates it found.

    Args:
        index: a trained faiss index over the rows of `vectors`.
        vectors: (N, D) float32, for the final scores; the index covers the first `report.rows` of them.
        metric: `ip` or `l2`.
        report: what was measured when it was built.
    """

    def __init__(self, index: faiss.Index, vectors: Rows, metric: Metric, report: FastReport) -> None:
        self.index = index
        self.vectors = vectors
        self.metric = metric
        self.report = report

    def __len__(self) -> int:
        return self.report.rows

    @classmethod
    def build(cls, vectors: Rows, metric: Metric, source: str = "") -> "FastIndex":
        """Train on a sample, add all rows block by block, measure recall.

        Raises:
            ConfigError: too few rows to train on; exact search is faster there anyway.
        """
        check_rows(len(vectors))
        kind = f"PQ{_sub_quantizers(vectors.shape[1])}x4fs,Refine(SQfp16)"
        index = faiss.index_factory(
            vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT if metric == "ip" else faiss.METRIC_L2
        )
        index.k_factor = REFINE  # type: ignore[attr-defined]
        rows = np.random.default_rng(0).choice(len(vectors), min(TRAINING_ROWS, len(vectors)), replace=False)
        index.train(np.ascontiguousarray(vectors[np.sort(rows)]))
        report = FastReport(0, len(vectors), "", float("nan"), kind)
        return cls(index, vectors, metric, report).extended(vectors, source)

    def extended(self, vectors: Rows, source: str) -> "FastIndex":
        """The same over all of `vectors`, whose first rows it covers already; recall is measured again."""
        for start in range(len(self), len(vectors), TRAINING_ROWS):
            self.index.add(np.ascontiguousarray(vectors[start : start + TRAINING_ROWS]))
        report = dataclasses.replace(self.report, rows=len(vectors), source=source)
        whole = FastIndex(self.index, vectors, self.metric, report)
        whole.report = dataclasses.replace(report, recall_at_10=whole.measure_recall())
        return whole

    def save(self, folder: Path) -> None:
        """Write `fast.faiss` and what was measured."""
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "fast.faiss") as temporary:
            faiss.write_index(self.index, str(temporary))
        write_json(folder / FACTS, dataclasses.asdict(self.report))

    @classmethod
    def update(cls, folder: Path, vectors: Rows, metric: Metric, fingerprint: Callable[[int], str | None]) -> None:
        """Bring the index in `folder` up to all of `vectors`: made, made longer, or made anew where they have doubled.

        Arguments are those of `load`.
        """
        rows, fast = len(vectors), cls.load(folder, vectors, metric, fingerprint)
        if fast is not None and len(fast) == rows:
            return
        source = fingerprint(rows) or ""
        if fast is None or rows >= 2 * fast.report.trained:
            fast = cls.build(vectors, metric, source)
        else:
            fast = fast.extended(vectors, source)
        fast.save(folder)

    @classmethod
    def load(
        cls, folder: Path, vectors: Rows, metric: Metric, fingerprint: Callable[[int], str | None]
    ) -> "FastIndex | None":
        """The index in `folder` over the first rows of `vectors`, or None where there is none or it is of other rows.

        Args:
            fingerprint: of the first so many rows of the store that `vectors` come from.
        """
        if not (folder / "fast.faiss").exists() or not (folder / FACTS).exists():
            return None
        try:
            report = FastReport(**json.loads((folder / FACTS).read_text(encoding="utf-8")))
            if report.rows > len(vectors) or report.source != fingerprint(report.rows):
                return None
            index = faiss.read_index(str(folder / "fast.faiss"))
        except (OSError, ValueError, TypeError, RuntimeError) as error:
            raise StoreError(
                f"{folder}: the fast index cannot be read ({error}); delete the folder and build it again"
            ) from error
        if index.ntotal != report.rows or index.d != vectors.shape[1]:
            return None
        index.k_factor = REFINE  # type: ignore[attr-defined]
        return cls(index, vectors, metric, report)

    def search(self, queries: np.ndarray, k: int) -> Neighbours:
        """The best k rows found for each of (Q, D) float32 queries; k is clipped to the number of rows."""
        queries = checked_queries(queries, self.vectors.shape[1])
        k = min(k, len(self))
        _, numbers = self.index.search(queries, min(k + 4, len(self)))
        if (numbers < 0).any():  # faiss pads where it found fewer than asked
            return self._exact().search(queries, k)
        return best_of(exact_scores(queries, self.vectors, numbers, self.metric), numbers, k)

    def measure_recall(self, k: int = 10) -> float:
        """Share of the exact k nearest neighbours found, over a sample of rows (each without itself)."""
        rows = np.random.default_rng(1).choice(len(self), min(SAMPLE, len(self)), replace=False)
        queries = np.ascontiguousarray(self.vectors[np.sort(rows)])
        exact = self._exact().search(queries, k + 1).numbers[:, 1:]
        found = self.search(queries, k + 1).numbers
        return float(np.mean([len(np.intersect1d(wanted, got)) / k for wanted, got in zip(exact, found, strict=True)]))

    def _exact(self) -> ExactIndex:
        """Exact search over the same rows."""
        return exact_index(some_of(self.vectors, np.arange(len(self))), self.metric)


def check_rows(rows: int) -> None:
    """Refuse to index too few rows, before anything is described."""
    if rows < MIN_ROWS:
        raise ConfigError(
            f"a fast index needs at least {MIN_ROWS} images, there are {rows}; exact search is faster there, "
            "use --index exact"
        )


def _sub_quantizers(dimension: int) -> int:
    """Four dimensions per 4-bit code, or the most codes that divide the dimension."""
    return max(count for count in range(1, max(2, dimension // 4 + 1)) if dimension % count == 0)
