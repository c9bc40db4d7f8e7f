"""RerankVPR: saliency and local features, matching between salient patches, the order of a shortlist."""

import numpy as np
import torch
from torch import Tensor

from tests.reference.handlers.rerankvpr_model import layers_of, network_of
from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.backbones.patch_features import PatchConfig, describe_patches, joined_heads, log_bins, min_max, unit
from vprkit.features import Features, LocalFeatures
from vprkit.rerank.guided import Mask
from vprkit.rerank.guided_full import Full
from vprkit.rerank.guided_matches import GuidedMatches
from vprkit.rerank.mutual import best_cells, matched_similarity
from vprkit.rerank.reranker import Shortlist, rerank, scores_of
from vprkit.retrieval.index import ExactIndex

NAMES: dict[str, Mask] = {
    "official": "official",
    "one_candidate_at_a_time": "per_candidate",
    "strict": "strict",
}


@handles("rerankvpr/guided_matching")
def guided_matching(case: Case) -> None:
    found = Compared(case)
    for name in sorted({key.split("/")[1] for key in case.tensors if key.startswith("input/")}):
        one, two = (case.input(f"{name}/{side}").clone().requires_grad_() for side in "ab")
        columns = list(zip(one.transpose(1, 2), two.transpose(1, 2), strict=True))
        value = torch.stack([matched_similarity(a, b).mean() for a, b in columns]).mean()
        value.backward()
        counts = torch.cat([best_cells(a, b[None]).mutual.sum(1) for a, b in columns])
        found.check(f"{name}/train", value)
        found.check(f"{name}/test_counts", counts.float())
        found.check(f"{name}/grad_a", one.grad)
        found.check(f"{name}/grad_b", two.grad)
    found.assert_complete()


@handles("rerankvpr/descriptors_and_saliency")
def descriptors_and_saliency(case: Case) -> None:
    found = Compared(case)
    for name, given in (("saliency", "attn"), ("saliency_constant_first", "attn_constant_first")):
        found.check(name, min_max(case.input(given)[:, :, 0, 1:].mean(1)))
    value, token = joined_heads(case.input("value")), case.input("token")
    found.check("value_plain_with_cls", value[:, None])
    found.check("value_plain", value[:, None, 1:])
    found.check("token_plain", token[:, None, 1:])
    shapes = {"value": tuple(case.config["grid"]), "token": tuple(case.config["grid"]),
              "rect": tuple(case.config["rect_grid"]), "one": (1, 1)}  # fmt: skip
    tokens = {"value": value[:, 1:], "token": token[:, 1:], "rect": joined_heads(case.input("rect")),
              "one": joined_heads(case.input("one"))}  # fmt: skip
    for key in case.outputs("*_bin_h*"):
        name, _, hierarchy = key.rpartition("_bin_h")
        found.check(key, log_bins(tokens[name], shapes[name], int(hierarchy))[:, None])
    found.assert_complete()


def local(tokens: Tensor, saliency: Tensor) -> Features:
    """Unit descriptors (N, 1, L, C) and saliency (N, L) as features."""
    patches = unit(tokens.squeeze(1))
    counts = torch.full((len(patches),), patches.shape[1])
    return Features(torch.zeros(len(patches), 1), LocalFeatures(patches, counts, saliency=saliency))


def checked_scores(settings: GuidedMatches, query: Features, candidates: Features, row_bytes: int = 1) -> Tensor:
    """Scores block by block, after comparing them with the full products that an accelerator takes."""
    assert candidates.local is not None and query.local is not None
    shortlist = Shortlist(np.arange(len(candidates)), lambda n: candidates[torch.from_numpy(n)], row_bytes)
    scores = scores_of(settings, query, shortlist)
    full = Full(settings, query.local, shortlist)
    assert torch.equal(scores, torch.cat([full.score(block) for block in shortlist.blocks()]))
    return scores


def order(scores: Tensor, ties: str) -> np.ndarray:
    """Places of a shortlist in their new order."""

    class Given:
        def begin(self, query: Features, shortlist: Shortlist) -> "Given":
            return self

        def score(self, candidates: Features) -> Tensor:
            return scores[candidates.global_[:, 0].long()]

    def features(numbers: np.ndarray) -> Features:
        return Features(torch.from_numpy(numbers)[:, None])

    places = np.arange(len(scores))
    return rerank(Given(), features(places[:1]), places, len(places), features, 1, ties).numbers  # type: ignore[arg-type]


def check_orders(found: Compared, suffix: str, counts: Tensor, first: Tensor) -> None:
    for name, ties in (("order_official_counts_stable", "first_stage"), ("order_official_ties_reversed", "reversed")):
        found.check_if_present(f"{name}{suffix}", first[torch.from_numpy(order(counts, ties).copy())])


@handles("rerankvpr/match_counts")
def match_counts(case: Case) -> None:
    found = Compared(case)
    query, candidates = (local(case.input(f"{role}_desc"), case.input(f"{role}_saliency")) for role in ("query", "ref"))
    assert query.local is not None and candidates.local is not None
    found.check("cosine", (query.local.tokens @ candidates.local.tokens.transpose(1, 2))[:, None])
    for row in case.config["thresholds"]:
        for name, mask in NAMES.items():
            settings = GuidedMatches(row["saliency_thresh"], row["nn_match_thresh"], mask)
            scores = checked_scores(settings, query, candidates)
            found.check(f"counts_{name}_{row['index']}", scores)
            if mask == "official":
                check_orders(found, f"_{row['index']}", scores, case.input("first_predictions"))
    found.assert_complete()


@handles("rerankvpr/match_edge_cases")
def match_edge_cases(case: Case) -> None:
    found = Compared(case)
    for name, row in case.config.items():
        query, candidates = (
            local(case.input(f"{name}/{role}_desc"), case.input(f"{name}/{role}_saliency")) for role in ("query", "ref")
        )
        for key, mask in NAMES.items():
            settings = GuidedMatches(row["saliency_thresh"], row["nn_match_thresh"], mask)
            scores = checked_scores(settings, query, candidates)
            found.check(f"{name}/counts_{key}", scores)
            if mask == "official":
                for order_name, ties in (("counts_stable", "first_stage"), ("ties_reversed", "reversed")):
                    first = case.input(f"{name}/first_predictions")
                    expected = first[torch.from_numpy(order(scores, ties).copy())]
                    found.check_if_present(f"{name}/order_official_{order_name}", expected)
    found.assert_complete()


@handles("rerankvpr/end_to_end_rerank")
def end_to_end(case: Case) -> None:
    found = Compared(case)
    net, patches = network_of(case).trunk.eval(), PatchConfig(*layers_of(case))  # type: ignore[arg-type]
    with torch.no_grad():
        sides = [describe_patches(net, case.input(name), patches) for name in ("query_image", "reference_images")]
    (query, asked), (reference, held) = ((side.output.normed.class_token, side.local) for side in sides)
    found.check("query_descriptor", query)
    found.check("reference_descriptors", reference)
    ranked = ExactIndex(reference.numpy(), "l2").search(query.numpy(), len(reference))
    first = torch.from_numpy(ranked.numbers[0])
    found.check("first_predictions", first)
    distances = -torch.from_numpy(ranked.scores[0])
    found.check("first_squared_distances", distances.float())
    found.check("query_saliency", asked.saliency)
    found.check("reference_saliency_in_first_stage_order", held.map(lambda t: t[first]).saliency)
    for name, side, rows in (("query_local", asked, [0]), ("reference_local_in_first_stage_order", held, first)):
        case.compare(name, side.tokens[rows], unit(case.output(name).squeeze(1)))
        found.done.add(name)
    candidates = Features(reference[first], held.map(lambda tensor: tensor[first]))
    for run in case.config["runs"]:
        suffix = f"_s{run['saliency_thresh']}_n{run['nn_match_thresh']}"
        for key, mask in (("counts", "official"), ("one", "per_candidate"), ("strict", "strict")):
            name = {"counts": "counts", "one": "counts_one_candidate_at_a_time", "strict": "counts_strict"}[key]
            settings = GuidedMatches(run["saliency_thresh"], run["nn_match_thresh"], mask)  # type: ignore[arg-type]
            scores = checked_scores(settings, Features(query, asked), candidates)
            assert scores.tolist() == run[key]
            found.check(f"{name}{suffix}", scores)
            if mask == "official":
                check_orders(found, suffix, scores, first)
    found.assert_complete()
