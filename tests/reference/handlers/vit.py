"""The DINOv2 vision transformer: `selavpr/dinov2_*`."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from tests.reference.runner import Case, handles
from vprkit.backbones.position_table import resize_position_table
from vprkit.backbones.vit import Tokens, ViT, ViTConfig, unchunked
from vprkit.backbones.vit_blocks import FeedForward

_FFN: dict[str, FeedForward] = {"mlp": "mlp", "swiglu": "swiglu", "swiglufused": "swiglu", "swiglu_fused": "swiglu"}
_OWN_NAMES = {"ffn_layer": "ffn"}
_IGNORED = {"block_chunks"}  # only the checkpoint's key names depend on it


class Compared:
    """Checks outputs by name and, at the end, that none was left out."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.done = case.done

    def check(self, name: str, actual: Any) -> None:
        self.case.check(name, actual)

    def check_if_present(self, name: str, actual: Any) -> None:
        if name in self.case.outputs():
            self.check(name, actual)

    def assert_complete(self) -> None:
        self.case.assert_complete()


def vit_config(config: dict[str, Any], **more: Any) -> ViTConfig:
    """The configuration of a case under our names."""
    values = {_OWN_NAMES.get(key, key): value for key, value in config.items() if key not in _IGNORED}
    values["ffn"] = _FFN[values.get("ffn", "mlp")]
    return ViTConfig(**{**values, **more})


@contextmanager
def _captured(model: ViT) -> Iterator[dict[str, Tensor]]:
    """Outputs of every sub-module by name, `tokens_in` included, while the block runs."""
    found: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, inputs, output: found.__setitem__(name, output)

    def keep_input(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        found["tokens_in"] = inputs[0]

    handles_ = [module.register_forward_hook(keep(name)) for name, module in model.named_modules() if name]
    handles_.append(model.blocks[0].register_forward_pre_hook(keep_input))
    try:
        yield found
    finally:
        for handle in handles_:
            handle.remove()


@handles("selavpr/dinov2_mlp", "selavpr/dinov2_reg4", "selavpr/dinov2_swiglu")
@torch.inference_mode()
def dinov2(case: Case) -> None:
    model = ViT(vit_config(case.config)).eval()
    model.load_state_dict({unchunked(name): tensor for name, tensor in case.state().items()}, strict=True)
    compared = Compared(case)
    sizes = sorted({name.split("/")[1] for name in case.tensors if re.fullmatch(r"input/[^/]+/image", name)})
    assert sizes
    for size in sizes:
        _check_size(model, compared, size)
    compared.assert_complete()


def _check_size(model: ViT, compared: Compared, size: str) -> None:
    case, images = compared.case, compared.case.input(f"{size}/image")
    with _captured(model) as modules:
        _check_features(model, compared, size, size, None)
    for name in case.outputs(f"{size}/facet/*"):
        facet = name.split("/")[-1]
        compared.check(name, modules[re.sub(r"^block(\d+)_?", r"blocks.\1.", facet).rstrip(".")])
    compared.check_if_present(f"{size}/forward", model(images))
    if f"input/{size}/mask" in case.tensors:
        mask = case.input(f"{size}/mask")
        _check_features(model, compared, size, f"{size}/masked", mask)
    for name in case.outputs(f"{size}/intermediate/*"):
        compared.check(name, _intermediate(case, model, images, name))


def _check_features(model: ViT, compared: Compared, size: str, prefix: str, mask: Tensor | None) -> None:
    features = model.features(compared.case.input(f"{size}/image"), mask)
    compared.check_if_present(f"{prefix}/x_prenorm", features.prenorm.sequence)
    compared.check_if_present(f"{prefix}/x_norm_clstoken", features.normed.class_token)
    compared.check_if_present(f"{prefix}/x_norm_regtokens", features.normed.register_tokens)
    compared.check_if_present(f"{prefix}/x_norm_patchtokens", features.normed.patch_tokens)
    if mask is not None:
        assert features.mask is mask
        compared.check_if_present(f"{prefix}/masks", features.mask)
        compared.check_if_present(f"{prefix}/forward", features.normed.class_token)


def _intermediate(case: Case, model: ViT, images: Tensor, name: str) -> Tensor:
    """`<size>/intermediate/n=0_2,norm=True,reshape=False/<j>/patch`; a list of layers is joined by underscores."""
    _, _, text, place, part = name.split("/")
    options = dict(item.split("=") for item in text.split(","))
    layers = {_label(asked): asked for asked in case.json["intermediate_n"]}[options["n"]]
    tokens = model.intermediate(images, layers, norm=options.get("norm", "True") == "True")[int(place)]
    return _part(tokens, part, options.get("reshape", "False") == "True")


def _label(layers: int | list[int]) -> str:
    return "_".join(map(str, layers)) if isinstance(layers, list) else str(layers)


def _part(tokens: Tokens, part: str, reshape: bool) -> Tensor:
    if part == "cls":
        return tokens.class_token
    return tokens.patch_map if reshape else tokens.patch_tokens


@handles("selavpr/dinov2_pos_embed")
def position_table(case: Case) -> None:
    compared = Compared(case)
    table, patch = case.input("pos_embed"), int(case.config.get("patch_size", 14))
    for name in case.outputs():
        mode, size = name.split("/")
        height, width = map(int, size.split("x"))
        options = re.fullmatch(r"offset([\d.]+)_(plain|antialias)", mode)
        assert options, f"{case.name}: mode {mode} is not readable"
        grid = (height // patch, width // patch)
        resized = resize_position_table(table, grid, offset=float(options[1]), antialias=options[2] == "antialias")
        compared.check(name, resized)
    compared.assert_complete()
