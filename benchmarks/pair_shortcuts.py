"""What Pair-VPR's optional shortcuts cost in recall: half precision, one direction first, stopping early.

With `--weights FILE --data FOLDER` on a trained network and any evaluation set; `--model` draws scores instead, with a
given correlation between a pair's two directions. Without either, a small network with random weights on a drawn city
shows how orders agree, and recalls that mean nothing.
"""

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from common import table
from scipy.stats import kendalltau

import vprkit
from vprkit.data.city import make_city
from vprkit.evaluation.result import QueryResult, Result
from vprkit.evaluation.two_stage import Second
from vprkit.method import Method
from vprkit.methods.pairvpr.classifier import PairClassifier

SMALL = {"size": "S", "depth": 2, "decoder_width": 128, "decoder_depth": 3, "decoder_heads": 2, "image_size": 112}


def measured(given: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        method, data = chosen(given, Path(scratch))
        benchmark = vprkit.open_benchmark(data)

        def run(settings: PairClassifier) -> Result:
            second = Second(given.rerank, reranker=settings)
            return vprkit.evaluate(method, benchmark, ks=(1, 5), rerank=second, features=Path(scratch) / "features")

        exact = run(PairClassifier())
        title = f"{method.name} on {benchmark.name}, {exact.queries} queries, {exact.reranked} candidates"
        rows = [["first stage alone", *(f"{exact.first_stage[k]:.1f}" for k in (1, 5)), "", "", "", ""]]
        rows.append(row("both directions, exact", exact, exact))
        rows += [row(name, run(settings), exact) for name, settings in shortcuts(exact, given.rerank)]
    table(title, ("", "R@1", "R@5", "s per query", "times faster", "same best, %", "Kendall's tau"), rows)


def chosen(given: argparse.Namespace, scratch: Path) -> tuple[Method, Path]:
    data = given.data
    if data is None:
        make_city(scratch / "city", given.places, 12, 11, conditions=("night",), workers=1)
        data = scratch / "city"
    if given.weights is None:
        return vprkit.load_method("pairvpr", "random:0", resize=112, **SMALL), data
    return vprkit.load_method(weights=given.weights, resize=given.resize), data


def shortcuts(exact: Result, count: int) -> Iterator[tuple[str, PairClassifier]]:
    """Settings to compare; thresholds of stopping are quantiles of the best scores."""
    yield "half precision", PairClassifier(products="half")
    for share in (2, 5, 10):
        best = max(1, count // share)
        yield f"one direction, then both for {best}", PairClassifier(first_pass=best)
    tops = [query.scores[0] for query in exact.rankings if query.scores]
    for level in (0.25, 0.5, 0.75):
        enough = float(np.quantile(tops, level))
        yield f"stop at {enough:.2f} ({100 * level:.0f} % of the best)", PairClassifier(enough=enough)


def row(name: str, found: Result, exact: Result) -> list[str]:
    pairs = list(zip(found.rankings, exact.rankings, strict=True))
    taus = [tau for one, other in pairs if np.isfinite(tau := agreement(one, other, exact.reranked or 0))]
    same = 100 * np.mean([one.ranking[:1] == other.ranking[:1] for one, other in pairs])
    seconds, base = (result.timings["rerank_match"]["median_ms"] / 1000 for result in (found, exact))
    return [name, *(f"{found.recalls[k]:.1f}" for k in (1, 5)), f"{seconds:.3f}", f"{base / seconds:.1f}",
            f"{same:.0f}", f"{np.mean(taus):.3f}"]  # fmt: skip


def agreement(one: QueryResult, other: QueryResult, count: int) -> float:
    """Kendall's tau between the places that two orders give the same candidates."""
    places = {number: place for place, number in enumerate(one.ranking[:count])}
    return float(kendalltau([places[number] for number in other.ranking[:count]], range(count)).statistic)


def model(given: argparse.Namespace) -> None:
    """Drawn logits: a positive's are `--apart` standard deviations higher, its directions correlate by `--alike`."""
    generator, rows = np.random.default_rng(0), []
    noise = generator.standard_normal((3, given.queries, given.rerank))
    shared, own = np.sqrt(given.alike) * noise[0], np.sqrt(1 - given.alike) * noise[1:]
    directions = shared + own + np.where(np.arange(given.rerank) == 0, given.apart, 0.0)
    whole = directions.sum(0)
    for count in dict.fromkeys((given.rerank, *(max(1, given.rerank // share) for share in (2, 5, 10, 20)))):
        order = np.argsort(-directions[0], 1)[:, :count]
        best = np.take_along_axis(order, np.take_along_axis(whole, order, 1).argmax(1)[:, None], 1)[:, 0]
        share = (given.rerank + count) / (2 * given.rerank)
        rows.append((str(count), f"{100 * np.mean(best == 0):.1f}", f"{100 * np.mean(best == whole.argmax(1)):.1f}",
                     f"{share:.2f}"))  # fmt: skip
    table(
        f"drawn scores, {given.queries} queries x {given.rerank}, one positive {given.apart:g} deviations higher, "
        f"directions correlate by {given.alike:g}",
        ("candidates in both directions", "R@1", "same best, %", "share of the work"), rows,
    )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--weights", help="weights file of a Pair-VPR")
    parser.add_argument("--data", type=Path, help="folder of an evaluation set")
    parser.add_argument("--resize", help="as of `vpr evaluate`")
    parser.add_argument("--rerank", type=int, default=20)
    parser.add_argument("--places", type=int, default=12, help="of the drawn city where no data is given")
    parser.add_argument("--model", action="store_true", help="draw scores instead of measuring")
    parser.add_argument("--queries", type=int, default=20_000)
    parser.add_argument("--apart", type=float, default=3.0)
    parser.add_argument("--alike", type=float, default=0.5)
    asked = parser.parse_args()
    (model if asked.model else measured)(asked)
