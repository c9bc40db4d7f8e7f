"""SelaVPR's rounds: mine with the network as it is, then learn from what was drawn, once, in that order."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vprkit import config
from vprkit import device as devices
from vprkit.data import images as pictures
from vprkit.data.triplets import TripletSet
from vprkit.errors import ConfigError
from vprkit.method import Method, WeightsSource
from vprkit.methods.selavpr.triplets import collate_triplets, triplet_losses
from vprkit.preprocessing import Preprocessing
from vprkit.training.augmentation import batch_transform, photo_transform
from vprkit.training.describing import describe_numbers, streaming_of
from vprkit.training.mining import MININGS
from vprkit.training.randomness import generator_for
from vprkit.training.task import Losses, Task
from vprkit.weights.resolving import Choice

if TYPE_CHECKING:
    from vprkit.methods.selavpr.recipe import SelaVPRRecipe

_MINING = 1_000_003
"""Keeps the draws of mining apart from those of images."""


class TripletBatch(NamedTuple):
    """(B * (2 + K), C, H, W) images, item by item: query, positive, negatives; (B,) zeros that count the items."""

    images: Tensor
    items: Tensor


class SelaVPRTask(Task):
    """Global and local triplet loss.

    Args:
        choice: the method and its options.
        network: with initial weights; what is frozen is frozen.
        places: what triplets are drawn from.
        settings: of the recipe.
    """

    def __init__(self, choice: Choice, network: nn.Module, places: TripletSet, settings: "SelaVPRRecipe") -> None:
        super().__init__(network)
        self.choice, self.places, self.settings = choice, places, settings
        height, width = settings.image_size
        self.tested: Preprocessing = choice.preprocessing.resized(f"{height}x{width}")
        if height % self.tested.multiple or width % self.tested.multiple:
            raise ConfigError(f"image_size must be multiples of {self.tested.multiple}, got {height}x{width}")
        # Published training resizes 8-bit pictures, published tests float tensors.
        self.trained = dataclasses.replace(self.tested, engine="pil")
        self.mining = MININGS[settings.mining](places, settings.negatives, settings.samples)
        self.change_photo = photo_transform(settings.augmentation)
        self.change_batch = batch_transform(settings.augmentation)
        self.mined_for = -1
        self.triplets = np.zeros((0, 2 + settings.negatives), np.int64)

    def fingerprint(self) -> str:
        return "-".join(records.list_hash() for records in (self.places.database, self.places.queries))

    def start_epoch(self, epoch: int, device: torch.device) -> None:
        """Mine, unless a run that goes on inside this round has brought what was mined."""
        if epoch == self.mined_for:
            return
        self.network.eval()
        method = self.method(device, devices.resolve_precision(self.settings.running.precision, device), epoch)

        def describe(numbers: np.ndarray) -> np.ndarray:
            streaming = streaming_of(self.settings)
            return describe_numbers(method, self.network, self._path, numbers, streaming, self.broken)

        chooser = generator_for(self.settings.seed, epoch, _MINING)
        self.triplets = self.mining.round(self.settings.queries, chooser, describe)
        self.mined_for = epoch

    def batches(self, epoch: int) -> Sequence[np.ndarray]:
        rows = self.triplets.copy()
        rows[:, 0] += len(self.places.database)
        whole = len(rows) // self.settings.batch * self.settings.batch
        return list(rows[:whole].reshape(-1, self.settings.batch, rows.shape[1]))

    def read(self, row: int, generator: np.random.Generator) -> Tensor:
        change = self.change_photo if row >= len(self.places.database) else None
        transform = None if change is None else (lambda picture: change(picture, generator))
        return pictures.load(self._path(row), self.trained, transform=transform)

    def collate(self, rows: np.ndarray, images: Sequence[Tensor | None]) -> TripletBatch:
        each = rows.shape[1]
        items = [images[start : start + each] for start in range(0, len(images), each)]
        whole = [image for item in items if all(part is not None for part in item) for image in item]
        if not whole:
            raise ConfigError("a batch has no triplet whose images can all be read; run `vpr data check`")
        return TripletBatch(
            torch.stack([image for image in whole if image is not None]), torch.zeros(len(whole) // each)
        )

    def forward(self, batch: TripletBatch) -> Losses:
        features = self.network(self._prepared(batch))
        triplets = collate_triplets(len(batch.items), self.settings.negatives).to(batch.images.device)
        with torch.autocast(batch.images.device.type, enabled=False):
            exact = features.map(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)
            return triplet_losses(exact, triplets, self.settings.margin)

    def method(self, device: torch.device, precision: str, epoch: int) -> Method:
        return Method(
            self.network,
            self.tested,
            name=self.choice.name,
            metric=self.choice.metric,
            configuration=config.to_dict(self.choice.configuration),
            weights=WeightsSource(f"in training, after {epoch} rounds", ""),
            device=device,
            precision=precision,
            reranker=self.choice.reranker(),
        )

    def get_extra_state(self) -> dict[str, Any]:
        """What was mined: a run that goes on inside a round cannot mine it again, the network has moved."""
        remembered = getattr(self.mining, "remembered", {})
        return {
            "mined_for": self.mined_for,
            "triplets": torch.from_numpy(self.triplets),
            "remembered": {query: torch.from_numpy(numbers) for query, numbers in remembered.items()},
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        self.mined_for, self.triplets = int(state["mined_for"]), state["triplets"].numpy()
        if state["remembered"]:
            self.mining.remembered = {query: numbers.numpy() for query, numbers in state["remembered"].items()}  # type: ignore[attr-defined]

    def _path(self, number: int) -> Any:
        records, row = self.places.image(number)
        return records.path(row)

    def _prepared(self, batch: TripletBatch) -> Tensor:
        """Normalised, queries augmented, in float32."""
        with torch.autocast(batch.images.device.type, enabled=False):
            unit = pictures.unit(batch.images)
            if self.change_batch is not None:
                queries = slice(None, None, 2 + self.settings.negatives)
                unit[queries] = self.change_batch(unit[queries])
            return pictures.normalise(unit, self.trained)
