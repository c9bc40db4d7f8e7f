"""Metric-learning batches larger than the memory: the gradient of the whole batch, the activations of one chunk.

Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup (RepL4NLP 2021). Every chunk is
embedded without keeping activations; once the loss of all embeddings is known, its backward pass embeds chunk after
chunk again and hands each its share. `torch.utils.checkpoint` does just that, so mixed precision, accumulation and data
parallelism work as always.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vprkit.errors import ConfigError

Function = Callable[..., tuple[Tensor, ...]]

_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


def embed_in_chunks(network: nn.Module, batch: Tensor, chunk: int | None) -> Tensor:
    """`network(batch)`, whose backward pass holds activations of one chunk at a time.

    Random numbers (dropout, stochastic depth) are the same in both passes over a chunk. Layers that take statistics of
    the batch would see chunks instead; put them in eval mode.

    Args:
        network: (B, ...) -> (B, D).
        batch: the whole batch.
        chunk: rows per pass; None for all at once, without a second pass.

    Returns:
        (B, D).

    Raises:
        ConfigError: the network has a batch normalisation in training mode, or the chunk is not positive.
    """
    if chunk is not None:
        refuse_statistics(network)
    return in_chunks(lambda part: (network(part),), (batch,), chunk)[0]


def in_chunks(function: Function, batches: Sequence[Tensor], chunk: int | None) -> tuple[Tensor, ...]:
    """`function(*batches)`, whose backward pass holds activations of one chunk at a time; for functions of several
    tensors, or with several results (global and dense features).

    Args:
        function: tensors of B rows each -> tensors of B rows each.
        batches: its arguments, equally long.
        chunk: rows per pass; None for all at once, without a second pass.

    Returns:
        The function's results.

    Raises:
        ConfigError: the chunk is not positive.
    """
    if chunk is None:
        return function(*batches)
    if chunk < 1:
        raise ConfigError(f"the chunk must be at least 1, got {chunk}")
    parts = zip(*(torch.split(batch, chunk) for batch in batches), strict=True)
    results: list[tuple[Tensor, ...]] = [checkpoint(function, *part, use_reentrant=False) for part in parts]
    return tuple(torch.cat(column) for column in zip(*results, strict=True))


def refuse_statistics(network: nn.Module) -> None:
    """Refuse networks whose layers would see chunks instead of the batch.

    Raises:
        ConfigError: there is a batch normalisation in training mode.
    """
    statistics = [name for name, layer in network.named_modules() if isinstance(layer, _BATCH_NORMS) and layer.training]
    if statistics:
        raise ConfigError(
            f"gradient caching needs layers that see rows one by one, but '{statistics[0]}' takes "
            "statistics of the batch; freeze it (eval mode) or train without gradient caching"
        )
