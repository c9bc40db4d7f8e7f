"""How BoQ is trained (Ali-bey et al., CVPR 2024): GSV-Cities, 128 places of 4 images, on DINOv2 or ResNet-50."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from vprkit.config import option
from vprkit.data.sampling import PlaceSampling
from vprkit.errors import ConfigError
from vprkit.methods.boq.network import BoQConfig, BoQNetwork
from vprkit.training.augmentation import Augmentation
from vprkit.training.places import PlaceConfig, place_task
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser
from vprkit.training.starting import ConvTrunk, ViTTrunk, dinov2_name


@dataclass(frozen=True)
class BoQRecipe(PlaceConfig):
    """What both recipes share."""

    epochs: int = option(40, "[free] passes over the training set")
    sampling: PlaceSampling = option(factory=partial(PlaceSampling, places=128), help="which images make a batch")
    augmentation: Augmentation = option(
        factory=partial(Augmentation, rand_augment=3, rand_augment_magnitude=15),
        help="how images are changed in training",
    )
    optimiser: Optimiser = option(factory=partial(Optimiser, "adamw", 1e-4, 1e-4), help="how weights follow gradients")
    schedule: Schedule = option(
        factory=partial(Schedule, "multi_step", warmup_epochs=10, milestones=(10, 20), factor=0.1),
        help="how the learning rate changes",
    )


@dataclass(frozen=True)
class BoQDinoRecipe(BoQRecipe):
    """Settings of recipe `boq`."""

    model: BoQConfig = option(factory=BoQConfig, help="the network")
    trunk: ViTTrunk = option(
        factory=partial(ViTTrunk, train_last=2), help="where the DINOv2 starts, and what of it learns"
    )
    image_size: tuple[int, int] = option((224, 224), "(height, width) of training images")
    test_size: tuple[int, int] | None = option((322, 322), "of validation, and of the weights written")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.backbone != "dinov2":
            raise ConfigError(f"recipe boq trains on DINOv2; for {self.model.backbone} use boq-resnet50")

    def start(self, network: BoQNetwork) -> None:
        self.trunk.fill(network.trunk, dinov2_name(self.model.size, self.model.registers))

    def freeze(self, network: BoQNetwork) -> None:
        self.trunk.freeze(network.trunk)


@dataclass(frozen=True)
class BoQResNetRecipe(BoQRecipe):
    """Settings of recipe `boq-resnet50`."""

    model: BoQConfig = option(
        factory=partial(BoQConfig, backbone="resnet50", proj_channels=512, row_dim=32), help="the network"
    )
    trunk: ConvTrunk = option(factory=ConvTrunk, help="where the ResNet starts, and what of it learns")
    test_size: tuple[int, int] | None = option((384, 384), "of validation, and of the weights written")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.backbone == "dinov2":
            raise ConfigError("recipe boq-resnet50 trains on a ResNet; for DINOv2 use boq")

    def start(self, network: BoQNetwork) -> None:
        self.trunk.fill(network.trunk, self.model.backbone)

    def freeze(self, network: BoQNetwork) -> None:
        self.trunk.freeze(network.trunk, self.model.backbone)


def task(settings: BoQRecipe, train: Mapping[str, Any]) -> Any:
    """Metric learning on places."""
    return place_task("boq", settings, train)


def resnet_task(settings: BoQRecipe, train: Mapping[str, Any]) -> Any:
    """The same, with the image sizes that a ResNet takes."""
    return place_task("boq", settings, train, like="boq-resnet50-16384")
