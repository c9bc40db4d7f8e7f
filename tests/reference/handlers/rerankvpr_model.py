"""RerankVPR's network: `rerankvpr/model_forward_*`."""

import re

import torch
from torch import Tensor

from tests.reference.handlers.vit import Compared, vit_config
from tests.reference.runner import Case, handles
from vprkit.backbones.patch_features import joined_heads, min_max
from vprkit.backbones.vit import Facet, ViT
from vprkit.methods.rerankvpr.checkpoint import to_network
from vprkit.methods.rerankvpr.network import RerankVPR
from vprkit.weights.fitting import fit

_OF_THE_TRUNK = ("patch_size", "init_values", "block_chunks", "interpolate_offset", "interpolate_antialias")


@handles("rerankvpr/model_forward_mlp", "rerankvpr/model_forward_swiglu")
def model_forward(case: Case) -> None:
    compared, network = Compared(case), network_of(case)
    for name in case.outputs("descriptor_*"):
        with torch.inference_mode():
            compared.check(name, network.describe_global(case.input(name.replace("descriptor", "image"))))
    for name in [*case.outputs("facet_*"), *case.outputs("local_*"), *case.outputs("saliency_*")]:
        with torch.inference_mode():
            compared.check(name, read_out(case, network.trunk, name))
    check_gradients(case, compared, network)
    compared.assert_complete()


def network_of(case: Case) -> RerankVPR:
    config = case.config
    more = {name: config[name] for name in (*_OF_THE_TRUNK, "layernorm_eps") if name in config}
    network = RerankVPR(vit_config({**config["vit"], **more}))
    fit(network, case.state(), source=case.name, key_map=to_network)
    depth = len(network.trunk.blocks)
    # The published slice blocks[-0:] is every block; ours says so with the number of blocks.
    network.trunk.train_last = min(config.get("finetune_last_n_layers") or depth, depth)
    return network


def layers_of(case: Case) -> tuple[int, str, int]:
    """Layer and facet of the local features, layer of the attention that saliency is made of."""
    told = {facet: int(layer) for layer, facet in case.config["facet_layer_and_facet"].items()}
    saliency = told.pop("attn")
    ((facet, layer),) = told.items()
    return layer, facet, saliency


def check_gradients(case: Case, compared: Compared, network: RerankVPR) -> None:
    height, width = case.json["gradient_image_size"]
    network.train()
    descriptors = network.describe_global(case.input(f"image_{height}x{width}"))
    (descriptors * case.input("grad_vector")).sum().backward()
    official = {f"model.model.{name.removeprefix('backbone.')}": value for name, value in network.named_parameters()}
    reached = {name for name, parameter in official.items() if parameter.grad is not None}
    assert reached == set(case.json["parameters_with_gradient"])
    assert set(official) - reached == set(case.json["parameters_without_gradient"])
    for name in case.outputs("grad/*"):
        compared.check(name, official[name.removeprefix("grad/")].grad)


def read_out(case: Case, trunk: ViT, name: str) -> Tensor:
    """`facet_<facet>_layer<i>_<size>`, `local_<size>` or `saliency_<size>`."""
    images = case.input("image_" + name.rpartition("_")[2])
    local_layer, facet, saliency_layer = layers_of(case)
    if name.startswith("saliency"):
        return min_max(facet_of(trunk, images, saliency_layer, Facet.CLASS_ATTENTION)[:, :, 1:].mean(1))
    if name.startswith("local"):
        tokens = facet_of(trunk, images, local_layer, Facet(facet))
        return (tokens if facet == "token" else joined_heads(tokens))[:, None, 1:]
    found = re.fullmatch(r"facet_(\w+)_layer(\d+)_\w+", name)
    assert found, f"{case.name}: output {name} is not readable"
    facet, layer = found[1], int(found[2])
    if facet == "attn":
        query, key = (facet_of(trunk, images, layer, part) for part in (Facet.QUERY, Facet.KEY))
        return query * query.shape[-1] ** -0.5 @ key.transpose(-2, -1)
    return facet_of(trunk, images, layer, Facet(facet))


def facet_of(trunk: ViT, images: Tensor, layer: int, facet: Facet) -> Tensor:
    return trunk.facets(images, [(layer, facet)])[1][0]
