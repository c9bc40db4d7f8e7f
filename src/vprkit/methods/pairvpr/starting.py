"""Where Pair-VPR's stages start: a DINOv2, or what an earlier stage or run wrote."""

import dataclasses
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from vprkit import config
from vprkit.errors import ConfigError
from vprkit.methods.pairvpr.network import PairVPR, PairVPRConfig, initialise
from vprkit.methods.pairvpr.positions import stage_two_tables
from vprkit.training.starting import ViTTrunk, dinov2_name
from vprkit.weights.fitting import fit
from vprkit.weights.reading import read
from vprkit.weights.resolving import Choice, choose_for_file
from vprkit.weights.runs import weights_of

_MAY_DIFFER = ("class_token", "image_size", "trainable_blocks")
"""Options of a network that one stage may have otherwise than the one before."""


def start_pairvpr(choice: Choice, initial: str | None, foundation: str, random_blocks: bool, seed: int) -> PairVPR:
    """A network with the weights that training starts from, what does not learn frozen.

    Args:
        choice: the method with the recipe's options.
        initial: a weights file of either stage (ours or the authors'), the folder of a run, or None.
        foundation: without `initial`, the DINOv2: `pretrained`, `random` or a file.
        random_blocks: then give its linear layers and norms new values, and keep the rest.
        seed: of new values.

    Raises:
        ConfigError: the file's network is of other sizes.
        WeightsError: the file does not fit.
        NotAvailable: it is not there.
    """
    model: PairVPRConfig = choice.configuration
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = cast(PairVPR, choice.build())
        start = ViTTrunk(foundation, _learning(network, model))
        if initial is not None:
            take_over(network, model, weights_of(initial))
        else:
            start.fill(network.encoder, dinov2_name(model.size, model.registers))
            if random_blocks:
                network.encoder.blocks.apply(initialise)
                network.encoder.norm.apply(initialise)
    start.freeze(network.encoder)
    return network


def take_over(network: PairVPR, model: PairVPRConfig, path: Path) -> None:
    """Give a network the weights of a file, whatever stage either is of.

    Position tables are resized for another image size. A decoder class token that the file lacks stays as it is; all
    else comes from the file, also heads that its stage did not train.

    Args:
        network: receives the weights.
        model: its options.
        path: a weights file of Pair-VPR.

    Raises:
        ConfigError: other options differ.
        WeightsError: the file does not fit.
    """
    checkpoint = read(path)
    found = choose_for_file(checkpoint, "pairvpr", {})
    _check_alike(found.configuration, model, path)
    state = _for_tables(found.fill(checkpoint).state_dict(), found.configuration, model)
    own = {name: tensor for name, tensor in network.state_dict().items() if name == "decoder_clstoken"}
    kept = {name: tensor for name, tensor in state.items() if name != "decoder_clstoken" or model.class_token}
    fit(network, {**own, **kept}, source=f"{path} does not fit {model.size} of pairvpr")


def _for_tables(state: dict[str, Tensor], found: PairVPRConfig, model: PairVPRConfig) -> dict[str, Tensor]:
    """The same with the position tables that `model` has."""
    table, class_table = stage_two_tables(state["dec_pos_embed"], _grid(model))
    if found.image_size == model.image_size:
        table = state["dec_pos_embed"]
        class_table = state.get("dec_pos_embed_cls", class_table)
    others = {name: tensor for name, tensor in state.items() if not name.startswith("dec_pos_embed")}
    tables = {"dec_pos_embed": table, **({"dec_pos_embed_cls": class_table} if model.class_token else {})}
    return {**others, **tables}


def _grid(model: PairVPRConfig) -> int:
    return model.image_size // model.encoder().patch_size


def _check_alike(found: PairVPRConfig, model: PairVPRConfig, path: Path) -> None:
    """Refuse a file whose network is another one."""
    plain = config.to_dict(dataclasses.replace(model, **{name: getattr(found, name) for name in _MAY_DIFFER}))
    for name, value in config.to_dict(found).items():
        if value != plain[name]:
            raise ConfigError(f"{path} was made with {name}={value!r}, the recipe says model.{name}={plain[name]!r}; "
                              f"give model.{name}={value}")  # fmt: skip


def _learning(network: PairVPR, model: PairVPRConfig) -> int | None:
    """Blocks at the end that learn; more than there are is all of them."""
    return None if model.trainable_blocks is None else min(model.trainable_blocks, len(network.encoder.blocks))
