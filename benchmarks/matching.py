"""Counting mutual nearest neighbours of one query and many dense candidates: against bare products, and the plain way.

Run with OMP_NUM_THREADS=1 for one thread.
"""

import argparse
import resource

import numpy as np
import torch
import torch.nn.functional as F
from common import best_of, table
from torch import Tensor

from vprkit import device as devices
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.mutual import TILE, count_matches
from vprkit.rerank.mutual_matches import MutualMatches
from vprkit.rerank.reranker import Shortlist, scores_of

RANKED = ("exact", "half", "checked")


def plain(query: Tensor, candidates: Tensor) -> Tensor:
    """Product, two searches for maxima, one gather, a candidate at a time."""
    counts = []
    for candidate in candidates:
        similar = candidate @ query.T
        back = torch.gather(similar.argmax(1), 0, similar.argmax(0))
        counts.append((back == torch.arange(len(query))).sum())
    return torch.stack(counts)


def products(query: Tensor, candidates: Tensor, tile: int) -> None:
    """The same products alone, tile by tile into one buffer."""
    columns = query.T.contiguous()
    buffer = torch.empty(tile, len(query), dtype=query.dtype)
    for candidate in candidates:
        for start in range(0, len(candidate), tile):
            rows = candidate[start : start + tile]
            torch.mm(rows, columns, out=buffer[: len(rows)])


def alike(count: int, cells: int, channels: int) -> tuple[Tensor, Tensor]:
    """A query, and candidates that resemble it less and less: unit descriptors, some matches in each."""
    generator = torch.Generator().manual_seed(0)
    query = F.normalize(torch.randn(cells, channels, generator=generator), dim=-1)
    noise = torch.linspace(0.05, 0.5, count)[:, None, None]
    return query, F.normalize(query + noise * torch.randn(count, cells, channels, generator=generator), dim=-1)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def agreement(exact: Tensor, rough: Tensor) -> str:
    """How far half precision reorders candidates."""
    order, other = (torch.argsort(-counts, stable=True) for counts in (exact, rough))
    same = (order == other).float().mean()
    moved = (order.argsort() - other.argsort()).abs().max()
    return (
        f"{100 * same:.0f} % of places, at most {int(moved)} away; counts differ by {int((exact - rough).abs().max())}"
    )


def main(count: int, cells: int, channels: int, repeats: int) -> None:
    devices.enable_fast_fp32()
    query, candidates = alike(count, cells, channels)
    before = peak_megabytes()
    exact = count_matches(query, candidates)
    memory = peak_megabytes() - before
    bare = best_of(lambda: products(query, candidates, TILE), repeats)
    ours = best_of(lambda: count_matches(query, candidates), repeats)
    local = LocalFeatures(candidates, torch.full((count,), cells))
    held = Features(candidates[:, 0], local)
    shortlist = Shortlist(np.arange(count), lambda numbers: held[torch.from_numpy(numbers)], 4 * cells * channels)
    asked = Features(query[:1], LocalFeatures(query[None], torch.tensor([cells])))
    ways = {name: (lambda name=name: scores_of(MutualMatches(products=name), asked, shortlist)) for name in RANKED}
    counts = {name: way() for name, way in ways.items()}
    seconds = {name: best_of(way, repeats) for name, way in ways.items()}
    usual = best_of(lambda: plain(query, candidates), max(1, repeats - 1))
    assert torch.equal(exact, plain(query, candidates)), "the plain way counts otherwise"
    table(
        f"1 query x {count} candidates of {cells} x {channels}",
        ("", "seconds", "ms per candidate", "times the bare products"),
        [
            (name, f"{taken:.2f}", f"{1000 * taken / count:.1f}", f"{taken / bare:.2f}")
            for name, taken in (
                ("bare fp32 products", bare),
                ("kernel, exact", ours),
                *((f"re-ranker, {name}", taken) for name, taken in seconds.items()),
                ("plain formulation", usual),
            )
        ],
    )
    print(f"\nexact is {usual / ours:.1f} times faster than plain; memory beyond the features {memory:.0f} MB")
    for name in RANKED:
        print(f"{name} against exact: {agreement(counts['exact'], counts[name])}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--cells", type=int, default=3721)
    parser.add_argument("--channels", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    main(given.count, given.cells, given.channels, given.repeats)
