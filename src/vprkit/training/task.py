"""What the engine trains: the contract that a recipe's network, batches and loss meet."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vprkit.loading import save_method
from vprkit.method import Method

Losses = Mapping[str, Tensor]
"""`loss` (scalar, with gradient) and whatever else the log should show (scalars)."""


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share settings of the optimiser.

    Attributes:
        parameters: the parameters.
        rate: factor on the recipe's learning rate, whatever its schedule makes of it.
        weight_decay: instead of the recipe's, and constant; None for that.
    """

    parameters: Sequence[nn.Parameter]
    rate: float = 1.0
    weight_decay: float | None = None


class Task(nn.Module, ABC):
    """What a recipe trains. Its buffers and parameters, and nothing else, are saved and restored.

    Args:
        network: what is deployed: its tensors are what weights files hold.

    Attributes:
        reads_images: whether batches need images read one by one; a task that has its data in memory says no.
        broken: unreadable images that were left out or replaced: name -> why.
    """

    reads_images = True

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.broken: dict[str, str] = {}

    @abstractmethod
    def batches(self, epoch: int) -> Sequence[np.ndarray]:
        """Image rows of every batch of an epoch, (items, ...) each: a function of the epoch, the same on every rank.

        Ranks share a batch by items; what belongs together (the images of a place, a pair) is one item. The engine
        leaves out batches that have fewer items than there are ranks.
        """

    def read(self, row: int, generator: np.random.Generator) -> Any:
        """One image (a tensor, or what else `collate` takes), decoded in a thread; `generator` is keyed by seed, epoch,
        batch and position. A task that `reads_images` has it.

        Raises:
            ImageError: it cannot be read.
        """
        raise NotImplementedError(f"{type(self).__name__} reads no images one by one")

    def replacement(self, row: int, generator: np.random.Generator) -> int | None:
        """Another row that may stand for one that cannot be read; None where it is left out instead."""
        return None

    @abstractmethod
    def collate(self, rows: np.ndarray, images: Sequence[Any]) -> Any:
        """A batch on the CPU (a NamedTuple of tensors) from this rank's rows and their images, in flat order.

        None stands for an image that could not be read and was skipped. Where nothing is read there are no images.
        """

    @abstractmethod
    def forward(self, batch: Any) -> Losses:
        """The losses of a batch on the device; draws come from torch's global generator."""

    @abstractmethod
    def method(self, device: torch.device, precision: str, epoch: int) -> Method:
        """The network as it is deployed, sharing its tensors: what validation measures and weights files hold."""

    def write(self, path: Path, method: Callable[[], Method], notes: Mapping[str, Any]) -> None:
        """Write what training has reached over what is at `path`: the deployed method's weights, unless a task trains
        something else."""
        save_method(method(), path, overwrite=True, notes=notes)

    def rate(self, epoch: int, base: float) -> float | None:
        """The learning rate in an epoch where the task's own calendar decides it; None: the recipe's schedule does.

        `base` is the recipe's rate; groups multiply what comes of it.
        """
        return None

    def fingerprint(self) -> str:
        """A hash of the training data, in order; a run only goes on with the same."""
        return ""

    def brought(self) -> Mapping[str, str]:
        """Hashes of what a run needs beside its training set and does not save, by name (frozen weights); a run goes on
        with the same only."""
        return {}

    def start_epoch(self, epoch: int, device: torch.device) -> None:
        """Prepare for an epoch, before `batches` is asked (mining, caches, thresholds)."""

    def end_epoch(self) -> None:
        """Let go of what an epoch alone needs, after its last batch and before the state is saved."""

    def saves(self, epoch: int) -> bool:
        """Whether last weights and state are written after so many epochs; after the last one they always are."""
        return True

    def take_records(self) -> list[Mapping[str, Any]]:
        """Further lines for the log (what JSON can hold) since the last call; asked after every optimiser step."""
        return []

    def start_training(self) -> None:
        """Bring every layer into its mode for training; parts that stay frozen go back to eval here."""
        self.train()

    def parameter_groups(self) -> list[ParameterGroup]:
        """What the optimiser gets; by default all that has a gradient, with one setting."""
        return [ParameterGroup([parameter for parameter in self.parameters() if parameter.requires_grad])]
