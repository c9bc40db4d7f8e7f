"""Late re-ranking by the other modality: the shortlist of one is ordered by the cosines of the other."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vprkit.errors import ConfigError
from vprkit.features import Features
from vprkit.methods.lavpr_fusion.network import LATER, LaVPRConfig
from vprkit.rerank.reranker import Shortlist


@dataclass(frozen=True)
class _Asked:
    vector: Tensor

    def score(self, candidates: Features) -> Tensor:
        return torch.mv(_other(candidates), self.vector)


@dataclass(frozen=True)
class OtherModality:
    """Scores are cosines of the second modality; a query without it leaves the shortlist as it was."""

    def begin(self, query: Features, shortlist: Shortlist) -> _Asked:
        return _Asked(_other(query)[0])


def _other(features: Features) -> Tensor:
    """(B, D) unit vectors of the second modality.

    Raises:
        ConfigError: the mode keeps none.
    """
    if features.local is None:
        raise ConfigError("this mode compares everything at once; re-ranking needs mode=image_then_text or "
                          "mode=text_then_image")  # fmt: skip
    return features.local.tokens[:, 0].float()


def make_reranker(configuration: LaVPRConfig) -> OtherModality | None:
    """The second stage of modes that leave a modality for it; None where everything is compared at once."""
    return OtherModality() if configuration.compared in LATER else None
