"""Positives, exact search and recall of every system against ours."""

import re

import numpy as np

from tests.reference.runner import Case, handles
from vprkit.data.layouts.at import parse_name
from vprkit.data.positives import Positives, within_radius
from vprkit.evaluation.recall import first_hits, recall_at


@handles("selavpr/selavpr_positives_recall")
def selavpr(case: Case) -> None:
    database, queries = (_utm(case.json[key]) for key in ("database_files", "query_files"))
    case.check("database_utm", database)
    case.check("queries_utm", queries)
    positives = within_radius(database, queries, case.config["threshold"])
    case.check("positives_len", positives.counts)
    case.check("positives_flat", positives.numbers)
    hits = first_hits(case.input("predictions").numpy(), positives, len(database))
    case.check("recalls", _recalls(hits, case.config["recall_values"]))


@handles("lavpr/recall_at_k")
def lavpr(case: Case) -> None:
    positives = Positives(case.input("gt_offsets").numpy(), case.input("gt_flat").numpy())
    predictions = case.input("predictions").numpy()
    size = 1 + int(max(predictions.max(), positives.numbers.max()))
    recalls = _recalls(first_hits(predictions, positives, size), case.json["k_values"])
    case.check("recall", recalls)
    case.check("recall_l2_search", recalls)


@handles("progeo/retrieval_eval")
def progeo(case: Case) -> None:
    database, queries = case.input("database_utm").numpy(), case.input("query_utm").numpy()
    positives = within_radius(database, queries, case.config["positive_dist_threshold"])
    assert [list(map(int, row)) for row in positives] == case.json["positives"]
    _search(case, case.input("database_desc"), case.input("query_desc"), case.config["k"], "predictions")
    hits = first_hits(case.output("predictions").numpy(), positives, len(database))
    case.check("recalls", _recalls(hits, case.config["recall_values"]))
    check_told(case, "recalls_str", hits)


@handles("rerankvpr/retrieval_recall")
def rerankvpr(case: Case) -> None:
    references = case.input("references")
    k = case.output("predictions").shape[1]
    predictions = _search(case, references, case.input("queries"), k, "predictions")
    padded = case.input("ground_truth_padded_minus1").numpy()
    positives = Positives.of([row[row >= 0] for row in padded])
    hits = first_hits(predictions, positives, len(references))
    case.check("recalls_percent", np.round(_recalls(hits, case.config["k"]), 2))


def _utm(names: list[str]) -> np.ndarray:
    fields = [parse_name(name) for name in names]
    return np.array([[field.east, field.north] for field in fields if field is not None])


def check_told(case: Case, key: str, hits: np.ndarray) -> None:
    """Recalls that the case tells in words, `R@1: 87.5, R@5: 87.5`, as far as it has decimals."""
    for k, percent in re.findall(r"R@(\d+): (\d+\.\d)", case.json.get(key, "")):
        assert abs(recall_at(hits, int(k)) - float(percent)) < 0.05 + 1e-9, f"{case.name}: {key}, R@{k}"


def _recalls(hits: np.ndarray, ks: list[int]) -> np.ndarray:
    return np.array([recall_at(hits, k) for k in ks])


def _search(case: Case, database, queries, k: int, output: str) -> np.ndarray:
    from vprkit.retrieval.index import ExactIndex

    found = ExactIndex(database.numpy(), metric="l2").search(queries.numpy(), k)
    case.check(output, found.numbers)
    return found.numbers
