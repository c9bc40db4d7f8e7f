"""LaVPR's poolers, fusion heads, scores and loss against their cases."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.aggregators.text_pooling import ReweightingPooler
from vprkit.aggregators.unit import unit
from vprkit.backbones.text_encoder import BertSizes, TextEncoder, fill_encoder
from vprkit.data.descriptions import read_descriptions
from vprkit.data.folders import records_of_names
from vprkit.data.layouts.gsv_cities import file_name
from vprkit.data.positives import planar
from vprkit.losses.fused_similarity import FusedMultiSimilarityLoss
from vprkit.losses.miners import MultiSimilarityMiner
from vprkit.losses.pairs import marked
from vprkit.methods.lavpr_fusion.comparing import constant, weighted
from vprkit.methods.lavpr_fusion.heads import FixedWeighting, Head
from vprkit.methods.lavpr_fusion.network import LaVPR, LaVPRConfig
from vprkit.retrieval.index import ExactIndex

_HEADS: dict[str, Head] = {"dynamic_weighting": "ads", "fixed_weighting": "fixed", "mlp": "mlp", "add": "add"}
_POOLINGS = ("none", "cls", "mean")


@handles("lavpr/text_pool_cls", "lavpr/text_pool_mean")
def pooling(case: Case) -> None:
    compared, state = Compared(case), case.state()
    pooler = ReweightingPooler(state["attention.weight"].shape[1], "cls" if case.name.endswith("cls") else "mean")
    pooler.load_state_dict(state)
    pooler.eval()
    hidden, mask = case.input("hidden").clone().requires_grad_(), case.input("mask")
    pooled = pooler(hidden, mask)
    (pooled * case.input("probe")).sum().backward()
    compared.check("pooled", pooled)
    compared.check("weights", pooler.weights(hidden, mask))
    compared.check("grad_hidden", hidden.grad)
    compared.check_if_present("pooled_nomask", pooler(hidden))
    compared.check_if_present("weights_nomask", pooler.weights(hidden))
    compared.assert_complete()


def network_of(case: Case) -> LaVPR:
    """The product's network with a stand-in for the image encoder."""
    config, bert = case.config, case.config["bert"]
    assert bert["hidden_act"] == "gelu"
    head: Head = "projections" if config["cross_modal"] == 3 else _HEADS.get(config["fusion_type"], "none")
    options: Any = {"pooling": _POOLINGS[config["is_text_pooling"]], "head": head, "width": config["embeds_dim"]}
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size",
             "max_position_embeddings")  # fmt: skip
    sizes = BertSizes(*(bert[name] for name in names), pool="cls")
    network = LaVPR(LaVPRConfig(**options), nn.Identity(), TextEncoder(sizes), config["vpr_dim"])
    state = case.state()
    prefix = "text_encoder."
    assert network.text_encoder is not None
    fill_encoder(
        network.text_encoder, {n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)}, case.name
    )
    for module in network.text_encoder.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = bert["layer_norm_eps"]
    rest = {n: v for n, v in state.items() if not n.startswith(prefix)}
    own = {n if n.startswith("text_pooling.") else f"head.{n}": v for n, v in rest.items()}
    left = network.load_state_dict(own, strict=False)
    assert not left.unexpected_keys and all(name.startswith(prefix) for name in left.missing_keys)
    return network.eval()


@handles(*(f"lavpr/fusion_{kind}_pool{pool}" for kind in (*_HEADS, "crossmodal3", "none") for pool in range(3)))
@torch.inference_mode()
def fusion(case: Case) -> None:
    compared, network = Compared(case), network_of(case)
    assert network.text_encoder is not None
    read = network.text_encoder(case.input("input_ids"), case.input("attention_mask"))
    image, text = case.input("image_descriptor"), network.pooled(*read)
    fused = network.fuse(image, text)
    compared.check("embeds", fused.image)
    compared.check("text_embeds", text if fused.text is None else fused.text)
    compared.check("embeds_orig", image)
    compared.check("text_embeds_orig", read.vectors)
    if isinstance(network.head, FixedWeighting):
        compared.check("w", network.head.share)
        assert fused.weight is not None and torch.equal(fused.weight[:, 0], network.head.share.expand(len(image)))
    else:
        compared.check_if_present("w", fused.weight)
    compared.assert_complete()


@handles("lavpr/late_fusion")
def late_fusion(case: Case) -> None:
    compared = Compared(case)
    v_q, t_q, v_d, t_d = (unit(case.input(name)) for name in ("vision_q", "text_q", "vision_db", "text_db"))
    of_database, of_queries = case.input("w").split([len(v_d), len(v_q)])
    for name in (*case.outputs("scores*"), *case.outputs("cat_scores")):
        if name == "scores":
            queries, database = weighted(v_q, t_q, of_queries, "query"), weighted(v_d, t_d, of_database, "database")
        else:
            share = 0.5 if name == "cat_scores" else alpha_of(name)
            queries, database = constant(v_q, t_q, share, "query"), constant(v_d, t_d, share, "database")
        found = ExactIndex(database.numpy()).search(queries.numpy(), case.json["k"])
        compared.check(name, torch.from_numpy(found.scores).float())
        told = name.replace("scores", "predictions")
        expected = case.output(told).numpy()
        scores = (queries @ database.T).double().numpy()
        mine, theirs = (np.take_along_axis(scores, numbers, 1) for numbers in (found.numbers, expected))
        rtol, atol = case.tolerance(told)  # equal scores may stand in any order
        assert np.allclose(mine, theirs, rtol, atol), told
        compared.done.add(told)
    compared.assert_complete()


def alpha_of(name: str) -> float:
    """`scores_alpha09` -> 0.9, `scores_alpha025` -> 0.25: the digits without their point."""
    digits = name.partition("alpha")[2]
    return float(digits[:1] + "." + digits[1:])


@handles("lavpr/loss_ms_sij")
def sij(case: Case) -> None:
    compared, loss, miner = Compared(case), FusedMultiSimilarityLoss(), MultiSimilarityMiner()
    labels = case.input("labels")

    def parts() -> list[Tensor]:
        return [case.input(name).clone().requires_grad_() for name in ("image_embeds", "text_embeds", "w")]

    image, text, weight = parts()
    mined = miner(image, labels)
    value = loss(image, text, weight, mined)
    value.backward()
    compared.check("loss", value)
    for name, part in (("image", image), ("text", text), ("w", weight)):
        compared.check(f"grad_{name}", part.grad)
    like = image @ image.T
    compared.check("mined_positive_mask", marked(mined[0], mined[1], like).to(case.output("mined_positive_mask").dtype))
    compared.check("mined_negative_mask", marked(mined[2], mined[3], like).to(case.output("mined_negative_mask").dtype))
    image, text, _ = parts()
    share = case.input("w_fixed").clone().requires_grad_()
    fixed = torch.stack([share, 1 - share], 1).expand(len(image), 2)
    value = loss(image, text, fixed, miner(image, labels))
    value.backward()
    compared.check("loss_fixed", value)
    for name, part in (("image", image), ("text", text), ("w", share)):
        compared.check(f"grad_{name}_fixed", part.grad)
    image, text, weight = parts()
    for name, rows, own in (
        ("all_distinct", len(labels), torch.arange(len(labels))),
        ("all_same", len(labels), torch.zeros_like(labels)),
        ("single", 1, labels[:1]),
    ):
        few = [part[:rows] for part in (image, text, weight)]
        compared.check(f"loss_{name}", loss(*few, miner(few[0], own)))
    compared.assert_complete()


@handles("lavpr/data_naming_csv")
def naming(case: Case) -> None:
    told, config = case.json, case.config
    assert [file_name(row) for row in told["rows"]] == told["names"]
    root = Path(config["image_root"])
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "case.csv"
        path.write_text(told["csv"], encoding="utf-8")
        descriptions = read_descriptions(path)
    sides = []
    for role in ("database", "queries"):
        folder = Path(config[f"{role}_folder"]).relative_to(root).as_posix()
        names = sorted(name for name in descriptions.texts if name.startswith(f"{folder}/"))
        records = descriptions.attach(records_of_names(root, names), config["max_chars"])
        assert [str(records.path(row)) for row in range(len(records))] == told[role]
        sides.append(records)
    database, queries = sides
    assert [*database.texts["text"], *queries.texts["text"]] == told["texts"]
    found = planar(database, queries, config["radius_m"])
    assert [set(map(int, row)) for row in found] == [set(row) for row in told["positives"]]
