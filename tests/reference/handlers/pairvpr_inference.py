"""Pair-VPR's whole retrieval: `pairvpr/retrieve_and_rerank`."""

import numpy as np
import torch
from torch import Tensor

from tests.reference.handlers.pairvpr_model import network_of
from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.data.positives import Positives
from vprkit.evaluation.recall import first_hits, recall_at
from vprkit.features import Features
from vprkit.method import Method
from vprkit.methods.pairvpr.classifier import PairClassifier, PairReranker
from vprkit.rerank.reranker import rerank
from vprkit.retrieval.index import ExactIndex

_FREE = 1e-5  # entries nearer than this may change places (specification, section 8)


@handles("pairvpr/retrieve_and_rerank")
def retrieve_and_rerank(case: Case) -> None:
    compared, method = Compared(case), Method.from_module(network_of(case), device="cpu")
    features = method.describe(case.input("images"))
    compared.check("global", features.global_)
    size, count = case.json["ndb"], case.json["refine_top"]
    database, queries = features[slice(0, size)], features[slice(size, size + case.json["nq"])]
    distances = torch.cdist(queries.global_, database.global_).square()
    compared.check("global_sqdist", distances)
    first = ExactIndex(database.global_.numpy(), "l2").search(queries.global_.numpy(), size).numbers
    same_order(compared, "top_global", first[:, :count], -distances.numpy())
    again = [rerank(PairClassifier().of(method), queries[[row]], ranking, count, lambda numbers: database[numbers], 1)
             for row, ranking in enumerate(first)]  # fmt: skip
    scores = directions(compared, PairClassifier().of(method), queries, database)
    same_order(compared, "reranked", np.stack([found.numbers[:count] for found in again]), scores)
    positives = Positives.of([np.array(row, np.int64) for row in case.json["ground_truth"]])
    # Equal, and only then, is what our order and the case's may differ in: recalls belong to the case's.
    best = [[*head, *(number for number in row if number not in head)]
            for head, row in zip(case.output("top_global").tolist(), first.tolist(), strict=True)]  # fmt: skip
    for name, rankings in (("global", np.array(best)), ("reranked", case.output("reranked").numpy())):
        hits = first_hits(rankings, positives, size)
        for k, expected in case.json[f"recall_{name}"].items():
            assert abs(recall_at(hits, int(k)) / 100 - expected) < 1e-9, f"recall@{k} of {name}"
    compared.assert_complete()


def directions(compared: Compared, second: PairReranker, queries: Features, database: Features) -> np.ndarray:
    """Compares both directions and their sum; (Q, N) scores, -inf where the case has none."""
    case, columns = compared.case, compared.case.output("top_global")
    found: dict[str, list[Tensor]] = {"score_query_first": [], "score_db_first": [], "score": []}
    for row, numbers in enumerate(columns):
        assert queries.local is not None and database.local is not None
        query = second.scorer.prepare(queries[[row]].local)  # type: ignore[arg-type]
        candidates = second.scorer.prepare(database[numbers].local)  # type: ignore[arg-type]
        found["score_query_first"].append(second.scorer.judge(query.started, candidates.memory))
        found["score_db_first"].append(second.scorer.judge(candidates.started, query.memory))
        found["score"].append(second.scorer.score(query, candidates))
    for name, rows in found.items():
        compared.check(name, torch.stack(rows))
    scores = np.full((len(columns), case.json["ndb"]), -np.inf)
    np.put_along_axis(scores, columns.numpy(), case.output("score").numpy().astype(np.float64), 1)
    return scores


def same_order(compared: Compared, name: str, found: np.ndarray, scores: np.ndarray) -> None:
    """Asserts the expected order, but for places of entries whose scores are as good as equal."""
    expected = compared.case.output(name).numpy()
    assert found.shape == expected.shape and all(len(set(row)) == len(row) for row in found.tolist())
    ours, theirs = (np.take_along_axis(scores, order, 1) for order in (found, expected))
    assert ((found == expected) | (np.abs(ours - theirs) < _FREE)).all(), f"{compared.case.name}: {name} differs"
    compared.done.add(name)
