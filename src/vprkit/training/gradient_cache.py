"""Metric-learning batches larger than the memory: the gradient of the whole batch from passes over chunks.

Gao et al., Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup (RepL4NLP 2021). The batch is
embedded chunk by chunk without gradients; the loss of all embeddings tells the gradient each embedding should get;
every chunk is embedded again, now with gradients, and handed its share.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vprkit.errors import ConfigError

LossOf = Callable[[Tensor], Tensor]
"""(B, D) embeddings of the whole batch -> scalar loss; labels and mining are its own business."""


def backward_in_chunks(network: nn.Module, batch: Tensor, loss_of: LossOf, chunk: int) -> Tensor:
    """Add the gradient of `loss_of(network(batch))` to the parameters, holding activations of one chunk at a time.

    Random numbers (dropout, stochastic depth) are the same in both passes over a chunk. Layers that take statistics of
    the batch would see chunks instead; put them in eval mode.

    Args:
        network: (B, ...) -> (B, D).
        batch: the whole batch.
        loss_of: the loss of all embeddings.
        chunk: rows per pass.

    Returns:
        The loss, detached.

    Raises:
        ConfigError: the network has a batch normalisation in training mode, or the chunk is not positive.
    """
    if chunk < 1:
        raise ConfigError(f"the chunk must be at least 1, got {chunk}")
    statistics = [name for name, layer in network.named_modules() if isinstance(layer, _BATCH_NORMS) and layer.training]
    if statistics:
        raise ConfigError(
            f"gradient caching needs layers that see rows one by one, but '{statistics[0]}' takes "
            "statistics of the batch; freeze it (eval mode) or train without gradient caching"
        )
    parts = list(torch.split(batch, chunk))
    states = []
    embeddings = []
    with torch.no_grad():
        for part in parts:
            states.append(_RandomState.now(batch.device))
            embeddings.append(network(part))
    leaf = torch.cat(embeddings).requires_grad_()
    loss = loss_of(leaf)
    if loss.requires_grad:
        loss.backward()  # type: ignore[no-untyped-call]
    asked = torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
    for part, state, gradient in zip(parts, states, torch.split(asked, chunk), strict=True):
        with state.replayed():
            again = network(part)
        again.backward(gradient)
    return loss.detach()


_BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)


@dataclass(frozen=True)
class _RandomState:
    """Random states of the CPU and of the batch's device."""

    cpu: Tensor
    device: torch.device
    on_device: Tensor | None

    @staticmethod
    def now(device: torch.device) -> "_RandomState":
        on_device = None if device.type == "cpu" else torch.get_device_module(device).get_rng_state(device)
        return _RandomState(torch.get_rng_state(), device, on_device)

    @contextmanager
    def replayed(self) -> Iterator[None]:
        """Draw as then, and afterwards go on as if nothing had been drawn."""
        devices = [] if self.on_device is None else [self.device]
        with torch.random.fork_rng(devices=devices, device_type=self.device.type if devices else "cpu"):
            torch.set_rng_state(self.cpu)
            if self.on_device is not None:
                torch.get_device_module(self.device).set_rng_state(self.on_device, self.device)
            yield
