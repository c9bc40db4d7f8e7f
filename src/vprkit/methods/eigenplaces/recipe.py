"""How EigenPlaces is trained: cells seen from several sides, cut out of panoramas (Berton et al., ICCV 2023).

Every cell is looked at along and across its street: two focal points per cell, and from each panorama the crop that
faces one of them. Both views have classifiers of their own and are trained in the same step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vprkit import config
from vprkit.aggregators.cosplace_network import CosPlaceConfig
from vprkit.config import option
from vprkit.data import images as pictures
from vprkit.data.decoding import decode
from vprkit.data.focal_points import FRONTAL, LATERAL, focal_points, second_axes
from vprkit.data.grouped_images import GroupedImages, class_batches
from vprkit.data.groups import EIGENPLACES, CosPlaceGrouping, crop_towards
from vprkit.data.panoramas import cut
from vprkit.errors import ConfigError
from vprkit.losses.cosface import CosFace
from vprkit.methods.eigenplaces.starting import CosPlaceStart
from vprkit.training.classes import ClassConfig, ClassTask, open_images
from vprkit.training.gathering import gather_embeddings, gather_labels
from vprkit.training.randomness import generator_for
from vprkit.training.settings import Validation
from vprkit.training.starting import start_network
from vprkit.training.task import Losses, ParameterGroup
from vprkit.weights.resolving import Choice, choose_by_name

VIEWS = (LATERAL, FRONTAL)


@dataclass(frozen=True)
class EigenPlacesRecipe(ClassConfig):
    """Settings of recipe `eigenplaces`."""

    model: CosPlaceConfig = option(factory=partial(CosPlaceConfig, "resnet18", 512), help="the network")
    trunk: CosPlaceStart = option(
        factory=partial(CosPlaceStart, frozen_layers=None, frozen_statistics=False),
        help="where the network starts and what of its trunk learns; frozen_layers=0 for all",
    )
    grouping: CosPlaceGrouping = option(default=EIGENPLACES, help="how panoramas become classes")
    groups: int = option(9, "groups used, the first ones; epoch e trains on group e mod groups")
    focal_distance: float = option(10.0, "metres from a cell's mean to the points that are looked at")
    lateral: float = option(1.0, "weight of the views across the street")
    frontal: float = option(1.0, "weight of the views along it")
    iterations: int = option(5000, "batches of an epoch, of each view")
    epochs: int = option(40, "[free] epochs, of one group each")
    scale: float = option(100.0, "of CosFace")
    validation: Validation = option(factory=partial(Validation, batch_size=16), help="the metric during training")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.focal_distance <= 0 or min(self.lateral, self.frontal) < 0:
            raise ConfigError("focal_distance must be positive, lateral and frontal not negative")


class ViewBatch(NamedTuple):
    """A rank's share: (B, 3, H, W) images and (B,) classes of each view."""

    lateral: Tensor
    lateral_labels: Tensor
    frontal: Tensor
    frontal_labels: Tensor


class EigenPlacesTask(ClassTask):
    """Crops of panoramas into the classes of their cells, two views a step."""

    def __init__(
        self, choice: Choice, network: Any, images: GroupedImages, settings: EigenPlacesRecipe, dim: int
    ) -> None:
        super().__init__(choice, network, images, settings, dim)
        self.weights = (settings.lateral, settings.frontal)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed + 1)
            # Those of the base class serve the lateral views.
            self.frontal = torch.nn.ModuleList(
                CosFace(dim, len(group.classes), settings.scale, settings.margin) for group in self.groups
            )
        self.columns = view_columns(images, settings.focal_distance)

    def batches(self, epoch: int) -> Sequence[np.ndarray]:
        """(classes, images, 2) rows: an image of the lateral view, and one of the frontal view raised by N."""
        settings, count = self.settings, len(self.images.records)
        group = self.groups[epoch % len(self.groups)]
        classes = settings.batch // settings.images_per_class
        lateral, frontal = (
            class_batches(
                group,
                settings.iterations,
                classes,
                settings.images_per_class,
                generator_for(settings.seed, epoch, view),
            )
            for view in range(len(VIEWS))
        )
        return [np.stack([one, other + count], -1) for one, other in zip(lateral, frontal, strict=True)]

    def read(self, row: int, generator: np.random.Generator) -> Tensor:
        view, image = divmod(row, len(self.images.records))
        change, path = self.change_photo, self.images.records.path(image)
        crop = cut(decode(path), int(self.columns[view, image]))
        if change is None:
            return pictures.load(crop, self.preprocessing, name=str(path))
        return pictures.load(crop, self.preprocessing, str(path), lambda picture: change(picture, generator))

    def collate(self, rows: np.ndarray, images: Sequence[Tensor | None]) -> Any:
        count, flat = len(self.images.records), rows.ravel()
        parts = [super(EigenPlacesTask, self).collate(flat[view::2] % count, images[view::2]) for view in range(2)]
        return ViewBatch(*parts[0], *parts[1])

    def forward(self, batch: Any) -> Losses:
        losses: dict[str, Tensor] = {}
        heads = (self.losses.classifiers, self.frontal)
        views = (("lateral", batch.lateral, batch.lateral_labels), ("frontal", batch.frontal, batch.frontal_labels))
        for (name, images, labels), classifiers in zip(views, heads, strict=True):
            # One pass for each view, so that batch statistics are of one view, as published.
            vectors = self.network(self._prepared(images))
            with torch.autocast(vectors.device.type, enabled=False):
                everyone, classes = gather_embeddings(vectors.float()), gather_labels(labels)
                logits = classifiers[self.number](everyone, classes)
                losses[name] = torch.nn.functional.cross_entropy(logits, classes)
        total = sum(weight * loss for weight, loss in zip(self.weights, losses.values(), strict=True))
        return {"loss": torch.as_tensor(total), **{name: loss.detach() for name, loss in losses.items()}}

    def parameter_groups(self) -> list[ParameterGroup]:
        learning, heads = super().parameter_groups()
        both = [*heads.parameters, *self.frontal.parameters()]
        return [learning, ParameterGroup(both, heads.rate)]


def view_columns(images: GroupedImages, distance: float) -> np.ndarray:
    """(2, N) left columns of every panorama's lateral and frontal crop; 0 where its class is not kept.

    Raises:
        DataError: a panorama of a kept class has no heading.
    """
    images.check_headings()
    records, labels = images.records, images.grouped.labels
    axes = second_axes(records.east, records.north, labels, len(images.grouped.classes))
    kept = labels >= 0
    columns = np.zeros((len(VIEWS), len(labels)), np.int64)
    for view, angle in enumerate(VIEWS):
        points = focal_points(axes, distance, angle)[labels[kept]]
        columns[view, kept] = crop_towards(
            records.heading[kept], records.east[kept], records.north[kept], points[:, 0], points[:, 1]
        )
    return columns


def task(settings: EigenPlacesRecipe, train: Mapping[str, Any]) -> EigenPlacesTask:
    """Classification of cells from panoramas with CosPlace's network."""
    images = open_images(train, settings)
    choice = choose_by_name("eigenplaces", config.to_dict(settings.model))
    network: Any = start_network(choice, settings.initial, settings.seed)
    if settings.initial is None:
        settings.trunk.start(network, settings.model.backbone)
    settings.trunk.freeze(network.trunk, settings.model.backbone)
    return EigenPlacesTask(choice, network, images, settings, settings.model.dim)
