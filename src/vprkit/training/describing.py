"""Global vectors of some images with the network as it stands: what mining asks for, shared among the ranks."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vprkit.method import Method, Role
from vprkit.retrieval.describe import Streaming, describe_paths
from vprkit.training.gathering import gather_embeddings, rank, world_size
from vprkit.training.settings import TrainingConfig


class GlobalOnly(nn.Module):
    """A network's `describe_global`: no local features are made that nobody keeps."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.network.describe_global(images)
        return vectors


def vectors_alone(network: nn.Module) -> nn.Module:
    """The part of a network that gives (B, D) vectors: all of it, unless it makes local features too."""
    return GlobalOnly(network) if hasattr(network, "describe_global") else network


def streaming_of(settings: TrainingConfig) -> Streaming:
    """How a run reads the images that it describes: in mining, in validation, in its test."""
    return Streaming(settings.validation.batch_size, settings.running.workers, settings.running.on_error)


class Described(NamedTuple):
    """(N, D) float32 vectors, and (N,) bool: which images could be read; vectors of the others are NaN."""

    vectors: np.ndarray
    readable: np.ndarray


def describe_numbers(
    method: Method,
    network: nn.Module,
    path_of: Callable[[int], Path],
    numbers: np.ndarray,
    streaming: Streaming,
    broken: dict[str, str],
) -> np.ndarray:
    """(N, D) float32 global vectors, NaN of images that cannot be read where `streaming` skips these.

    NaN is farther than everything, so such an image is nobody's nearest; a batch that holds it all the same leaves it
    out as any other that cannot be read.

    Args:
        method: device, precision and preprocessing.
        network: has `describe_global`.
        path_of: where an image is.
        numbers: (N,) images.
        streaming: how they are read.
        broken: receives what was skipped, name -> why.

    Raises:
        ImageError: an image cannot be read and `streaming` does not skip it.
    """
    alone = Method(GlobalOnly(network), method.preprocessing, device=method.device, precision=method.precision)
    paths = [path_of(int(number)) for number in numbers]
    return describe_shared(alone, paths, streaming, broken).vectors


def describe_shared(
    method: Method,
    paths: Sequence[Path],
    streaming: Streaming,
    broken: dict[str, str],
    role: Role = "database",
    texts: Sequence[str] | None = None,
) -> Described:
    """Vectors of N images, in order, on every rank; rank r describes images r, r + R, r + 2R, ...

    Args:
        method: what describes.
        paths: (N,) images.
        streaming: how they are read.
        broken: receives what this rank skipped, name -> why.
        role: of the images.
        texts: (N,) of them, for a method that reads texts.
    """
    mine = range(rank(), len(paths), world_size())
    share = [paths[number] for number in mine]
    read = None if texts is None else [texts[number] for number in mine]
    vectors, readable = torch.full((len(share), method.dimension), float("nan")), torch.zeros(len(share), 1)
    for part in describe_paths(method, share, streaming, texts=read, reads=method.reads(role)):
        if part.rows:
            vectors[part.rows], readable[part.rows] = method.index_vectors(part.features, role).float(), 1.0
        broken.update((str(share[row]), why) for row, why in part.skipped)
    vectors, readable = (interleaved(part.to(method.device), len(paths)).cpu() for part in (vectors, readable))
    return Described(vectors.numpy(), readable[:, 0].numpy() > 0)


def interleaved(mine: Tensor, total: int) -> Tensor:
    """(total, D) rows of all ranks in order, where rank r holds rows r, r + R, r + 2R, ..."""
    ranks = world_size()
    if ranks == 1:
        return mine
    with torch.no_grad():
        everyone = gather_embeddings(mine)
    ordered, start = torch.empty_like(everyone), 0
    for number in range(ranks):
        count = len(range(number, total, ranks))
        ordered[number::ranks] = everyone[start : start + count]
        start += count
    return ordered
