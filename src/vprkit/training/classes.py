"""Classification of map cells: the task that CosPlace and ProGEO's second stage train with (CosPlace, CVPR 2022).

Every epoch trains on the classes of one group, in turns; each group has a classifier of its own, which is forgotten
when training ends.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit import config
from vprkit.config import option
from vprkit.data import images as pictures
from vprkit.data.grouped_images import Group, GroupedImages, class_batches, group_images, training_records
from vprkit.data.groups import CosPlaceGrouping
from vprkit.errors import ConfigError
from vprkit.losses.cosface import CosFace
from vprkit.method import Method, WeightsSource
from vprkit.training.augmentation import Augmentation, batch_transform, photo_transform
from vprkit.training.gathering import gather_embeddings, gather_labels
from vprkit.training.places import sized
from vprkit.training.randomness import generator_for
from vprkit.training.settings import Optimiser, TrainingConfig
from vprkit.training.task import Losses, ParameterGroup, Task
from vprkit.weights.resolving import Choice


@dataclass(frozen=True)
class ClassConfig(TrainingConfig):
    """What recipes of classification have; each adds `model`, the options of its network."""

    image_size: tuple[int, int] = option((512, 512), "(height, width) of training images")
    loaded_size: tuple[int, int] = option((512, 512), "(height, width) that photos are brought to, SF-XL's own; random "
                                          "crops of image_size are cut from that")  # fmt: skip
    test_resize: str = option("", "images in validation, and of the weights written: 512, 480x640, shorter:512 or "
                              "none; empty: the method's own")  # fmt: skip
    grouping: CosPlaceGrouping = option(factory=CosPlaceGrouping, help="how images become classes")
    groups: int = option(8, "groups used, the first ones; epoch e trains on group e mod groups")
    batch: int = option(32, "images of a batch, each of another class")
    images_per_class: int = option(1, "images of each class in a batch; published: 1, which leaves a triplet term "
                                   "without real positives")  # fmt: skip
    iterations: int = option(10000, "batches of an epoch")
    scale: float = option(30.0, "of CosFace")
    margin: float = option(0.4, "of CosFace, on the cosine of the own class")
    classifier_rate: float = option(0.01, "learning rate of the classifiers")
    epochs: int = option(50, "[free] epochs, of one group each")
    augmentation: Augmentation = option(
        factory=partial(Augmentation, brightness=0.7, contrast=0.7, saturation=0.7, hue=0.5, crop_area=0.5),
        help="how images are changed in training",
    )
    optimiser: Optimiser = option(factory=partial(Optimiser, "adam", 1e-5), help="how weights follow gradients")

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.groups, self.batch, self.images_per_class, self.iterations) < 1:
            raise ConfigError("groups, batch, images_per_class and iterations must be at least 1")
        if self.batch % self.images_per_class:
            raise ConfigError(f"batch={self.batch} is no multiple of images_per_class={self.images_per_class}")
        if self.classifier_rate <= 0:
            raise ConfigError(f"classifier_rate must be positive, got {self.classifier_rate}")
        if self.running.chunk is not None:
            raise ConfigError("recipes of classification have no gradient caching; lower batch, or use "
                              "running.accumulate")  # fmt: skip


class Term(Protocol):
    """A loss beside the classification."""

    @property
    def name(self) -> str:
        """What the log calls it."""

    def __call__(self, vectors: Tensor, labels: Tensor, group: int) -> Tensor:
        """(B, D) descriptors, (B,) classes of a group -> a scalar, added as it is."""


class ClassLosses(nn.Module):
    """CosFace of every group, and what a recipe adds.

    Args:
        dim: width of a descriptor.
        classes: of each group.
        scale, margin: of CosFace.
        terms: further losses.
    """

    def __init__(
        self, dim: int, classes: Sequence[int], scale: float, margin: float, terms: Sequence[Term] = ()
    ) -> None:
        super().__init__()
        self.classifiers = nn.ModuleList(CosFace(dim, count, scale, margin) for count in classes)
        self.terms = list(terms)
        self.constants = nn.ModuleList(term for term in terms if isinstance(term, nn.Module))  # follow the device

    def forward(self, vectors: Tensor, labels: Tensor, group: int) -> Losses:
        """(B, D) descriptors and (B,) classes of group `group` -> `loss` and its parts."""
        parts = {"cosface": F.cross_entropy(self.classifiers[group](vectors, labels), labels)}
        parts |= {term.name: term(vectors, labels, group) for term in self.terms}
        return {
            "loss": torch.stack(list(parts.values())).sum(),
            **{name: part.detach() for name, part in parts.items()},
        }

    def parameter_group(self, rate: float, base: float) -> ParameterGroup:
        """The classifiers, at a rate of their own beside the network's `base`.

        One optimiser serves all groups: Adam leaves what got no gradient alone, so every classifier sees only its own
        group's steps, as with an optimiser each.
        """
        return ParameterGroup(list(self.classifiers.parameters()), rate / base)


class ClassBatch(NamedTuple):
    """A rank's share of a batch: (B, C, H, W) images as loaded, (B,) classes of the epoch's group."""

    images: Tensor
    labels: Tensor


class ClassTask(Task):
    """Images into the classes of their cells.

    Args:
        choice: the method that is trained, and its options.
        network: its network, with initial weights.
        images: the training set.
        settings: the recipe's configuration.
        dim: width of a descriptor.
        terms: losses beside the classification.
    """

    def __init__(
        self,
        choice: Choice,
        network: nn.Module,
        images: GroupedImages,
        settings: ClassConfig,
        dim: int,
        terms: Sequence[Term] = (),
    ) -> None:
        super().__init__(network)
        self.choice, self.images, self.settings = choice, images, settings
        self.groups = [images.group(number) for number in range(settings.groups)]
        # A crop is part of the photo as it was taken; one of a photo that is shrunk already would be enlarged.
        loaded = settings.loaded_size if settings.augmentation.crop_area < 1 else settings.image_size
        self.preprocessing = dataclasses.replace(sized(choice.preprocessing, loaded), engine="pil")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            counts = [len(group.classes) for group in self.groups]
            self.losses = ClassLosses(dim, counts, settings.scale, settings.margin, terms)
        self.change_photo = photo_transform(settings.augmentation)
        self.change_batch = batch_transform(settings.augmentation, settings.image_size)
        self.number = 0
        for group in self.groups:  # refuses now what an epoch would refuse later
            class_batches(group, 0, settings.batch // settings.images_per_class, 1, generator_for(0))

    @property
    def group(self) -> Group:
        """The classes of the epoch under way."""
        return self.groups[self.number]

    def start_epoch(self, epoch: int, device: torch.device) -> None:
        self.number = epoch % len(self.groups)

    def batches(self, epoch: int) -> Sequence[np.ndarray]:
        settings = self.settings
        classes = settings.batch // settings.images_per_class
        group = self.groups[epoch % len(self.groups)]
        draws = generator_for(settings.seed, epoch)
        return class_batches(group, settings.iterations, classes, settings.images_per_class, draws)

    def read(self, row: int, generator: np.random.Generator) -> Tensor:
        change, path = self.change_photo, self.images.records.path(row)
        if change is None:
            return pictures.load(path, self.preprocessing)
        return pictures.load(path, self.preprocessing, transform=lambda picture: change(picture, generator))

    def collate(self, rows: np.ndarray, images: Sequence[Tensor | None]) -> ClassBatch:
        classes = np.flatnonzero(self.images.grouped.group_of_class == self.number)
        labels = np.searchsorted(classes, self.images.grouped.labels[rows.ravel()])
        kept = [(image, int(label)) for image, label in zip(images, labels, strict=True) if image is not None]
        if not kept:
            raise ConfigError("a batch has no readable image left; `vpr data check` lists what cannot be read")
        return ClassBatch(torch.stack([image for image, _ in kept]), torch.tensor([label for _, label in kept]))

    def forward(self, batch: ClassBatch) -> Losses:
        vectors = self.network(self._prepared(batch.images))
        with torch.autocast(vectors.device.type, enabled=False):
            losses: Losses = self.losses(gather_embeddings(vectors.float()), gather_labels(batch.labels), self.number)
            return losses

    def parameter_groups(self) -> list[ParameterGroup]:
        learning = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        own = self.losses.parameter_group(self.settings.classifier_rate, self.settings.optimiser.rate)
        return [ParameterGroup(learning), own]

    def fingerprint(self) -> str:
        return self.images.fingerprint()

    def method(self, device: torch.device, precision: str, epoch: int) -> Method:
        resize, own = self.settings.test_resize, self.choice.preprocessing
        return Method(
            self.network,
            own.resized(resize) if resize else own,
            name=self.choice.name,
            metric=self.choice.metric,
            configuration=config.to_dict(self.choice.configuration),
            weights=WeightsSource(f"in training, after {epoch} epochs", ""),
            device=device,
            precision=precision,
        )

    def _prepared(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            if self.change_batch is None:
                return pictures.finish(images, self.preprocessing)
            return pictures.normalise(self.change_batch(pictures.unit(images)), self.preprocessing)


def open_images(train: Mapping[str, Any], settings: Any) -> GroupedImages:
    """The training set of a recipe with `grouping`: a folder, or `GroupedImages`.

    Raises:
        ConfigError: several sets: classes are cells of one map.
        DataError: it holds no images with positions.
    """
    if len(train) != 1:
        raise ConfigError(f"this recipe trains on one set, got {', '.join(train)}")
    source = next(iter(train.values()))
    if isinstance(source, GroupedImages):
        return source
    return group_images(training_records(Path(source), settings.grouping), settings.grouping)
