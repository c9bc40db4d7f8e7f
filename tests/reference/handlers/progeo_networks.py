"""ProGEO's networks and prompts against their cases."""

from typing import Any

import torch
from torch import Tensor, nn

from tests.reference.handlers.aggregators import check_gradients
from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.backbones.clip_text import ClipText, encode_ids
from vprkit.losses.image_text import supervised_contrast
from vprkit.methods.progeo.checkpoint import to_network
from vprkit.methods.progeo.network import ProGEOConfig, ProGEOResNet, ProGEOViT, build
from vprkit.methods.progeo.prompts import Prompts


def encoder_config(config: dict[str, Any], dim: int) -> ProGEOConfig:
    """Our configuration of a case's tiny CLIP."""
    width = config["vision_width"]
    if config["vision_patch_size"] is None:
        return ProGEOConfig("resnet", tuple(config["vision_layers"]), width, dim=dim)
    patch, size = config["vision_patch_size"], config["image_resolution"]
    assert config.get("vision_heads", width // 64) == width // 64  # CLIP's rule
    return ProGEOConfig("vit", (config["vision_layers"],), width, patch, size, dim)


def text_tower(config: dict[str, Any]) -> ClipText:
    return ClipText(
        config["transformer_width"],
        config["transformer_layers"],
        config["transformer_heads"],
        config["embed_dim"],
        config["context_length"],
    )


def image_state(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if to_network(name) is not None}


@handles("progeo/progeo_rn_network")
def rn_network(case: Case) -> None:
    compared, config, state = Compared(case), case.config, case.state()
    network = build(encoder_config(config, config["fc_output_dim"])).eval()
    assert isinstance(network, ProGEOResNet) and network.backbone.channels == config["features_dim"]
    network.load_state_dict(image_state(state))
    images, named = case.input("images").clone().requires_grad_(), dict(network.named_parameters())
    vectors = network(images)
    compared.check("stage2_eval", vectors)
    check_gradients(
        compared,
        (vectors * case.input("probe")).sum(),
        {"grad_images": images, **{f"grad.{name}": parameter for name, parameter in named.items()}},
    )
    with torch.no_grad():
        maps = network.backbone.stem(images)
        compared.check("stem", maps)
        for number, stage in enumerate(network.backbone.stages, 1):
            maps = stage(maps)
            compared.check(f"layer{number}", maps)
        compared.check("stage2_eval_rect", network(case.input("images_rect")))
        compared.check("stage2_eval_single", network(images[1:2]))
        compared.check("stage2_train", network.train()(images))
        for name, value in network.state_dict().items():
            compared.check_if_present(f"after_train.{name}", value)
        _stage_one(compared, state, images)
    compared.assert_complete()


def _stage_one(compared: Compared, state: dict[str, Tensor], images: Tensor) -> None:
    config = compared.case.config
    encoder = build(encoder_config(config, config["fc_output_dim"])).backbone
    encoder.add_attention_pool(config["image_resolution"] // 32, config["embed_dim"])
    assert encoder.attnpool.heads == config["attnpool_heads"]
    own = {name.removeprefix("backbone."): value for name, value in state.items() if name.startswith("backbone.")}
    encoder.load_state_dict(own)
    compared.check("stage1_eval", encoder.eval().attnpool(encoder(images)))
    compared.check("stage1_train", encoder.train().attnpool(encoder(images)))


@handles("progeo/progeo_vit_network")
def vit_network(case: Case) -> None:
    compared = Compared(case)
    network = build(encoder_config(case.config, case.config["embed_dim"])).eval()
    assert isinstance(network, ProGEOViT)
    network.load_state_dict(image_state(case.state()))
    found: dict[str, Tensor] = {}
    parts: dict[str, nn.Module] = {"tokens_ln_pre": network.backbone.ln_pre}
    parts |= {f"tokens_block{i}": block for i, block in enumerate(network.backbone.transformer.resblocks)}
    for name, part in parts.items():
        part.register_forward_hook(lambda _module, _inputs, output, name=name: found.__setitem__(name, output))
    images = case.input("images").clone().requires_grad_()
    vectors = network(images)
    compared.check("desc", vectors)
    for name, tokens in found.items():
        compared.check(name, tokens)
    leaves = {f"grad.{name}": parameter for name, parameter in network.named_parameters()}
    check_gradients(compared, (vectors * case.input("probe")).sum(), {"grad_images": images, **leaves})
    compared.check("desc_single", network(images[:1]))
    compared.assert_complete()


def prompts_of(state: dict[str, Tensor], prefix: str, token_ids: list[int]) -> Prompts:
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    middle = torch.zeros(1, *own["cls_ctx"].shape[1:])
    sentence = torch.cat([own["token_prefix"], middle, own["token_suffix"]], 1)
    first = own["token_prefix"].shape[1]
    learnt = slice(first, first + middle.shape[1])
    prompts = Prompts(len(own["cls_ctx"]), sentence, int(torch.tensor(token_ids).argmax()), learnt)
    prompts.load_state_dict(own)
    return prompts


def tower_of(config: dict[str, Any], state: dict[str, Tensor]) -> ClipText:
    tower = text_tower(config)
    prefix = "text_encoder."
    tower.load_state_dict({n.removeprefix(prefix): v for n, v in state.items() if n.startswith(prefix)})
    return tower.requires_grad_(False)


@handles("progeo/prompt_text_tower")
def prompt_text_tower(case: Case) -> None:
    compared, config, state = Compared(case), case.config, case.state()
    prompts, tower = prompts_of(state, "prompt_learner.", config["token_ids"]), tower_of(config, state)
    assert prompts.end == config["eot_position"] and len(prompts.cls_ctx) == config["num_class"]
    labels, images = case.input("labels"), case.input("image_features")
    compared.check("prompts", prompts(labels))
    texts = prompts.features(tower, labels)
    compared.check("text_features", texts)
    compared.check("text_features", tower(prompts(labels), torch.full_like(labels, prompts.end)))
    loss = supervised_contrast(images, texts, labels, labels) + supervised_contrast(texts, images, labels, labels)
    loss.backward()
    compared.check("loss", loss)
    compared.check("grad_cls_ctx", prompts.cls_ctx.grad)
    compared.check("all_text_features", prompts.all_features(tower, chunk=2))
    compared.check("text_features_single", prompts.features(tower, labels[:1]))
    table = nn.Embedding(config["vocab_size"], config["transformer_width"])
    table.weight.data[torch.tensor(config["unique_token_ids"])] = case.input("token_rows")
    compared.check("encode_text", encode_ids(tower, table, case.input("encode_text_ids")))
    compared.assert_complete()
