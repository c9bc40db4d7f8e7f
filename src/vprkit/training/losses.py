"""Losses and miners of the recipes by name; all compare unit vectors.

Multi-similarity and NCA are ours (`vprkit.losses`), because a memory weighs negatives; the others come from
pytorch-metric-learning (extra `train`).

Settings are those that the GSV-Cities family of programs trains with (MixVPR, ConvAP, LaVPR, OpenVPRLab). A loss or
miner of one's own joins by `register_loss` / `register_miner`, or, from a package, by the entry-point groups
`vprkit.losses` and `vprkit.miners` (value: `module:factory`).
"""

import importlib.metadata
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from vprkit.config import nearest
from vprkit.errors import ConfigError
from vprkit.extras import require
from vprkit.losses.miners import HardTripletMiner, MultiSimilarityMiner
from vprkit.losses.multi_similarity import MultiSimilarityLoss
from vprkit.losses.nca import NCALoss


class Loss(Protocol):
    """A metric-learning loss: (B, D) embeddings, (B,) labels and what a miner chose to a scalar.

    For use with a memory it takes (R, D) `ref_emb` and (R,) `ref_labels` after them: what positives and negatives are.
    """

    def __call__(self, embeddings: Tensor, labels: Tensor, indices_tuple: Any = None) -> Tensor: ...


class Miner(Protocol):
    """Chooses pairs or triplets: (B, D) embeddings and (B,) labels to index tensors.

    For use with a memory it takes references as losses do.
    """

    def __call__(self, embeddings: Tensor, labels: Tensor) -> tuple[Tensor, ...]: ...


class Criterion(NamedTuple):
    """What is minimised, and the pairs or triplets it sees; without a miner all of them."""

    loss: Loss
    miner: Miner | None


def make_loss(name: str, further: Iterable[str] = ()) -> Loss:
    """A loss by name.

    Args:
        name: as registered.
        further: names that a recipe knows besides, for the message about an unknown one.

    Raises:
        ConfigError: unknown; the nearest name is given.
        MissingExtra: pytorch-metric-learning is not installed.
    """
    loss: Loss = _find(LOSSES, name, "loss", "vprkit.losses", further)()
    return loss


def make_miner(name: str, further: Iterable[str] = ()) -> Miner | None:
    """A miner by name; `none` is None. Arguments and errors as of `make_loss`."""
    miner: Miner | None = _find(MINERS, name, "miner", "vprkit.miners", further)()
    return miner


def register_loss(name: str, factory: Callable[[], Loss]) -> None:
    """Make a loss of one's own known to recipes (`loss=NAME`).

    Args:
        name: what recipes call it.
        factory: called without arguments; a class will do. A loss that is an `nn.Module` is saved and restored with the
            run, and its parameters learn.

    Raises:
        ConfigError: the name is taken.
    """
    _register(LOSSES, name, factory, "loss")


def register_miner(name: str, factory: Callable[[], Miner]) -> None:
    """Make a miner of one's own known to recipes (`miner=NAME`).

    Raises:
        ConfigError: the name is taken.
    """
    _register(MINERS, name, factory, "miner")


def _register(table: dict[str, Callable[[], Any]], name: str, factory: Callable[[], Any], what: str) -> None:
    if table.get(name, factory) is not factory:
        raise ConfigError(f"there is a {what} '{name}' already; choose another name")
    table[name] = factory


def _find(
    table: dict[str, Callable[[], Any]], name: str, what: str, group: str, further: Iterable[str]
) -> Callable[[], Any]:
    if name in table:
        return table[name]
    others = {entry.name: entry for entry in importlib.metadata.entry_points(group=group)}
    if name not in others:
        raise ConfigError(f"{what} '{name}' is unknown{nearest(name, [*table, *others, *further])}")
    factory: Callable[[], Any] = others[name].load()
    return factory


def _loss(name: str, distance: str | None = None, **settings: Any) -> Callable[[], Any]:
    return lambda: _made("losses", name, distance, settings)


def _miner(name: str, distance: str | None = None, **settings: Any) -> Callable[[], Any]:
    return lambda: _made("miners", name, distance, settings)


def _made(module: str, name: str, distance: str | None, settings: dict[str, Any]) -> Any:
    if distance is not None:
        settings = {**settings, "distance": getattr(_part("distances"), distance)()}
    return getattr(_part(module), name)(**settings)


def _part(module: str) -> Any:
    return require("train", f"pytorch_metric_learning.{module}")


LOSSES: dict[str, Callable[[], Any]] = {
    "multi_similarity": lambda: MultiSimilarityLoss(alpha=1.0, beta=50.0, base=0.0),
    "supervised_contrastive": _loss("SupConLoss", "CosineSimilarity", temperature=0.07),
    "circle": _loss("CircleLoss", "CosineSimilarity", m=0.4, gamma=80),
    "contrastive": _loss("ContrastiveLoss", "LpDistance", pos_margin=0, neg_margin=1),
    "generalized_lifted": _loss("GeneralizedLiftedStructureLoss", "DotProductSimilarity", neg_margin=0, pos_margin=1),
    "nca": NCALoss,
    "fast_ap": _loss("FastAPLoss", num_bins=30),
    "nt_xent": _loss("NTXentLoss", "CosineSimilarity", temperature=0.07),
    "triplet_margin": _loss("TripletMarginLoss", "LpDistance", margin=0.1, swap=False, triplets_per_anchor="all"),
}
"""Name -> how it is made."""

MINERS: dict[str, Callable[[], Any]] = {
    "none": lambda: None,
    "multi_similarity": MultiSimilarityMiner,
    "hard_triplets": HardTripletMiner,
    "pair_margin": _miner("PairMarginMiner", "DotProductSimilarity", pos_margin=0.7, neg_margin=0.3),
    "triplet_margin": _miner("TripletMarginMiner", "LpDistance", margin=0.1, type_of_triplets="semihard"),
}
"""Name -> how it is made."""
