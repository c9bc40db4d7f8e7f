"""RerankVPR's losses without and with the memory: `rerankvpr/metric_losses_no_memory`, `rerankvpr/bank_*`."""

from typing import Any

import torch
from torch import Tensor

from tests.reference.handlers.losses import as_set
from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.losses.memory import MemoryBank, Remembered, memory_loss
from vprkit.losses.multi_similarity import MultiSimilarityLoss
from vprkit.losses.pairs import Indices
from vprkit.methods.rerankvpr.criteria import LOSSES
from vprkit.training.losses import Criterion

NAMES = {
    "MultiSimilarityLoss": "multi_similarity",
    "TripletMarginLoss": "triplet_margin",
    "ContrastiveLoss": "contrastive_official",
    "NCALoss": "nca",
}


def criterion(name: str, margin: float, config: dict[str, Any]) -> Criterion:
    """The pair of loss and miner that a case names; the multi-similarity's numbers where the case has them."""
    made = LOSSES[NAMES[name]](margin)
    numbers = {key: config[key] for key in ("alpha", "beta", "base") if key in config}
    return made._replace(loss=MultiSimilarityLoss(**numbers)) if numbers and name == "MultiSimilarityLoss" else made


@handles("rerankvpr/metric_losses_no_memory")
def without_memory(case: Case) -> None:
    compared = Compared(case)
    for name, row in case.config.items():
        loss, miner = criterion(name.rpartition("_")[0], row["margin"], row)
        leaf, labels = case.input(f"{name}/embeddings").requires_grad_(), case.input(f"{name}/labels")
        mined = None if miner is None else miner(leaf, labels)
        check_mined(compared, name, mined)
        value = loss(leaf, labels, mined)
        value.backward()
        official = case.output(f"{name}/loss")
        if torch.isnan(official):  # the original's mean of nothing; ours is 0
            assert float(value.detach()) == 0
            compared.done.add(f"{name}/loss")
        else:
            compared.check(f"{name}/loss", value)
        compared.check(f"{name}/grad", leaf.grad)
    compared.assert_complete()


def check_mined(compared: Compared, name: str, mined: Indices | None) -> None:
    """As sets: (anchor, positive) and (anchor, negative) pairs, or triplets."""
    if mined is None:
        return
    parts = {4: (("a1", "p"), ("a2", "n")), 3: (("a", "p", "n"),)}[len(mined)]
    lists = iter(mined)
    for part in parts:
        found = tuple(next(lists) for _ in part)
        expected = [compared.case.output(f"{name}/mined_{letter}") for letter in part]
        assert as_set(found) == as_set(expected), f"{name}: {part}"
        assert len(found[0]) == len(expected[0])
        compared.done |= {f"{name}/mined_{letter}" for letter in part}


@handles(
    "rerankvpr/bank_contrastive",
    "rerankvpr/bank_multisimilarity_divisible",
    "rerankvpr/bank_multisimilarity_straddling",
    "rerankvpr/bank_multisimilarity_strong_decay",
    "rerankvpr/bank_multisimilarity_uneven_batches",
    "rerankvpr/bank_nca",
    "rerankvpr/bank_triplet",
)
def with_memory(case: Case) -> None:
    compared, config = Compared(case), case.config
    decaying, plain = MemoryBank(config["mem"]), MemoryBank(config["mem"])
    for row in config["steps_log"]:
        name = f"step{row['step']:02d}"
        if row["reset_before_this_step"]:
            decaying.reset(), plain.reset()
        leaf, labels = case.input(f"{name}/embeddings").requires_grad_(), case.input(f"{name}/labels")
        assert config["reset"] != row["step"] or row["reset_before_this_step"]
        compared.check(f"{name}/loss_without_decay", step(plain, config, leaf.detach(), labels, 0.0).loss)
        found = step(decaying, config, leaf, labels, config["lam"])
        found.loss.backward()
        compared.check(f"{name}/loss", found.loss)
        compared.check(f"{name}/grad", leaf.grad)
        compared.check(f"{name}/weights", found.log_weights.exp())
        check_mined(compared, name, found.indices)
        check_bank(compared, name, decaying, row)
    compared.assert_complete()


def step(bank: MemoryBank, config: dict[str, Any], vectors: Tensor, labels: Tensor, decay: float) -> Remembered:
    loss, miner = criterion(config["loss"], config["margin"], config)
    return memory_loss(bank, loss, miner, vectors, labels, decay=decay, keep_single=True)


def check_bank(compared: Compared, name: str, bank: MemoryBank, row: dict[str, Any]) -> None:
    compared.check(f"{name}/embedding_memory", bank.vectors)
    compared.check(f"{name}/label_memory", bank.labels)
    compared.check(f"{name}/timestamp_memory", bank.stamps)
    assert (bank.position, bank.filled) == (row["write_position_after"], row["filled"])
    assert (bank.used, bank.steps) == (row["entries_used"], row["current_step_after"])
