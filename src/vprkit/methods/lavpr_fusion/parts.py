"""LaVPR's fusion put together: encoders with weights of their own, or those that a file holds."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vprkit.backbones.text_encoder import ENCODERS, TextEncoder, fill_encoder, load_text_encoder
from vprkit.errors import WeightsError
from vprkit.loading import load_method
from vprkit.method import IMAGES, TEXTS, Method
from vprkit.methods.lavpr_fusion.checkpoint import IMAGE, TEXT, below, refuse_untold, to_network, unadapted
from vprkit.methods.lavpr_fusion.network import MADE_WITH, TRAINED, LaVPR, LaVPRConfig
from vprkit.methods.lavpr_fusion.towers import OWN, ImageTower, TextTower, TwoTowers, text_tower
from vprkit.preprocessing import Preprocessing
from vprkit.weights.fetching import find
from vprkit.weights.fitting import fit, map_names
from vprkit.weights.lora import lavpr_scaling, merged
from vprkit.weights.reading import Checkpoint, read
from vprkit.weights.resolving import Choice, choose_by_name, choose_for_file


def preprocessing_of(config: LaVPRConfig) -> Preprocessing:
    """Images are prepared as the image method wants them, colour pictures resized as LaVPR's evaluation does.

    It normalises first and resizes the tensor, with antialias, where authors of image methods resize the 8-bit picture.
    """
    own = _image_choice(config).preprocessing
    eight_bit = (own.fit, own.engine, own.interpolation, own.colour) == ("stretch", "pil", "bilinear", "rgb")
    return dataclasses.replace(own, engine="tensor_antialias") if eight_bit else own


def _image_choice(config: LaVPRConfig) -> Choice:
    """The image method with its options, which its own weights file may tell."""
    told = config.image_weights
    if told is None or told.partition(":")[0] == "random":
        return choose_by_name(config.image, {})
    return choose_for_file(read(find(told)), config.image, {})


def build(config: LaVPRConfig) -> LaVPR:
    """The network with initial values, in all its parts."""
    choice = choose_by_name(config.image, {})
    image = Method(choice.build(), choice.preprocessing, device="cpu", precision="fp32")
    text: TextEncoder | TextTower | None = None
    if "text" in config.parts:
        text = _own_text(config, image) if config.text == OWN else TextEncoder(ENCODERS[config.text])
    return LaVPR(config, _seeing(image) if "image" in config.parts else None, text, image.dimension)


def assemble(config: LaVPRConfig, checkpoint: Checkpoint | None) -> LaVPR:
    """The network with weights: what the checkpoint holds comes from there, other encoders from their own files.

    Raises:
        NotAvailable: an encoder's file is not here.
        WeightsError: the checkpoint does not fit, or its head was trained with other encoders.
    """
    state = {} if checkpoint is None else _merged(checkpoint.state)
    own = checkpoint is not None and checkpoint.header is not None
    if checkpoint is not None and not own and config.parts == IMAGES | TEXTS:
        refuse_untold(config.head, checkpoint.shapes, checkpoint.path)
    needed = "image" in config.parts or config.text == OWN
    image = _image(config, checkpoint) if needed else None
    text: TextEncoder | TextTower | None = None
    if "text" in config.parts:
        text = _own_text(config, image) if config.text == OWN and image else _text(config, state, checkpoint)
    seeing = _seeing(image) if image is not None and "image" in config.parts else None
    network = LaVPR(config, seeing, text, 0 if image is None else image.dimension)
    network.kept |= {part.rstrip(".") for part in (IMAGE, TEXT) if below(state, part)}
    if checkpoint is not None:
        source = f"{checkpoint.path} does not fit lavpr-fusion"
        _fill_head(network, state, source, own)
        _check_encoders(network, state, checkpoint.path)
    return network.eval()


def _merged(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """The same without adapters beside the text encoder's layers; their work is in its weights."""
    if not any(".lora_" in name for name in state):
        return state
    return merged({unadapted(name): value for name, value in state.items()}, lavpr_scaling)


def _seeing(image: Method) -> nn.Module:
    """What describes images alone."""
    return ImageTower(image.network) if isinstance(image.network, TwoTowers) else image.network


def _own_text(config: LaVPRConfig, image: Method) -> TextTower:
    return text_tower(image.network, config.image, image.dimension)


def _image(config: LaVPRConfig, checkpoint: Checkpoint | None) -> Method:
    held = {} if checkpoint is None else below(checkpoint.state, IMAGE)
    if checkpoint is None or not held:
        return load_method(config.image, config.image_weights, device="cpu", precision="fp32")
    choice = choose_by_name(config.image, {})
    network = choice.fill(dataclasses.replace(checkpoint, state=held))
    return Method(network, choice.preprocessing, device="cpu", precision="fp32")


def _text(config: LaVPRConfig, state: Mapping[str, Tensor], checkpoint: Checkpoint | None) -> TextEncoder:
    held = below(state, TEXT)
    if checkpoint is None or not held:
        return load_text_encoder(config.text)
    encoder = TextEncoder(ENCODERS[config.text])
    fill_encoder(encoder, held, f"{checkpoint.path} does not fit the text encoder {config.text}")
    return encoder


def _fill_head(network: LaVPR, state: Mapping[str, Tensor], source: str, own: bool) -> None:
    """Head and poolers; a mode that leaves one out drops its weights."""
    rest = {name: value for name, value in state.items() if not name.startswith((IMAGE, TEXT)) and name != MADE_WITH}
    mapped = rest if own else map_names(rest, to_network, source)
    parts = nn.ModuleDict({name: part for name, part in network.named_children() if name in TRAINED})
    single = len(network.config.parts) == 1
    unused = tuple(f"{name}." for name in TRAINED if single and not below(parts.state_dict(), f"{name}."))
    fit(parts, {n: v for n, v in mapped.items() if not (unused and n.startswith(unused))}, source=source)


def _check_encoders(network: LaVPR, state: Mapping[str, Tensor], path: Path) -> None:
    """A head goes with the encoders it was trained with."""
    told = state.get(MADE_WITH)
    if told is None:
        return
    for name, row, now in zip(("image", "text"), told, network.made_with(), strict=True):
        if now.any() and not torch.equal(row, now):
            encoder = network.config.image if name == "image" else network.config.text
            raise WeightsError(
                f"{path} was trained with another {name} encoder than the {encoder} that is here; give "
                f"{'image_weights=FILE' if name == 'image' else 'the same encoder'}, or train the head again"
            )
