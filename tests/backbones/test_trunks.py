"""Convolutional trunks: published sizes, names, truncation, freezing."""

from typing import get_args

import pytest
import torch
from torch import nn

from vprkit.backbones.efficientnet import MBConv, efficientnet_trunk
from vprkit.backbones.patch_grid import to_patch_grid
from vprkit.backbones.resnet import resnet_trunk
from vprkit.backbones.trunk import Trunk
from vprkit.backbones.trunk_names import (
    EFFICIENTNETS,
    RESNETS,
    VGG16,
    EfficientNetName,
    ResNetConfig,
    ResNetName,
    count_numbers,
    read_efficientnet,
    read_resnet,
    read_vgg,
    resnet,
    resnet_name,
)
from vprkit.backbones.vgg import vgg_channels, vgg_trunk
from vprkit.errors import ConfigError
from vprkit.weights import on_meta


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {f"backbone.{name}": tuple(tensor.shape) for name, tensor in network.state_dict().items()}


RESNET_PARAMETERS = {  # published totals less the 1000-class layer
    "resnet18": 11_689_512 - 513_000,
    "resnet34": 21_797_672 - 513_000,
    "resnet50": 25_557_032 - 2_049_000,
    "resnet101": 44_549_160 - 2_049_000,
    "resnet152": 60_192_808 - 2_049_000,
}
EFFICIENTNET_PARAMETERS = [
    5_288_548, 7_794_184, 9_109_994, 12_233_232, 19_341_616, 30_389_784, 43_040_704, 66_347_960,
]  # fmt: skip


@pytest.mark.parametrize("name", get_args(ResNetName))
def test_resnets_have_their_published_size_and_are_read_back(name: ResNetName) -> None:
    trunk = on_meta(lambda: resnet_trunk(RESNETS[name]))
    assert parameters(trunk) == RESNET_PARAMETERS[name]
    assert resnet_name(read_resnet(shapes(trunk), "backbone.")) == name
    numbered = on_meta(lambda: resnet_trunk(RESNETS[name], by_position=True))
    assert resnet_name(read_resnet(shapes(numbered), "backbone.", by_position=True)) == name
    assert "7.0.downsample.1.running_mean" in numbered.state_dict()


@pytest.mark.parametrize(("number", "name"), list(enumerate(get_args(EfficientNetName))))
def test_efficientnets_have_their_published_size_and_are_read_back(number: int, name: EfficientNetName) -> None:
    config = EFFICIENTNETS[name]
    trunk = on_meta(lambda: efficientnet_trunk(config))
    classifier = config.channels * 1000 + 1000
    assert parameters(trunk) == EFFICIENTNET_PARAMETERS[number] - classifier
    assert read_efficientnet(shapes(trunk), "backbone.") == name
    assert config.channels == [1280, 1280, 1408, 1536, 1792, 2048, 2304, 2560][number]


def test_vgg16() -> None:
    trunk = on_meta(vgg_trunk)
    assert parameters(trunk) == 138_357_544 - (25088 * 4096 + 4096 + 4096 * 4096 + 4096 + 4096 * 1000 + 1000)
    assert read_vgg(shapes(trunk), "backbone.") == VGG16 and vgg_channels(VGG16) == 512
    assert isinstance(trunk[-1], nn.Conv2d) and len(trunk) == 29


@pytest.mark.parametrize("stages", [1, 2, 3, 4])
def test_cut_after_a_stage(stages: int) -> None:
    config = ResNetConfig("bottleneck", (1, 2, 1, 1)[:stages], stem=8, width=4)
    trunk = resnet_trunk(config).eval()
    with torch.inference_mode():
        out = trunk(torch.randn(1, 3, 64, 96))
    assert out.shape == (1, config.channels, 64 // 2 ** (stages + 1), 96 // 2 ** (stages + 1))
    assert count_numbers(trunk.state_dict(), "layer2.") == (2 if stages > 1 else 0)
    assert read_resnet(shapes(trunk), "backbone.") == config


def moved(trunk: Trunk) -> set[str]:
    before = {name: value.clone() for name, value in trunk.state_dict().items() if "running" in name}
    trunk(torch.randn(4, 3, 32, 32) * 3 + 1)
    return {name.split(".")[0] for name, value in before.items() if not torch.equal(value, trunk.state_dict()[name])}


def test_frozen_layers_keep_weights_and_if_asked_their_statistics() -> None:
    trunk = resnet_trunk(ResNetConfig("basic", (1, 1), stem=4, width=4)).train()
    assert moved(trunk) == {"bn1", "layer1", "layer2"}
    trunk.freeze(5)
    learning = {name.split(".")[0] for name, p in trunk.named_parameters() if p.requires_grad}
    assert learning == {"layer2"}
    assert moved(trunk) == {"bn1", "layer1", "layer2"}  # as published
    trunk.freeze(5, statistics=True)
    assert moved(trunk) == {"layer2"}
    assert moved(trunk.eval().train()) == {"layer2"}  # survives what a training loop does
    trunk.freeze(0)
    assert moved(trunk) == {"bn1", "layer1", "layer2"} and all(p.requires_grad for p in trunk.parameters())


def test_skipped_blocks_are_training_only() -> None:
    trunk = efficientnet_trunk(EFFICIENTNETS["efficientnet_b0"])
    chances = [module.skip_chance for module in trunk.modules() if isinstance(module, MBConv)]
    assert chances[0] == 0 and chances == sorted(chances) and max(chances) < 0.2
    images = torch.randn(2, 3, 32, 32)
    with torch.inference_mode():
        trunk.eval()
        torch.testing.assert_close(trunk(images), trunk(images))


def test_one_missing_tensor_does_not_hide_what_a_file_is() -> None:
    complete = shapes(on_meta(lambda: resnet_trunk(RESNETS["resnet50"])))
    for name in complete:
        rest = {key: shape for key, shape in complete.items() if key != name}
        assert resnet_name(read_resnet(rest, "backbone.")) == "resnet50", name


def test_impossible_trunks_are_refused() -> None:
    with pytest.raises(ConfigError, match="stages 1 to 4"):
        resnet("resnet18", 5)
    with pytest.raises(ConfigError, match="at least one block"):
        ResNetConfig("basic", ())
    with pytest.raises(ConfigError, match="a convolution and a pool"):
        vgg_trunk(("M",))
    assert read_resnet({}, "backbone.") is None and read_vgg({}, "backbone.") is None
    assert read_efficientnet({}, "backbone.") is None and resnet_name(None) is None


@pytest.mark.parametrize(("side", "wanted"), [(320, 322), (63, 56), (80, 84), (14, 14), (3, 14)])
def test_the_nearest_patch_grid(side: int, wanted: int) -> None:
    assert to_patch_grid(torch.zeros(1, 3, side, 28)).shape == (1, 3, wanted, 28)
