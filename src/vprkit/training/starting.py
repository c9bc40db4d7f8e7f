"""Where training starts: a network's initial weights, and which parts of its trunk learn."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vprkit import config
from vprkit.backbones.trunk import Trunk
from vprkit.backbones.trunk_names import EFFICIENTNETS, RESNETS
from vprkit.backbones.vit import ViT
from vprkit.config import option
from vprkit.errors import ConfigError, NotAvailable, WeightsError
from vprkit.loading import load_method
from vprkit.registry import Released
from vprkit.weights.fetching import find, how_to_get
from vprkit.weights.fitting import fit
from vprkit.weights.reading import read, sha256_of
from vprkit.weights.resolving import Choice, choose_for_file
from vprkit.weights.runs import weights_of

PRETRAINED = "pretrained"
RANDOM = "random"

_TORCHVISION = {
    name: Released(f"{name}-{digits}.pth", f"https://download.pytorch.org/models/{name}-{digits}.pth", "BSD-3-Clause")
    for name, digits in {
        "resnet18": "f37072fd",
        "resnet34": "b627a593",
        "resnet50": "0676ba61",
        "resnet101": "63fe2227",
        "resnet152": "394f9c45",
        "vgg16": "397923af",
    }.items()
}
"""ImageNet files that the field's programs start from; the name ends in the first digits of the file's SHA-256."""


_STILL: dict[str, int] = {**dict.fromkeys(RESNETS, 6), "vgg16": 24, **dict.fromkeys(EFFICIENTNETS, 5)}
"""Architecture -> first layers that CosPlace's and EigenPlaces' programs leave as they are."""


@dataclass(frozen=True)
class ConvTrunk:
    """Start of a ResNet, VGG-16 or EfficientNet, and how much of it learns."""

    weights: str = option(
        PRETRAINED, "pretrained: torchvision's ImageNet file in the weights folder; random; or a file"
    )
    frozen_layers: int | None = option(
        6,
        "layers from the input that do not learn; none: as CosPlace has it, 6 of a ResNet (up to layer2), 24 of "
        "VGG-16, 5 of an EfficientNet",
    )
    frozen_statistics: bool = option(
        True, "BatchNorms of frozen layers keep their statistics; the published programs let them drift (false)"
    )

    def fill(self, trunk: Trunk, name: str) -> None:
        """Give the trunk of architecture `name` its initial weights."""
        if self.weights == RANDOM:
            return
        path = _pretrained(name) if self.weights == PRETRAINED else find(self.weights)
        state = read(path).state
        names = set(trunk.state_dict())
        layers = {kept.partition(".")[0] for kept in names}
        # What follows the trunk in a classifier is left out; all else must fit.
        bare = {key.removeprefix("features."): tensor for key, tensor in state.items()}  # VGG-16
        kept = {key: tensor for key, tensor in bare.items() if key in names or key.partition(".")[0] in layers}
        fit(trunk, kept, source=f"{path} does not fit the trunk {name}")

    def freeze(self, trunk: Trunk, name: str) -> None:
        """Stop the first layers of the trunk of architecture `name` from learning."""
        layers = _STILL[name] if self.frozen_layers is None else self.frozen_layers
        if layers > len(trunk):
            raise ConfigError(f"trunk.frozen_layers is {layers}, the trunk has {len(trunk)} layers")
        trunk.freeze(layers, statistics=self.frozen_statistics)


@dataclass(frozen=True)
class ViTTrunk:
    """Start of a DINOv2."""

    weights: str = option(PRETRAINED, "pretrained: DINOv2's file in the weights folder; random; or a file")
    train_last: int | None = option(4, "blocks at the end that learn, with what follows them; none: everything")
    train_norm: bool = option(
        True, "the final LayerNorm is part of what follows them; false: it stays, as in RerankVPR's dinov2_finetune"
    )

    def fill(self, trunk: ViT, name: str) -> None:
        if self.weights == RANDOM:
            return
        names = set(trunk.state_dict())
        unused = ("mask_token", "norm.weight", "norm.bias")  # networks that never use these may leave them out
        found = dinov2_state(self.weights, name)
        state = {key: value for key, value in found.items() if key in names or key not in unused}
        fit(trunk, state, source=f"{self.weights} does not fit the trunk {name}")

    def freeze(self, trunk: ViT) -> None:
        trunk.train_last = self.train_last
        if self.train_last is None:
            return
        last = len(trunk.blocks) - self.train_last
        if last < 0:
            raise ConfigError(f"trunk.train_last is {self.train_last}, the trunk has {len(trunk.blocks)} blocks")
        for parameter in trunk.parameters():
            parameter.requires_grad_(False)
        for part in (*trunk.blocks[last:], *([trunk.norm] if self.train_norm else [])):
            part.requires_grad_(True)


def start_network(choice: Choice, initial: str | None, seed: int) -> nn.Module:
    """A network with the weights that training starts from.

    Args:
        choice: the method and its options.
        initial: a weights file, the folder of an earlier run (its best weights), or None for initial values.
        seed: of those.

    Raises:
        ConfigError: the file's options differ from the recipe's.
        WeightsError: the file does not fit.
        NotAvailable: it is not there.
    """
    if initial is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return choice.build()
    checkpoint = read(weights_of(initial))
    options = config.to_dict(choice.configuration)
    return choose_for_file(checkpoint, choice.declaration.name, options).fill(checkpoint)


def dinov2_state(weights: str, name: str) -> dict[str, Tensor]:
    """The tensors of a DINOv2 by name.

    Args:
        weights: `pretrained` for the released file of `name` in the weights folder, or a file.
        name: the method that stands for the size.
    """
    found = load_method(name, device="cpu") if weights == PRETRAINED else load_method(None, weights, device="cpu")
    return dict(found.network.get_submodule("backbone").state_dict())


def dinov2_name(size: str, registers: int) -> str:
    """The name of the method whose files start a DINOv2 of this size."""
    return f"dinov2-vit{size.lower()}14" + (f"-reg{registers}" if registers else "")


def _pretrained(name: str) -> Path:
    """torchvision's file of an architecture, checked against the digits in its name."""
    if name not in _TORCHVISION:
        raise NotAvailable(f"no ImageNet file of {name} is known; give trunk.weights=FILE or trunk.weights=random")
    released = _TORCHVISION[name]
    try:
        path = find(released.file)
    except NotAvailable as error:
        way = f"{how_to_get(released)}; or give trunk.weights=FILE or trunk.weights=random"
        raise NotAvailable(f"the ImageNet weights of {name} are not here. {way}") from error
    digits = path.stem.rpartition("-")[2]
    if not sha256_of(path).startswith(digits):
        raise WeightsError(f"{path} is damaged: its SHA-256 does not begin with {digits}; download it again")
    return path
