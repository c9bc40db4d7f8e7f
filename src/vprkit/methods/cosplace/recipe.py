"""How CosPlace is trained: a classifier of map cells per group (Berton et al., CVPR 2022)."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vprkit import config
from vprkit.aggregators.cosplace_network import CosPlaceConfig
from vprkit.config import option
from vprkit.training.classes import ClassConfig, ClassTask, open_images
from vprkit.training.settings import Validation
from vprkit.training.starting import ConvTrunk, start_network
from vprkit.weights.resolving import choose_by_name


@dataclass(frozen=True)
class CosPlaceRecipe(ClassConfig):
    """Settings of recipe `cosplace`."""

    model: CosPlaceConfig = option(factory=partial(CosPlaceConfig, "resnet18", 512), help="the network")
    trunk: ConvTrunk = option(
        factory=partial(ConvTrunk, frozen_layers=None, frozen_statistics=False),
        help="where the trunk starts and what of it learns; frozen_layers=0 for all",
    )
    validation: Validation = option(factory=partial(Validation, batch_size=16), help="the metric during training")


def task(settings: CosPlaceRecipe, train: Mapping[str, Any]) -> ClassTask:
    """Classification of cells with CosPlace's network."""
    images = open_images(train, settings)
    choice = choose_by_name("cosplace", config.to_dict(settings.model))
    network: Any = start_network(choice, settings.initial, settings.seed)
    if settings.initial is None:
        settings.trunk.fill(network.trunk, settings.model.backbone)
    settings.trunk.freeze(network.trunk, settings.model.backbone)
    return ClassTask(choice, network, images, settings, settings.model.dim)
