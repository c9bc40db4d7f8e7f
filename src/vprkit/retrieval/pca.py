"""PCA of global vectors: fewer numbers, fitted once on any photos and applied to every vector of a method."""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vprkit.errors import ConfigError
from vprkit.features import Features
from vprkit.method import Method, Modality, Multimodal, Role, Weighing

ROLES: tuple[Role, ...] = ("query", "database")

MOST = 2**14
"""Vectors that a fit takes at most, drawn at random, as the field's benchmark does."""


@dataclass(frozen=True, eq=False)
class PCA:
    """Centre, then project; no whitening, no normalisation afterwards (Berton et al., CVPR 2022).

    Attributes:
        mean: (D,) float32.
        components: (K, D) float32 rows by falling variance.
    """

    mean: np.ndarray
    components: np.ndarray

    @staticmethod
    def fit(vectors: np.ndarray, dimension: int, seed: int = 0) -> "PCA":
        """The directions of most variance.

        Args:
            vectors: (N, D); at most `MOST` of them are used.
            dimension: K.
            seed: of the draw.

        Raises:
            ConfigError: K is not between 1 and what the vectors span.
        """
        limit = min(vectors.shape)
        if not 1 <= dimension <= limit:
            raise ConfigError(
                f"PCA to {dimension} numbers was asked for, {len(vectors)} vectors of {vectors.shape[1]} "
                f"give 1 to {limit}"
            )
        if len(vectors) > MOST:
            vectors = vectors[np.random.default_rng(seed).permutation(len(vectors))[:MOST]]
        exact = vectors.astype(np.float64)
        mean = exact.mean(0)
        _, _, directions = np.linalg.svd(exact - mean, full_matrices=False)
        # A direction and its opposite are the same; the largest entry is made positive so that fits agree.
        largest = np.abs(directions).argmax(1)
        signs = np.sign(directions[np.arange(len(directions)), largest])
        return PCA(mean.astype(np.float32), (directions * signs[:, None])[:dimension].astype(np.float32))

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """(N, D) to (N, K)."""
        projected: np.ndarray = (vectors - self.mean) @ self.components.T
        return projected

    def fingerprint(self) -> str:
        """A hash of its numbers."""
        return hashlib.sha256(self.mean.tobytes() + self.components.tobytes()).hexdigest()[:16]


class Projection(nn.Module):
    """Features with their global vectors through a PCA; all else stays as it is."""

    def __init__(self, pca: PCA) -> None:
        super().__init__()
        self.register_buffer("mean", torch.from_numpy(pca.mean))
        self.register_buffer("components", torch.from_numpy(pca.components))

    def forward(self, output: Features | Tensor) -> Features:
        features = output if isinstance(output, Features) else Features(output)
        mean, components = self.get_buffer("mean"), self.get_buffer("components")
        return dataclasses.replace(features, global_=(features.global_.float() - mean) @ components.T)


class Projected(nn.Module):
    """A network whose global vectors go through a PCA."""

    def __init__(self, network: nn.Module, pca: PCA) -> None:
        super().__init__()
        self.network, self.projection = network, Projection(pca)

    def forward(self, images: Tensor) -> Features:
        projected: Features = self.projection(self.network(images))
        return projected


class ProjectedBesideTexts(nn.Module):
    """A `Multimodal` network whose global vectors go through a PCA; text vectors and shares stay beside them."""

    def __init__(self, network: Any, pca: PCA) -> None:
        super().__init__()
        self.network, self.projection = network, Projection(pca)

    def forward(self, images: Tensor | None, texts: Sequence[str] | None) -> Features:
        projected: Features = self.projection(self.network(images, texts))
        return projected

    def reads(self, role: Role) -> frozenset[Modality]:
        read: frozenset[Modality] = self.network.reads(role)
        return read

    def index_vectors(self, features: Features, role: Role) -> Tensor:
        vectors: Tensor = self.network.index_vectors(features, role)
        return vectors

    def decides(self, configuration: Mapping[str, Any]) -> Mapping[str, Any]:
        decided: Mapping[str, Any] = self.network.decides(configuration)
        return decided

    @property
    def weighs(self) -> bool:
        return isinstance(self.network, Weighing) and self.network.weighs


def check_pca(method: Method) -> None:
    """Refuse a method of which one projection cannot fit both sides.

    Raises:
        ConfigError: queries are texts and the database is images, or the other way round.
    """
    if method.reads("query") != method.reads("database"):
        asked, held = (" and ".join(sorted(method.reads(role))) for role in ROLES)
        raise ConfigError(f"'{method.name}' asks with {asked} and searches {held}, which one PCA cannot project alike; "
                          "leave it out")  # fmt: skip


def with_pca(method: Method, pca: PCA) -> Method:
    """The method with its vectors projected.

    They are compared by L2, because they are no longer of one length; a method that reads texts compares them as it
    does all others (LaVPR's fusion brings them to length 1 first).

    Raises:
        ConfigError: as of `check_pca`.
    """
    check_pca(method)
    beside_texts = isinstance(method.network, Multimodal)
    return Method(
        (ProjectedBesideTexts if beside_texts else Projected)(method.network, pca),
        method.preprocessing,
        name=method.name,
        metric=method.metric if beside_texts else "l2",
        configuration={**method.configuration, "pca": len(pca.components), "pca_fit": pca.fingerprint()},
        weights=method.weights,
        device=method.device,
        precision=method.precision,
        reranker=method.reranker,
    )
