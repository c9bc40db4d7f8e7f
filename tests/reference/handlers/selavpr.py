"""SelaVPR: network, matching, losses, re-ranking."""

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.reference.handlers.retrieval import check_told
from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.aggregators.gem import GeM
from vprkit.backbones.vit import ViTConfig
from vprkit.backbones.vit_blocks import Block, BlockAdapters
from vprkit.data.positives import Positives
from vprkit.evaluation.crop_votes import majority, nearest_crop
from vprkit.evaluation.recall import first_hits, recall_at
from vprkit.losses.triplet import sare_independent, sare_joint, triplet_hinge
from vprkit.methods.selavpr.adapters import Adapter
from vprkit.methods.selavpr.local_matches import local_hinge, match_similarity
from vprkit.methods.selavpr.network import LocalAdapt, SelaVPR
from vprkit.rerank.mutual import best_cells, count_matches
from vprkit.retrieval.index import ExactIndex


def network(case: Case) -> SelaVPR:
    config = case.config
    backbone = ViTConfig(
        embed_dim=config["embed_dim"],
        depth=config["depth"],
        num_heads=config["num_heads"],
        img_size=config["img_size"],
        patch_size=config["patch_size"],
        num_register_tokens=config["num_register_tokens"],
        interpolate_offset=config["interpolate_offset"],
        interpolate_antialias=config["interpolate_antialias"],
    )
    state = case.state()
    bottleneck = state["backbone.blocks.0.adapter1.D_fc1.bias"]
    ratio = (len(bottleneck) + 0.5) / config["embed_dim"]  # which the configuration does not tell; rounded down
    model = SelaVPR(backbone, ratio, config["local_mid_channels"], config["local_channels"])
    model.load_state_dict(state, strict=True)
    return model


def gradients(case: Case, found: Compared, module: nn.Module, prefix: str = "grad/") -> None:
    for name, parameter in module.named_parameters():
        found.check_if_present(prefix + name, parameter.grad)


@handles("selavpr/selavpr_block")
def block(case: Case) -> None:
    config, found = case.config, Compared(case)
    width, ratio = config["dim"], config["adapter_ratio"]
    pair = BlockAdapters(
        Adapter(width, ratio, skip=True), Adapter(width, ratio, skip=False), float(config["parallel_scale"])
    )
    backbone = ViTConfig(embed_dim=width, depth=1, num_heads=config["num_heads"], mlp_ratio=config["mlp_ratio"],
                         layernorm_eps=config["layernorm_eps"])  # fmt: skip
    model = Block(backbone, pair)
    model.load_state_dict(case.state(), strict=True)
    facets: dict[str, Tensor] = {}
    for name in (key.removeprefix("facet/") for key in case.outputs("facet/*")):
        model.get_submodule(name).register_forward_hook(lambda _, __, out, name=name: facets.__setitem__(name, out))
    x = case.input("x").requires_grad_()
    y = model(x)
    found.check("y", y)
    for name, value in facets.items():
        found.check(f"facet/{name}", value)
    (y * case.input("cotangent")).sum().backward()
    found.check("grad_x", x.grad)
    gradients(case, found, model)
    found.assert_complete()


@handles("selavpr/selavpr_model", "selavpr/selavpr_model_reg4")
def model(case: Case) -> None:
    net, found = network(case), Compared(case)
    images = case.input("image")
    with torch.no_grad():
        features = net(images)
        tokens = net.backbone.features(images).normed
        found.check("global", features.global_)
        assert features.local is not None and features.local.grid is not None
        found.check("local", features.local.tokens.unflatten(1, features.local.grid))
        found.check("facet/patch_tokens", tokens.patch_tokens)
        found.check("facet/cls", tokens.class_token)
        found.check("facet/local_before_norm", net.LocalAdapt(tokens.patch_map))
        gem = net.aggregation[0]
        gem.normalise = False
        found.check("facet/pooled_before_norm", net.pooled(tokens))
    assert features.local.counts.tolist() == [case.output("local")[0, :, :, 0].numel()] * len(images)
    found.assert_complete()


@handles("selavpr/selavpr_aggregation")
def aggregation(case: Case) -> None:
    found = Compared(case)
    for p in case.config["p"]:
        gem = GeM(p, case.config["eps"], normalise_locations=True)
        x = case.input("x").clone().requires_grad_()
        pooled = gem(x)
        vectors = F.normalize(pooled, dim=1)
        (vectors * case.input("cotangent")).sum().backward()
        for name, value in (("pooled", pooled), ("global", vectors), ("grad_x", x.grad), ("grad_p", gem.p.grad)):
            found.check(f"p{p}/{name}", value)
    found.assert_complete()


@handles("selavpr/selavpr_local_adapt")
def local_adapt(case: Case) -> None:
    config, found = case.config, Compared(case)
    net = LocalAdapt(config["in_channels"], config["mid"], config["out"])
    net.load_state_dict(case.state(), strict=True)
    x = case.input("x").requires_grad_()
    raw = net(x)
    local = F.normalize(raw.permute(0, 2, 3, 1), dim=-1)
    (local * case.input("cotangent")).sum().backward()
    found.check("raw", raw)
    found.check("local", local)
    found.check("grad_x", x.grad)
    gradients(case, found, net)
    found.assert_complete()


def collated(case: Case) -> tuple[Tensor, int]:
    """(B * K, 3) rows of a batch whose items are query, positive, negatives."""
    batch, negatives = case.config["batch"], case.config["negatives"]
    rows = [(b * (2 + negatives), b * (2 + negatives) + 1, b * (2 + negatives) + 2 + k)
            for b in range(batch) for k in range(negatives)]  # fmt: skip
    return torch.tensor(rows), batch * negatives


@handles("selavpr/selavpr_losses")
def losses(case: Case) -> None:
    from vprkit.methods.selavpr.triplets import collate_triplets

    found = Compared(case)
    triplets, count = collated(case)
    vectors, local = case.input("global").requires_grad_(), case.input("local").requires_grad_()
    globally = triplet_hinge(vectors, triplets, case.config["margin"]) / count
    locally = local_hinge(local.flatten(1, 2), triplets) / count
    total = globally + locally
    total.backward()
    for name, value in (("global_loss", globally), ("local_loss", locally), ("total_loss", total),
                        ("grad_global", vectors.grad), ("grad_local", local.grad)):  # fmt: skip
        found.check(name, value)
    ours = collate_triplets(case.config["batch"], case.config["negatives"])
    found.check("collate_triplets_local", ours.to(torch.int32))
    made_up = torch.arange(case.config["batch"])[:, None] * 100 + torch.arange(2 + case.config["negatives"])
    found.check("collate_triplets_global", made_up)
    found.check(
        "distance_identical_pair", F.pairwise_distance(vectors[:1], vectors[:1], eps=case.config["pairwise_eps"])
    )
    found.assert_complete()


@handles("selavpr/selavpr_matching_train")
def matching_train(case: Case) -> None:
    found = Compared(case)
    parts = {name: case.input(name).requires_grad_() for name in ("anchor", "positive", "negative")}
    flat = {name: part.flatten(1, 2) for name, part in parts.items()}
    positive = match_similarity(flat["anchor"], flat["positive"])
    negative = match_similarity(flat["anchor"], flat["negative"])
    found.check("sim_pos", positive)
    found.check("sim_neg", negative)
    grads = torch.autograd.grad(positive.sum(), [parts["anchor"], parts["positive"]], retain_graph=True)
    found.check("grad_simpos_anchor", grads[0])
    found.check("grad_simpos_positive", grads[1])
    batch = len(positive)
    rows = torch.arange(batch)
    triplets = torch.stack([rows, rows + batch, rows + 2 * batch], 1)
    loss = local_hinge(torch.cat(list(flat.values())), triplets)
    found.check("loss", loss)
    loss.backward()
    for name, part in parts.items():
        found.check(f"grad_loss_{name}", part.grad)
    found.assert_complete()


def scores(counts: Tensor) -> Tensor:
    """Published: one match counts as none."""
    return torch.where(counts >= 2, counts, 0).float()


@handles("selavpr/selavpr_matching_eval", "selavpr/selavpr_matching_ties")
def matching(case: Case) -> None:
    found = Compared(case)
    query, candidates = case.input("query").flatten(0, 1), case.input("candidates").flatten(1, 2)
    for tile in (1, 4, 7, 256):
        case.check("scores", scores(count_matches(query, candidates, tile)))
    found.check("scores", scores(count_matches(query, candidates)))
    cells = best_cells(query, candidates)
    found.check("best_candidate_index_per_query_cell", cells.candidate)
    found.check("best_query_index_per_candidate_cell", cells.query)
    found.check("mutual_mask_over_query_cells", cells.mutual)
    if "scores_single_candidate" in case.outputs():
        found.check("scores_single_candidate", scores(count_matches(query, candidates[2:3])))
        tiny, others = case.input("tiny_query").flatten(0, 1), case.input("tiny_candidates").flatten(1, 2)
        found.check("tiny_scores", scores(count_matches(tiny, others)))
        found.check("tiny_mutual", best_cells(tiny, others).mutual)
    if "scores_constant_query" in case.outputs():
        constant = case.input("constant_query").flatten(0, 1)
        found.check("scores_constant_query", scores(count_matches(constant, candidates, 3)))
        found.check("mutual_mask_constant_query", best_cells(constant, candidates).mutual)
    found.assert_complete()


@handles("selavpr/selavpr_retrieval_rerank")
def retrieval_rerank(case: Case) -> None:
    config = case.config
    vectors, local = case.input("global").numpy(), case.input("local").flatten(1, 2)
    count, ks = config["database"], config["recall_values"]
    first = ExactIndex(vectors[:count], "l2").search(vectors[count:], config["rerank_num"]).numbers
    case.check("first_stage", first)
    found = np.stack(
        [scores(count_matches(local[count + q], local[torch.from_numpy(row)])) for q, row in enumerate(first)]
    )
    case.check("scores", found)
    order = np.argsort(-found, axis=1, kind="stable")
    reranked = np.take_along_axis(first, order, 1)
    case.check("reranked_stable", reranked)
    flat, lengths = case.input("positives_flat").numpy(), case.input("positives_len").numpy()
    positives = Positives.of(np.split(flat, np.cumsum(lengths)[:-1]))
    ranks = first_hits(reranked, positives, count)
    check_told(case, "first_stage_recalls", first_hits(first, positives, count))
    case.check("recalls_reranked_stable", np.array([recall_at(ranks, k) for k in ks], np.float32))


@handles("selavpr/benchmark_sare")
def sare(case: Case) -> None:
    for name, loss in (("joint", sare_joint), ("ind", sare_independent)):
        parts = {part: case.input(part).clone().requires_grad_() for part in ("query", "positive", "negatives")}
        value = loss(parts["query"][0], parts["positive"][0], parts["negatives"])
        case.check(f"{name}/loss", value)
        value.backward()
        for part, tensor in parts.items():
            case.check(f"{name}/grad_{part}", tensor.grad)


@handles("selavpr/benchmark_test_methods")
def query_modes(case: Case) -> None:
    database, crops = case.input("database").numpy(), case.input("query_crops").numpy()
    k = max(case.config["recall_values"])
    index = ExactIndex(database, "l2")
    each = [index.search(crops[:, crop], k) for crop in range(crops.shape[1])]
    numbers = np.stack([part.numbers for part in each], 1)
    distances = -np.stack([part.scores for part in each], 1)
    case.check("hard_resize", numbers[:, -1])
    case.check("five_crops", index.search(crops.mean(1), k).numbers)
    case.check("nearest_crop", np.stack([nearest_crop(n, d, k) for n, d in zip(numbers, distances, strict=True)]))
    for weight in case.config["majority_weight"]:
        voted = [majority(n, d, k, weight) for n, d in zip(numbers, distances, strict=True)]
        case.check(f"maj_voting_w{weight}", np.stack(voted))


@handles("selavpr/selavpr_train_steps")
def train_steps(case: Case) -> None:
    from vprkit.methods.selavpr.triplets import freeze, triplet_losses

    net, config = network(case), case.config
    freeze(net)
    assert [name for name, parameter in net.named_parameters() if parameter.requires_grad] == case.json["trainable"]
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], config["lr"],
                                 tuple(config["adam_betas"]), config["adam_eps"], config["weight_decay"])  # fmt: skip
    triplets = case.input("triplets")
    rows: list[Any] = []
    for step in range(len(case.output("losses_per_step"))):
        features = net(case.input("images"))
        parts = triplet_losses(features, triplets, config["margin"])
        rows.append([parts["global"].item(), parts["local"].item(), parts["loss"].item()])
        optimiser.zero_grad()
        parts["loss"].backward()
        if step == 0:
            for name, parameter in net.named_parameters():
                if parameter.requires_grad:
                    case.check(f"step0_grad/{name}", parameter.grad)
        optimiser.step()
    expected = case.output("losses_per_step")
    later = "".join(re.findall(r"tolerance_losses_step(1\w*)", " ".join(case.json)))  # as 1_to_3: all but the first
    for step, (row, wanted) in enumerate(zip(rows, expected, strict=True)):
        case.compare(f"losses_step{0 if step == 0 else later}", np.array(row), wanted)
    case.done.add("losses_per_step")
