"""The deployed metric during training: the same evaluation that users run, shared among the ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from vprkit.config import nearest
from vprkit.data.benchmark import Benchmark
from vprkit.data.records import Records
from vprkit.errors import ConfigError, DataError
from vprkit.evaluation.evaluate import Progress, evaluate, evaluate_descriptors
from vprkit.evaluation.result import Result
from vprkit.method import Method, Role
from vprkit.retrieval.describe import Streaming, describe_paths
from vprkit.training.describing import interleaved
from vprkit.training.gathering import world_size
from vprkit.training.settings import Validation


@dataclass(frozen=True)
class Monitor:
    """The number that decides which weights are best: R@K of a validation set."""

    name: str
    k: int

    def value(self, results: Mapping[str, Result]) -> float:
        """In percent."""
        return float(results[self.name].recalls[self.k])

    def __str__(self) -> str:
        return f"{self.name}:R@{self.k}"


def monitor_of(validation: Validation, names: Sequence[str]) -> Monitor | None:
    """What `validation.monitor` means for these validation sets; None where there is none.

    Raises:
        ConfigError: it names another set, or a K that is not measured.
    """
    if not names:
        return None
    written = validation.monitor or f"{names[0]}:R@{min(validation.recalls)}"
    name, _, recall = written.rpartition(":")
    if name not in names:
        raise ConfigError(
            f"validation.monitor '{written}' names no validation set{nearest(name, names)}; write NAME:R@K"
        )
    k = recall.removeprefix("R@")
    if not k.isdecimal() or int(k) not in validation.recalls:
        raise ConfigError(f"validation.monitor '{written}' must end in R@K with a K of validation.recalls "
                          f"{list(validation.recalls)}")  # fmt: skip
    return Monitor(name, int(k))


def check_texts(method: Method, sets: Mapping[str, Benchmark]) -> None:
    """Refuse sets without texts for a method that reads them, before there is anything to lose.

    Args:
        method: what is going to be measured.
        sets: on what, by name.

    Raises:
        DataError: a set has none; its name is given.
    """
    for name, benchmark in sets.items():
        sides: Mapping[Role, Records] = {"query": benchmark.queries, "database": benchmark.database}
        for role, records in sides.items():
            if "text" in method.reads(role) and "text" not in records.texts:
                raise DataError(f"{name}: '{method.name}' reads texts of {role} images, and {benchmark.name} has none; "
                                f"put a CSV of descriptions behind its path: {name}=PATH+FILE.csv")  # fmt: skip


def measure(
    method: Method,
    benchmark: Benchmark,
    ks: Sequence[int],
    streaming: Streaming,
    rerank: int | None = None,
    progress: Progress | None = None,
) -> Result | None:
    """`evaluate`, every rank describing its share of the images; None on ranks other than the first.

    With a second stage the first rank works alone: local features stay where they are made.

    Args:
        method: what is measured, the same on every rank.
        benchmark: on what.
        ks: the K of Recall@K.
        streaming: batching and threads of each rank.
        rerank: candidates that the second stage looks at again.
        progress: called with (role, done, total).
    """
    first = world_size() == 1 or torch.distributed.get_rank() == 0
    if world_size() == 1 or rerank is not None:
        if not first:
            return None
        return evaluate(method, benchmark, ks=ks, rerank=rerank, streaming=streaming, progress=progress)
    queries = _described(method, benchmark.queries, "query", streaming)
    database = _described(method, benchmark.database, "database", streaming)
    if not first:
        return None
    return evaluate_descriptors(queries, database, benchmark, ks=ks, metric=method.metric, name=method.name)


def _described(method: Method, records: Records, role: Role, streaming: Streaming) -> np.ndarray:
    """(N, D) vectors of all images, in order, on every rank; rank r describes images r, r + R, r + 2R, ..."""
    rank, ranks = torch.distributed.get_rank(), world_size()
    rows = np.arange(rank, len(records), ranks)
    texts = records.texts["text"].take(rows) if "text" in records.texts else None
    parts = describe_paths(
        method, [records.path(int(row)) for row in rows], streaming, texts=texts, reads=method.reads(role)
    )
    mine = [method.index_vectors(part.features, role) for part in parts]
    vectors = torch.cat(mine) if mine else torch.empty(0, method.dimension)
    return interleaved(vectors.to(method.device), len(records)).cpu().numpy()
