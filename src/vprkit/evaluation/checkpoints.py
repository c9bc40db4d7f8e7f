"""Which of a run's weights are best: every file is measured with both stages, the table says which and what failed.

Training validates the global vectors alone, because a second stage takes longer than an epoch; whoever wants the best
weights of both stages measures them afterwards, as Pair-VPR's authors do.
"""

import csv
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vprkit.data.benchmark import Benchmark
from vprkit.errors import NotAvailable, VprError
from vprkit.evaluation.evaluate import Progress, evaluate
from vprkit.evaluation.result import Result
from vprkit.evaluation.two_stage import Second
from vprkit.loading import load_method
from vprkit.retrieval.describe import Streaming

KS = (1, 5, 10)

PATTERNS = ("epoch-*.safetensors", "best-*.safetensors", "last.safetensors", "*.pth")
"""Ours, in the order they are looked at, and the authors'."""


@dataclass(frozen=True)
class Measured:
    """One weights file.

    Attributes:
        file: its name in the folder.
        first: K -> recall of the global vectors in per cent; empty where it could not be measured.
        second: K -> the same after re-ranking.
        failure: why it could not be, else empty.
    """

    file: str
    first: dict[int, float]
    second: dict[int, float]
    failure: str = ""


@dataclass(frozen=True)
class Search:
    """The weights of a folder, best first; of equal ones the file that was looked at first.

    Attributes:
        folder: where they lie.
        benchmark: what they were measured on; `queries` and `count` (candidates) of it.
        ks: the K of Recall@K.
        rows: the files; those that failed stand last.
    """

    folder: Path
    benchmark: str
    queries: int
    count: int
    ks: tuple[int, ...]
    rows: tuple[Measured, ...]

    @property
    def best(self) -> Path | None:
        """The best file by recall after re-ranking: at the least K, then at the next; None where all failed."""
        return None if not self.rows or self.rows[0].failure else self.folder / self.rows[0].file

    @property
    def failed(self) -> tuple[Measured, ...]:
        """Files that could not be measured."""
        return tuple(row for row in self.rows if row.failure)

    def table(self) -> str:
        """The files and both stages' recalls."""
        width = max(len(row.file) for row in self.rows)
        header = " ".join(f"{f'R@{k}':>6}" for k in self.ks)
        lines = [
            f"{self.folder} on {self.benchmark}: recall in per cent of {self.queries} queries, before and after "
            f"re-ranking {self.count}",
            f"  {'':{width}}  {header}   {header}",
        ]
        for row in self.rows:
            stages = ("  ".join(" ".join(f"{part[k]:6.1f}" for k in self.ks) for part in (row.first, row.second))
                      if not row.failure else f"failed: {row.failure}")  # fmt: skip
            lines.append(f"  {row.file:{width}}  {stages}")
        return "\n".join(lines)

    def to_csv(self) -> str:
        """The same as CSV, under the names of Pair-VPR's tool: `recall@K`, `recall_refined@K`."""
        text = io.StringIO()
        names = [f"{name}@{k}" for name in ("recall", "recall_refined") for k in self.ks]
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["name", *names, "failure"])
        for row in self.rows:
            numbers = [f"{part[k]:.4f}" if part else "" for part in (row.first, row.second) for k in self.ks]
            writer.writerow([row.file, *numbers, row.failure])
        return text.getvalue()


def weights_in(folder: Path) -> list[Path]:
    """Weights files of a run's folder, or of one of Pair-VPR's authors, in the order they are looked at.

    Raises:
        NotAvailable: there are none.
    """
    found = [path for pattern in PATTERNS for path in sorted(folder.glob(pattern))]
    if not found:
        raise NotAvailable(
            f"{folder} holds no weights ({', '.join(PATTERNS)}); give the folder of a run, and let it keep weights "
            "with running.keep_every"
        )
    return found


def search_checkpoints(
    folder: str | Path,
    benchmark: Benchmark,
    second: Second,
    *,
    ks: Sequence[int] = KS,
    device: str = "auto",
    precision: str = "auto",
    streaming: Streaming | None = None,
    progress: Progress | None = None,
    done: Callable[[Search], None] | None = None,
) -> Search:
    """Measure every weights file of a folder with both stages.

    Files that hold the same network (the last epoch and `last.safetensors`) are measured once. What fails is told in
    its row and does not stop the others.

    Args:
        folder: of a run, of any method with a second stage.
        benchmark: what they are measured on.
        second: how many candidates are looked at again, and how.
        ks: the K of Recall@K.
        device, precision: as of `load_method`.
        streaming, progress: as of `evaluate`.
        done: told after every file what is known so far.

    Raises:
        NotAvailable: the folder holds no weights.
    """
    folder, ks = Path(folder), tuple(sorted(ks))
    seen: set[str] = set()
    rows: list[Measured] = []
    found = Search(folder, benchmark.name, len(benchmark.queries), second.count, ks, ())
    for path in weights_in(folder):
        try:
            method = load_method(None, path, device=device, precision=precision)
            if method.tensors_sha256 in seen:
                continue
            seen.add(method.tensors_sha256)
            result = evaluate(method, benchmark, ks=ks, rerank=second, streaming=streaming, progress=progress)
            rows.append(_measured(path, result, ks))
        except (VprError, RuntimeError) as error:  # torch raises the latter where memory is short
            rows.append(Measured(path.name, {}, {}, str(error).split("\n")[0]))
        found = Search(folder, benchmark.name, len(benchmark.queries), second.count, ks, _ranked(rows, ks))
        if done is not None:
            done(found)
    return found


def _measured(path: Path, result: Result, ks: tuple[int, ...]) -> Measured:
    def clipped(recalls: dict[int, float]) -> dict[int, float]:
        """A small database answers no larger K; its last recall stands for them."""
        return {k: recalls[max(known for known in recalls if known <= k)] for k in ks}

    return Measured(path.name, clipped(result.first_stage), clipped(result.recalls))


def _ranked(rows: Sequence[Measured], ks: tuple[int, ...]) -> tuple[Measured, ...]:
    return tuple(sorted(rows, key=lambda row: (bool(row.failure), *(-row.second.get(k, 0.0) for k in ks))))
