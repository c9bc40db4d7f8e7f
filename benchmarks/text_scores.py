"""Scores of photos and sentences together: the index of a fused map, against two full rankings merged in Python."""

import argparse
import functools
import time
from collections.abc import Sequence

import faiss
import numpy as np
import torch
from common import best_of, table

from vprkit.aggregators.unit import unit
from vprkit.methods.lavpr_fusion.comparing import weighted
from vprkit.retrieval.index import ExactIndex
from vprkit.retrieval.weighted import WeightedRows, exact_index

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
K = 20


def merged(
    image: tuple[np.ndarray, np.ndarray], text: tuple[np.ndarray, np.ndarray], weight: tuple[np.ndarray, np.ndarray]
) -> list[list[int]]:
    """The published way: rank all images by photos and by sentences, look scores up by number, add, sort."""
    rankings = []
    found = []
    for queries, database in (image, text):
        index = faiss.IndexFlatIP(database.shape[1])
        index.add(database)
        found.append(index.search(queries, len(database)))
    of_queries, of_database = weight
    for query in range(len(of_queries)):
        by_image = dict(zip(found[0][1][query].tolist(), found[0][0][query].tolist(), strict=True))
        by_text = dict(zip(found[1][1][query].tolist(), found[1][0][query].tolist(), strict=True))
        scores = {
            number: (of_queries[query, 0] + of_database[number, 0]) / 2 * by_image[number]
            + (of_queries[query, 1] + of_database[number, 1]) / 2 * by_text[number]
            for number in by_image
        }
        rankings.append(sorted(scores, key=scores.__getitem__, reverse=True)[:K])
    return rankings


def found_by_list(paths: Sequence[str], texts: Sequence[str], wanted: Sequence[str]) -> list[str]:
    return [texts[paths.index(path)] for path in wanted]


def main(images: int, queries: int, clock: str) -> None:
    timed = functools.partial(best_of, clock=CLOCKS[clock])
    rng = np.random.default_rng(0)

    def drawn(count: int, width: int) -> torch.Tensor:
        return unit(torch.from_numpy(rng.standard_normal((count, width), np.float32)))

    v_q, v_d, t_q, t_d = drawn(queries, 512), drawn(images, 512), drawn(queries, 1024), drawn(images, 1024)
    shares = [torch.from_numpy(rng.random((count, 1), np.float32)) for count in (queries, images)]
    w_q, w_d = (torch.cat([share, 1 - share], 1) for share in shares)
    database = exact_index(WeightedRows(v_d.numpy(), t_d.numpy(), w_d.numpy()), "ip")  # as a map holds it
    written_out = ExactIndex(weighted(v_d, t_d, w_d, "database").numpy())
    asked = weighted(v_q, t_q, w_q, "query").numpy()

    def found_in(index: ExactIndex) -> list[list[int]]:
        rows: list[list[int]] = index.search(asked, K).numbers.tolist()
        return rows

    def theirs() -> list[list[int]]:
        parts = [(one.numpy(), other.numpy()) for one, other in ((v_q, v_d), (t_q, t_d), (w_q, w_d))]
        return merged(parts[0], parts[1], parts[2])

    indexes = {"two short products": database, "one long product": written_out}
    reference = theirs()
    same = np.mean([row == found_in(index)[query] for index in indexes.values() for query, row in enumerate(reference)])
    slow = timed(theirs, 3)
    quick = {name: timed(functools.partial(found_in, index)) for name, index in indexes.items()}
    rows = [[name, f"{1000 * seconds:.1f}", f"{slow / seconds:.0f}"] for name, seconds in quick.items()]
    rows.append(["two full rankings, merged", f"{1000 * slow:.0f}", "1"])
    table(
        f"{queries} queries against {images:,} images, {100 * same:.0f} % of the rankings the same",
        ("way", "ms", "times faster"),
        rows,
    )
    paths = [f"database/{number:07d}.jpg" for number in range(images)]
    table_of = dict(zip(paths, paths, strict=True))
    wanted = [paths[int(row)] for row in rng.integers(0, images, 1000)]
    by_number = timed(lambda: [table_of[path] for path in wanted])
    by_list = timed(lambda: found_by_list(paths, paths, wanted), 2)
    rows = [["dictionary", f"{1e6 * by_number / 1000:.2f}"], ["list", f"{1e6 * by_list / 1000:.1f}"]]
    table(f"Looking the captions of 1,000 of {images:,} images up", ("way", "us each"), rows)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--queries", type=int, default=20)
    parser.add_argument("--clock", default="wall", choices=[*CLOCKS], help="cpu: of this process, on a busy machine")
    main(**vars(parser.parse_args()))
