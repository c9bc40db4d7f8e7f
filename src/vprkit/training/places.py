"""Metric learning on places: the task that MixVPR, ConvAP, SALAD, BoQ and most of the field train with.

Batches of P places with K images each; a miner picks hard pairs among all of them, a loss pulls images of one place
together and pushes others apart (Ali-bey et al., GSV-Cities, Neurocomputing 2022).
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vprkit import config
from vprkit.config import option
from vprkit.data import images as pictures
from vprkit.data.places import Places, join_places, open_places
from vprkit.data.sampling import PlaceSampler, PlaceSampling
from vprkit.errors import ConfigError
from vprkit.method import Method, WeightsSource
from vprkit.preprocessing import Preprocessing
from vprkit.registry import find_declaration
from vprkit.training.augmentation import Augmentation, batch_transform, photo_transform
from vprkit.training.describing import vectors_alone
from vprkit.training.gathering import gather_embeddings, gather_labels
from vprkit.training.gradient_cache import embed_in_chunks
from vprkit.training.kept_images import KeptImages
from vprkit.training.losses import Criterion, make_loss, make_miner
from vprkit.training.memory import MemorySettings, Remembering
from vprkit.training.settings import TrainingConfig
from vprkit.training.starting import start_network
from vprkit.training.task import Losses, Task
from vprkit.weights.resolving import Choice, choose_by_name


@dataclass(frozen=True)
class PlaceConfig(TrainingConfig):
    """What recipes of metric learning on places have; each adds `model`, the options of its network."""

    image_size: tuple[int, int] = option((320, 320), "(height, width) of training images")
    test_size: tuple[int, int] | None = option(None, "of validation, and of the weights written; none: as image_size")
    cities: tuple[str, ...] | None = option(None, "only these cities of the training sets; none: all")
    min_images: int = option(4, "places with fewer images are left out")
    sampling: PlaceSampling = option(factory=PlaceSampling, help="which images make a batch")
    keep_gb: float = option(
        0.0,
        "[free] memory for decoded images, in GB: they are decoded once while there is room (not with rand_augment)",
    )
    augmentation: Augmentation = option(factory=Augmentation, help="how images are changed in training")
    loss: str = option("multi_similarity", "what is minimised")
    miner: str = option("multi_similarity", "which pairs it sees; none: all")
    memory: MemorySettings = option(factory=MemorySettings, help="earlier batches as further negatives")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep_gb < 0:
            raise ConfigError(f"keep_gb must be at least 0 (keep none), got {self.keep_gb}")
        if self.min_images < self.sampling.images:
            raise ConfigError(
                f"min_images is {self.min_images}, but a batch takes sampling.images={self.sampling.images} of a place"
            )

        self.memory.check(self.sampling.places * self.sampling.images)

    def criterion(self) -> Criterion:
        """The loss, and the miner that chooses what it sees."""
        return Criterion(make_loss(self.loss), make_miner(self.miner))

    def start(self, network: Any) -> None:
        """Give a new network's parts their initial weights (not called where `initial` brings all)."""

    def freeze(self, network: Any) -> None:
        """Stop the parts that do not learn."""


class PlaceBatch(NamedTuple):
    """A rank's share of a batch: (B, C, H, W) images as loaded, (B,) labels of their places."""

    images: Tensor
    labels: Tensor


class PlaceTask(Task):
    """Images of a place together, others apart.

    Args:
        choice: the method that is trained, and its options.
        network: its network, with initial weights.
        places: the training set.
        settings: the recipe's configuration.
    """

    def __init__(self, choice: Choice, network: nn.Module, places: Places, settings: PlaceConfig) -> None:
        super().__init__(network)
        self.choice, self.places, self.settings = choice, places, settings
        # 8-bit pictures, whatever the method's own resize: what augmentation works on, and a quarter of the bytes.
        self.preprocessing = dataclasses.replace(sized(choice.preprocessing, settings.image_size), engine="pil")
        self.sampler = PlaceSampler(places, dataclasses.replace(settings.sampling, seed=_seed(settings)))
        self.loss, self.miner = settings.criterion()
        self.memory = Remembering(settings.memory) if settings.memory.size else None
        self.kept = KeptImages(settings.keep_gb)
        self.change_photo = photo_transform(settings.augmentation)
        self.change_batch = batch_transform(settings.augmentation)
        settings.freeze(network)

    def start_epoch(self, epoch: int, device: torch.device) -> None:
        if self.memory is not None:
            self.memory.start_epoch(epoch)

    def end_epoch(self) -> None:
        if self.memory is not None:
            self.memory.end_epoch()

    def take_records(self) -> list[Mapping[str, Any]]:
        return [] if self.memory is None else self.memory.take_records()

    def batches(self, epoch: int) -> Sequence[np.ndarray]:
        return list(self.sampler.epoch(epoch))

    def read(self, row: int, generator: np.random.Generator) -> Any:
        change = self.change_photo
        if change is None:
            return self.kept.get(row, lambda: self._loaded(row))
        # Another picture each time, so there is nothing to keep.
        return self._loaded(row, lambda picture: change(picture, generator))

    def _loaded(self, row: int, transform: pictures.PictureTransform | None = None) -> Tensor:
        photo = self.places.photo(row)
        name = "" if isinstance(photo, (str, Path)) else f"image {row} of {self.places.name}"
        return pictures.load(photo, self.preprocessing, name, transform)

    def collate(self, rows: np.ndarray, images: Sequence[Tensor | None]) -> PlaceBatch:
        labels = self.places.labels[rows.ravel()]
        kept = [(image, label) for image, label in zip(images, labels, strict=True) if image is not None]
        if not kept:
            raise ConfigError("a batch has no readable image left; `vpr data check` lists what cannot be read")
        return PlaceBatch(torch.stack([image for image, _ in kept]), torch.tensor([int(label) for _, label in kept]))

    def forward(self, batch: PlaceBatch) -> Losses:
        network = vectors_alone(self.network)
        embeddings = embed_in_chunks(network, self._prepared(batch.images), self.settings.running.chunk)
        with torch.autocast(embeddings.device.type, enabled=False):
            return self._losses(gather_embeddings(embeddings.float()), gather_labels(batch.labels))

    def _losses(self, vectors: Tensor, labels: Tensor) -> Losses:
        """Of the batch of all ranks."""
        criterion = Criterion(self.loss, self.miner)
        if self.memory is not None and self.memory.active:
            return self.memory(criterion, vectors, labels)  # type: ignore[no-any-return]
        mined = None if self.miner is None else self.miner(vectors, labels)
        losses = {"loss": self.loss(vectors, labels, mined)}
        if mined is not None:
            losses["mined"] = torch.tensor(float(torch.unique(mined[0]).numel() / len(labels)))
        if self.memory is not None:
            self.memory.try_out(criterion, vectors, labels)
        return losses

    def fingerprint(self) -> str:
        return self.places.fingerprint()

    def deployed(self) -> nn.Module:
        """The network as users run it: the one that learns, unless training adds parts of its own."""
        return self.network

    def method(self, device: torch.device, precision: str, epoch: int) -> Method:
        return Method(
            self.deployed(),
            self.deployed_preprocessing(),
            name=self.choice.name,
            metric=self.choice.metric,
            configuration=config.to_dict(self.choice.configuration),
            weights=WeightsSource(f"in training, after {epoch} epochs", ""),
            device=device,
            precision=precision,
            reranker=self.choice.reranker(),
        )

    def deployed_preprocessing(self) -> Preprocessing:
        """The method's own, for the size of validation."""
        return sized(self.choice.preprocessing, self.settings.test_size or self.settings.image_size)

    def _prepared(self, images: Tensor) -> Tensor:
        """Augmented and normalised, in float32 whatever the precision of the network."""
        with torch.autocast(images.device.type, enabled=False):
            if self.change_batch is None:
                return pictures.finish(images, self.preprocessing)
            return pictures.normalise(self.change_batch(pictures.unit(images)), self.preprocessing)


def place_task(method: str, settings: Any, train: Mapping[str, Any], like: str | None = None) -> PlaceTask:
    """The task of a recipe of metric learning on places.

    Args:
        method: what is trained; `settings.model` holds its options.
        settings: the recipe's configuration.
        train: training sets by name: folders, or `Places` objects.
        like: the variant whose preprocessing is taken, where it is not the method's.
    """
    choice = choose_by_name(method, config.to_dict(settings.model))
    if like is not None:
        choice = dataclasses.replace(choice, preprocessing=find_declaration(like).preprocessing)
    places = open_training_places(train, settings)
    network = start_network(choice, settings.initial, settings.seed)
    if settings.initial is None:
        settings.start(network)
    return PlaceTask(choice, network, places, settings)


def check_size(image_size: tuple[int, int], model_size: tuple[int, int]) -> None:
    """Refuse images of another size than the network has positions for.

    Raises:
        ConfigError: they differ.
    """
    if tuple(image_size) != tuple(model_size):
        raise ConfigError(
            f"image_size is {tuple(image_size)}, the model's is {tuple(model_size)}; positions are weights of this "
            "network, so give both the same"
        )


def open_training_places(train: Mapping[str, Any], settings: PlaceConfig) -> Places:
    """The training sets of a run, folders or `Places`, as one.

    Raises:
        DataError: a folder cannot be opened.
    """
    return join_places([_opened(source, settings) for source in train.values()])


def _opened(source: Any, settings: PlaceConfig) -> Places:
    if not isinstance(source, Path):
        places: Places = source
        return places
    return open_places(source, min_images=settings.min_images, groups=settings.cities)


def sized(preprocessing: Preprocessing, size: tuple[int, int]) -> Preprocessing:
    """The same for images of exactly this size.

    Raises:
        ConfigError: the method needs sides that are multiples of something else.
    """
    if any(side % preprocessing.multiple for side in size):
        raise ConfigError(f"images of {size[0]}x{size[1]} were asked for, both must be multiples of "
                          f"{preprocessing.multiple}")  # fmt: skip
    return preprocessing.resized(f"{size[0]}x{size[1]}")


def _seed(settings: PlaceConfig) -> int:
    """The draws of places follow the recipe's seed unless the sampling has one of its own."""
    return settings.sampling.seed or settings.seed
