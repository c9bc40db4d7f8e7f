"""Embeddings of all ranks as one batch, with gradients: what metric-learning losses need under data parallelism."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor

from vprkit.errors import ConfigError


def world_size() -> int:
    """Processes that train together; 1 outside a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process among them; 0 outside a process group."""
    return dist.get_rank() if world_size() > 1 else 0


def check_shared(items: int) -> None:
    """Refuse a batch that has not an item for each of the processes, before anything slow.

    Raises:
        ConfigError: it has fewer.
    """
    if items < world_size():
        raise ConfigError(
            f"a batch of {items} cannot be shared among {world_size()} processes; make batches larger (batch, "
            "sampling.places), or give fewer running.devices"
        )


def shareable(batches: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The batches of an epoch that have an item for every process: one without could not take part in gathering.

    Raises:
        ConfigError: there are batches, and none is large enough.
    """
    large = [rows for rows in batches if len(rows) >= world_size()]
    if len(batches) and not large:
        check_shared(max(len(rows) for rows in batches))
    return large


def gather_embeddings(embeddings: Tensor) -> Tensor:
    """Embeddings (or whatever has one row per item) of every rank, in rank order, on every rank; gradients flow back to
    the rank they came from.

    Each rank then computes the loss of the joined batch. The backward pass adds up what all ranks ask of an embedding,
    so with the mean over ranks that DistributedDataParallel takes, the parameters get exactly the gradient that one
    process would give them on the joined batch.

    Args:
        embeddings: (B, ...); B may differ between ranks, the rest may not.

    Returns:
        (sum of B, ...).
    """
    if world_size() == 1:
        return embeddings
    sizes = _sizes(embeddings)
    padded = _padded(embeddings, max(sizes))
    parts: Tensor = _Gather.apply(padded)  # type: ignore[no-untyped-call]
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def gather_labels(labels: Tensor) -> Tensor:
    """(sum of B,) labels of every rank, in the order of `gather_embeddings`; without gradients."""
    if world_size() == 1:
        return labels
    sizes = _sizes(labels)
    padded = _padded(labels, max(sizes))
    parts = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(parts, padded)
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])


def gather_names(mine: Mapping[str, str]) -> dict[str, str]:
    """What all ranks wrote down, name -> why, on every rank."""
    if world_size() == 1:
        return dict(mine)
    everyone: list[Any] = [None] * world_size()
    dist.all_gather_object(everyone, dict(mine))
    return {name: why for part in everyone for name, why in part.items()}


class _Gather(torch.autograd.Function):
    """(B, ...) of every rank as (ranks, B, ...); the backward pass adds up the gradients that all ranks hold."""

    @staticmethod
    def forward(ctx: Any, mine: Tensor) -> Tensor:
        parts = [torch.empty_like(mine) for _ in range(world_size())]
        dist.all_gather(parts, mine)
        return torch.stack(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        total = gradients[0].clone(memory_format=torch.contiguous_format)
        dist.all_reduce(total)
        return total[dist.get_rank()]


def _sizes(tensor: Tensor) -> list[int]:
    mine = torch.tensor([len(tensor)], device=tensor.device)
    sizes = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(sizes, mine)
    return [int(size) for size in sizes]


def _padded(tensor: Tensor, length: int) -> Tensor:
    if len(tensor) == length:
        return tensor.contiguous()
    return torch.cat([tensor, tensor.new_zeros(length - len(tensor), *tensor.shape[1:])])
