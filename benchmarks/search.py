"""Exact search at 1 and 1000 queries against faiss, NumPy and a blocked product; the fast index at a million rows."""

import argparse

import faiss
import numpy as np
import torch
from common import best_of, table

from vprkit import device
from vprkit.retrieval.fast import FastIndex
from vprkit.retrieval.index import ExactIndex

DIMENSION, K = 512, 20


def unit(rng: np.random.Generator, rows: int) -> np.ndarray:
    vectors = rng.standard_normal((rows, DIMENSION), np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def clustered(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Ten views per place: what a map of places looks like."""
    centres = unit(rng, rows // 10)
    vectors = np.repeat(centres, 10, 0)
    for start in range(0, rows, 65_536):
        block = vectors[start : start + 65_536]
        block += 0.7 * unit(rng, len(block))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def with_numpy(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    scores = queries @ vectors.T
    best = np.argpartition(scores, -K, axis=1)[:, -K:]
    order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1)
    return np.take_along_axis(best, order, 1)


def with_blocks(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    asked, scores, numbers = torch.from_numpy(queries), [], []
    for start in range(0, len(vectors), 4096):
        best = torch.topk(asked @ torch.from_numpy(vectors[start : start + 4096]).T, K, dim=1)
        scores.append(best.values)
        numbers.append(best.indices + start)
    order = torch.topk(torch.cat(scores, 1), K, dim=1).indices
    return torch.cat(numbers, 1).gather(1, order).numpy()


def exact(rows: int) -> None:
    rng = np.random.default_rng(0)
    vectors, flat, index = unit(rng, rows), faiss.IndexFlatIP(DIMENSION), None
    flat.add(vectors)
    index = ExactIndex(vectors)
    lines = []
    for count, repeats in ((1, 50), (1000, 7)):
        queries = unit(rng, count)
        index.search(queries, K)  # norms and the choice of an engine, once per index and process
        seconds = {
            "faiss": best_of(lambda q=queries: flat.search(q, K), repeats),
            "NumPy": best_of(lambda q=queries: with_numpy(vectors, q), repeats),
            "blocked product": best_of(lambda q=queries: with_blocks(vectors, q), repeats),
            "vprkit exact": best_of(lambda q=queries: index.search(q, K), repeats),
        }
        least = min(value for name, value in seconds.items() if name != "vprkit exact")
        lines += [(str(count), name, f"{1000 * value:.2f}", f"{value / least:.2f}") for name, value in seconds.items()]
    table(f"Exact search, {rows:,} x {DIMENSION}, k {K}", ("queries", "", "ms", "times the best of the others"), lines)


def fast(rows: int) -> None:
    rng = np.random.default_rng(1)
    vectors = clustered(rng, rows)
    index, approximate = ExactIndex(vectors), FastIndex.build(vectors, "ip")
    lines = []
    for count, repeats in ((1, 20), (100, 3)):
        queries = vectors[rng.choice(rows, count)] + 0.4 * unit(rng, count)
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        wanted, found = index.search(queries, 10).numbers, approximate.search(queries, 10).numbers
        share = np.mean([len(np.intersect1d(a, b)) / 10 for a, b in zip(wanted, found, strict=True)])
        slow = best_of(lambda q=queries: index.search(q, 10), repeats)
        quick = best_of(lambda q=queries: approximate.search(q, 10), repeats)
        lines.append((str(count), f"{1000 * slow:.2f}", f"{1000 * quick:.2f}", f"{slow / quick:.1f}", f"{share:.4f}"))
    report = approximate.report
    table(
        f"Fast index ({report.kind}, reported recall@10 {report.recall_at_10:.4f}), {rows:,} x {DIMENSION}, k 10",
        ("queries", "exact ms", "fast ms", "faster by", "recall@10"),
        lines,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000, help="rows for exact search")
    parser.add_argument("--fast-rows", type=int, default=1_000_000, help="rows for the fast index; 0 leaves it out")
    arguments = parser.parse_args()
    device.enable_fast_fp32()
    exact(arguments.rows)
    if arguments.fast_rows:
        fast(arguments.fast_rows)
