"""Whole networks: `lavpr/mixvpr_full_narrow`, `*_tiny`, `progeo/cosplace_*_network`."""

import re

import torch
from torch import Tensor, nn

from tests.reference.handlers.aggregators import check_gradients, loaded
from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.aggregators.boq import BoQ
from vprkit.aggregators.cosplace_network import CosPlaceNetwork
from vprkit.aggregators.megaloc import MegaLocHead
from vprkit.aggregators.mixvpr import MixVPR
from vprkit.aggregators.salad import Salad
from vprkit.backbones.dinov2 import PatchMap
from vprkit.backbones.resnet import resnet_trunk
from vprkit.backbones.trunk_names import read_resnet
from vprkit.backbones.vgg import vgg_channels, vgg_trunk
from vprkit.backbones.vit import ViTConfig
from vprkit.methods.boq.network import BoQNetwork
from vprkit.methods.megaloc.network import MegaLocNetwork
from vprkit.methods.mixvpr.network import MixVPRNetwork
from vprkit.methods.salad.network import SaladNetwork


def shapes(case: Case) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in case.state().items()}


def dinov2(case: Case) -> ViTConfig:
    """The trunk of a case, with the parts that its weights have."""
    config, names = case.config["dinov2"], case.state()
    return ViTConfig(
        config["embed"], config["depth"], config["heads"], config["img"],
        final_norm=any(re.match(r"backbone\.\w+\.norm\.", name) for name in names),
        mask_token=any(re.fullmatch(r"backbone\.\w+\.mask_token", name) for name in names),
    )  # fmt: skip


@handles("lavpr/mixvpr_full_narrow")
@torch.inference_mode()
def mixvpr(case: Case) -> None:
    compared = Compared(case)
    trunk = read_resnet(shapes(case), "backbone.model.")
    assert trunk is not None
    stride = 2 ** (len(trunk.blocks) + 1)
    size = (case.config["in_h"] * stride, case.config["in_w"] * stride)
    network = MixVPRNetwork(resnet_trunk(trunk), MixVPR(**case.config), size)
    loaded(network, case.state())
    images = case.input("images")
    compared.check("descriptor", network(images))
    maps = network.feature_map(images)
    for name in case.outputs("feature_map_*"):
        number = int(name.rpartition("_")[2])
        compared.check(name, maps[number : number + 1])
    compared.assert_complete()


@handles("lavpr/salad_dinov2_tiny")
@torch.inference_mode()
def salad(case: Case) -> None:
    compared, trunk = Compared(case), dinov2(case)
    network = SaladNetwork(trunk, Salad(trunk.embed_dim, **case.config["agg"]))
    loaded(network, case.state())
    images = case.input("images")
    features, token = network.features(images)
    compared.check("descriptor", network(images))
    compared.check_if_present("feature_map", features)
    compared.check_if_present("token", token)
    compared.assert_complete()


@handles("lavpr/boq_dinov2_tiny")
@torch.inference_mode()
def boq(case: Case) -> None:
    compared, trunk = Compared(case), dinov2(case)
    network = BoQNetwork(PatchMap(trunk), BoQ(trunk.embed_dim, **case.config["agg"]))
    loaded(network, case.state())
    images = case.input("images")
    compared.check("descriptor", network(images))
    compared.check_if_present("feature_map", network.backbone(images))
    compared.assert_complete()


@handles("lavpr/megaloc_tiny")
@torch.inference_mode()
def megaloc(case: Case) -> None:
    compared, c = Compared(case), case.config
    trunk = ViTConfig(c["embed"], c["depth"], c["heads"], c["image_size"], mask_token=False)
    sizes = {name: c[name] for name in ("num_clusters", "cluster_dim", "token_dim", "mlp_dim")}
    network = MegaLocNetwork(trunk, MegaLocHead(c["feat"], Salad(trunk.embed_dim, **sizes)))
    loaded(network, case.state())
    for name in sorted(name.removeprefix("input/images") for name in case.tensors if name.startswith("input/images")):
        images = case.input(f"images{name}")
        compared.check(f"descriptor{name}", network(images))
        features, token = network.features(images)
        compared.check_if_present(f"feature_map{name}", features)
        compared.check_if_present(f"token{name}", token)
    compared.assert_complete()


@handles("progeo/cosplace_resnet_network", "progeo/cosplace_vgg_network")
def cosplace(case: Case) -> None:
    compared, config = Compared(case), case.config
    network = CosPlaceNetwork(*cosplace_trunk(case), config["fc_output_dim"])
    loaded(network, case.state())
    images = case.input("images").requires_grad_()
    descriptors = network(images)
    compared.check("desc", descriptors)
    compared.check_if_present("feature_map", network.backbone(images))
    for name in case.outputs("desc_rect*"):
        compared.check(name, network(case.input(name.replace("desc", "images"))))
    named: dict[str, Tensor] = {f"grad.{name}": parameter for name, parameter in network.named_parameters()}
    check_gradients(compared, (descriptors * case.input("probe")).sum(), {"grad_images": images, **named})
    if "desc_train" in case.outputs():
        compared.check("desc_train", network.train()(images))
    compared.assert_complete()


def cosplace_trunk(case: Case) -> tuple[nn.Sequential, int]:
    if "vgg_cfg" in case.config:
        widths = tuple(case.config["vgg_cfg"])
        return vgg_trunk(widths), vgg_channels(widths)
    trunk = read_resnet(shapes(case), "backbone.", by_position=True)
    assert trunk is not None and list(trunk.blocks) == list(case.config["layers"])
    assert re.sub("block$", "", case.config["block"].lower()) in ("basic", "bottleneck")
    return resnet_trunk(trunk, by_position=True), trunk.channels
