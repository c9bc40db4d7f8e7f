"""Global vectors of some images with the network as it stands: what mining asks for, shared among the ranks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vprkit.method import Method
from vprkit.retrieval.describe import Streaming, describe_paths
from vprkit.training.gathering import gather_embeddings, world_size


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


def describe_numbers(
    method: Method, network: nn.Module, path_of: Callable[[int], Path], numbers: np.ndarray, batch_size: int
) -> np.ndarray:
    """(N, D) float32 global vectors; rank r describes images r, r + R, r + 2R, ...

    Args:
        method: device, precision and preprocessing.
        network: has `describe_global`.
        path_of: where an image is.
        numbers: (N,) images.
        batch_size: images per forward pass.
    """
    alone = Method(GlobalOnly(network), method.preprocessing, device=method.device, precision=method.precision)
    ranks = world_size()
    rank = torch.distributed.get_rank() if ranks > 1 else 0
    paths = [path_of(int(number)) for number in numbers[rank::ranks]]
    parts = [part.features.global_ for part in describe_paths(alone, paths, Streaming(batch_size))]
    mine = torch.cat(parts) if parts else torch.empty(0, alone.dimension)
    return interleaved(mine.to(method.device), len(numbers)).cpu().numpy()


def interleaved(mine: Tensor, total: int) -> Tensor:
    """(total, D) rows of all ranks in order, where rank r holds rows r, r + R, r + 2R, ..."""
    ranks = world_size()
    if ranks == 1:
        return mine
    with torch.no_grad():
        everyone = gather_embeddings(mine)
    ordered, start = torch.empty_like(everyone), 0
    for rank in range(ranks):
        count = len(range(rank, total, ranks))
        ordered[rank::ranks] = everyone[start : start + count]
        start += count
    return ordered
