"""Losses and miners by name against the values and gradients of the registry that GSV-Cities programs share."""

import torch

from tests.reference.runner import Case, handles
from vprkit.training.losses import make_loss, make_miner

LOSSES = {
    "CircleLoss": "circle",
    "ContrastiveLoss": "contrastive",
    "FastAPLoss": "fast_ap",
    "Lifted": "generalized_lifted",
    "MultiSimilarityLoss": "multi_similarity",
    "NTXentLoss": "nt_xent",
    "SupConLoss": "supervised_contrastive",
    "TripletMarginLoss": "triplet_margin",
}
MINERS = {"PairMarginMiner": "pair_margin", "TripletMarginMiner": "triplet_margin"}


@handles("lavpr/loss_registry")
def registry(case: Case) -> None:
    embeddings, labels = case.input("embeds"), case.input("labels")
    losses = [name for name in case.outputs() if not name.endswith("_grad") and name in LOSSES]
    mined = {name.rpartition("_")[0] for name in case.outputs() if name.rpartition("_")[0] in MINERS}
    assert set(case.outputs()) == {
        *losses, *(f"{name}_grad" for name in losses), *(name for miner in mined for name in case.outputs(f"{miner}_*"))
    }  # fmt: skip
    for name in losses:
        leaf = embeddings.clone().requires_grad_()
        miner = make_miner("multi_similarity" if name == "MultiSimilarityLoss" else "none")
        pairs = None if miner is None else miner(leaf, labels)
        value = make_loss(LOSSES[name])(leaf, labels, pairs)
        value.backward()
        case.check(name, value)
        case.check(f"{name}_grad", leaf.grad)
    for name in mined:
        miner = make_miner(MINERS[name])
        assert miner is not None
        found = miner(embeddings, labels)
        expected = [case.output(f"{name}_{part}") for part in range(len(found))]
        case.done.update(f"{name}_{part}" for part in range(len(found)))
        pairs = len(found) == 4  # two lists of positive pairs, two of negative ones; three lists are triplets
        for part in ((0, 2), (2, 4)) if pairs else ((0, 3),):
            assert as_set(found[slice(*part)]) == as_set(expected[slice(*part)]), name


def as_set(indices: tuple[torch.Tensor, ...] | list[torch.Tensor]) -> set[tuple[int, ...]]:
    return set(zip(*(part.tolist() for part in indices), strict=True))
