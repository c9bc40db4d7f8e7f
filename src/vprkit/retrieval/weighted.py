"""Exact search by weighted sums of two inner products, without writing out the long vectors whose product they are.

S = (a_q + a_d) / 2 <v_q, v_d> + (b_q + b_d) / 2 <t_q, t_d> is one inner product of [a v, v, b t, t] / 2 with
[v, a v, t, b t] (LaVPR, arXiv 2602.03253, section 3.1). Proposing by the two short products reads half the numbers and
multiplies half as often; what is proposed is scored by the long product, as any other index does. A half of a query may
be any x u, y u (a query without a text is [v, 0, 0, 0]): with a row's share a its product is (x + a y) <u, v>.
"""

import numpy as np
import torch

from vprkit import device
from vprkit.registry import Metric
from vprkit.retrieval.engines import as_tensor, top
from vprkit.retrieval.index import ROWS, ExactIndex, Rows, merge

Asked = list[tuple[np.ndarray, np.ndarray]]
"""(Q, D) vectors u of queries and (Q, 2) their factors x, y: first of the image, then of the text."""

PARALLEL = 2.0**-21
"""Vectors of a query that differ in direction by more, relative to its length, are no x u, y u: what is allowed stays
within the error that `ExactIndex` allows of a proposed score.
"""


class WeightedRows:
    """(N, 2 Dv + 2 Dt) float32 rows [v, a v, t, b t], made when they are asked for; v and t have unit length.

    Args:
        image, text: (N, Dv) and (N, Dt) float32 vectors, in memory or memory-mapped; brought to length 1, zeros stay.
        weight: (N, 2) shares a of the image and b of the text.
    """

    dtype = np.dtype(np.float32)
    ndim = 2

    def __init__(self, image: Rows, text: Rows, weight: np.ndarray) -> None:
        self.image, self.text = image, text
        self._scales = np.stack([_inverse_norms(image), _inverse_norms(text)], 1)
        self.shares = np.asarray(weight, np.float32)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.image), 2 * (self.image.shape[1] + self.text.shape[1])

    @property
    def size(self) -> int:
        return self.shape[0] * self.shape[1]

    @property
    def kept_bytes(self) -> int:
        """Bytes of a row as it is kept: both vectors and their shares."""
        return 4 * (self.shape[1] // 2 + int(self.shares.shape[1]))

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, rows: np.ndarray | slice) -> np.ndarray:
        """(n, 2 Dv + 2 Dt) of some rows, as an array."""
        scales, shares = self._scales[rows], self.shares[rows]
        v, t = self.image[rows] * scales[:, :1], self.text[rows] * scales[:, 1:]
        return np.concatenate([v, shares[:, :1] * v, t, shares[:, 1:] * t], 1)

    def scores(self, queries: "Asked", rows: slice) -> torch.Tensor:
        """(Q, n) float32 scores of queries with some rows."""
        total: torch.Tensor | None = None
        for part, (vector, factors) in enumerate(queries):
            stored = self.image if part == 0 else self.text
            products = torch.from_numpy(vector) @ as_tensor(stored[rows]).T
            counts = factors[:, :1] + factors[:, 1:] * self.shares[rows, part]
            counts *= self._scales[rows, part]
            products *= torch.from_numpy(counts)
            total = products if total is None else total.add_(products)
        assert total is not None
        return total

    def taken_apart(self, queries: np.ndarray) -> "Asked | None":
        """(Q, 2 Dv + 2 Dt) query vectors as their parts; None where they are not [x u, y u, z w, s w]."""
        width = 2 * self.image.shape[1]
        asked: Asked = []
        for half in (queries[:, :width], queries[:, width:]):
            first, second = np.split(half, 2, axis=1)
            vector = np.where((_squares(first) > _squares(second))[:, None], first, second)
            factors = np.stack([_factors(part, vector) for part in (first, second)], 1)
            straight = (factors[:, :, None] * vector[:, None]).reshape(half.shape)
            if (np.linalg.norm(half - straight, axis=1) > PARALLEL * np.linalg.norm(half, axis=1)).any():
                return None
            asked.append((np.ascontiguousarray(vector), factors.astype(np.float32)))
        return asked


class WeightedIndex(ExactIndex):
    """`ExactIndex` over `WeightedRows`, by inner products."""

    def __init__(self, rows: WeightedRows) -> None:
        super().__init__(rows)
        self.rows = rows

    def _propose(self, queries: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        asked = self.rows.taken_apart(queries)
        if asked is None:
            return super()._propose(queries, k)
        device.enable_fast_fp32()
        parts: list[tuple[np.ndarray, np.ndarray]] = []
        for start in range(0, len(self), ROWS):
            scores = self.rows.scores(asked, slice(start, start + ROWS))
            values, best = top(scores, min(k, scores.shape[1]))
            parts = [merge([*parts, (values.numpy(), best.numpy() + start)], k)]
        return parts[0]


def exact_index(vectors: Rows, metric: Metric) -> ExactIndex:
    """Exact search over vectors of either kind."""
    return WeightedIndex(vectors) if isinstance(vectors, WeightedRows) else ExactIndex(vectors, metric)


def _inverse_norms(vectors: Rows) -> np.ndarray:
    """(N,) float32, 0 for a vector of zeros."""
    squares = [np.einsum("nd,nd->n", vectors[start : start + ROWS], vectors[start : start + ROWS], dtype=np.float64)
               for start in range(0, len(vectors), ROWS)]  # fmt: skip
    norms = np.sqrt(np.concatenate(squares)) if squares else np.zeros(0)
    return np.divide(1.0, norms, out=np.zeros_like(norms), where=norms > 0).astype(np.float32)


def _squares(vectors: np.ndarray) -> np.ndarray:
    """(Q,) float64."""
    return np.asarray(np.einsum("qd,qd->q", vectors, vectors, dtype=np.float64))


def _factors(parallel: np.ndarray, vector: np.ndarray) -> np.ndarray:
    """(Q,) float64 factors that make a stack of vectors from the parallel ones in another; 0 where these are zero."""
    squares = _squares(vector)
    found = np.einsum("qd,qd->q", parallel, vector, dtype=np.float64)
    factors: np.ndarray = np.divide(found, squares, out=np.zeros_like(found), where=squares > 0)
    return factors
