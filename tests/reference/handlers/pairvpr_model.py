"""Pair-VPR's network, position tables and inference: `pairvpr/model_*`, `decoder_position_tables`."""

import torch

from tests.reference.handlers.vit import Compared, vit_config
from tests.reference.runner import Case, handles
from vprkit.backbones.dinov2_sizes import PATCH
from vprkit.methods.pairvpr.checkpoint import to_network
from vprkit.methods.pairvpr.decoder import DecoderConfig
from vprkit.methods.pairvpr.network import PairVPR
from vprkit.methods.pairvpr.positions import analytic_table, stage_two_tables, with_class_row
from vprkit.methods.pairvpr.stage_one import PairVPRPretrainRecipe
from vprkit.weights.fitting import fit

_ENCODER = {"pretrain_img_size": "img_size"}
_DECODER = {"dec_embed_dim": "width", "dec_num_heads": "heads", "dec_depth": "depth", "mlp_ratio": "mlp_ratio",
            "norm_im2_in_dec": "norm_memory"}  # fmt: skip
_APART = ("layerscale", "num_trainable_blocks")


def network_of(case: Case) -> PairVPR:
    """The network of a case's configuration with the case's weights."""
    network = make_network(case)
    fit(network, case.state(), source=case.name, key_map=to_network)
    return network


def make_network(case: Case) -> PairVPR:
    """The network of a case's configuration."""
    config = case.config
    encoder = {_ENCODER.get(name, name): value for name, value in config["encoder"].items() if name not in _APART}
    decoder = {_DECODER[name]: value for name, value in config["decoder"].items()}
    sizes = DecoderConfig(
        **decoder, class_token=config["decoder_class_token"], image_size=config["img_res"],
        pair_hidden=config["pair_head_hidden"],
    )  # fmt: skip
    scaled = {} if config["encoder"].get("layerscale", True) else {"init_values": None}
    return PairVPR(
        vit_config(encoder, **scaled), sizes, config["globaldesc_dim"], config["encoder"]["num_trainable_blocks"]
    )


@handles("pairvpr/model_mlp_noreg", "pairvpr/model_mlp_reg", "pairvpr/model_swiglu_reg")
@torch.inference_mode()
def model(case: Case) -> None:
    compared, network = Compared(case), network_of(case)
    encoder_tokens(compared, network)
    dense, class_token = network.encode(case.input("images"))
    compared.check("dense", dense)
    compared.check("cls", class_token)
    compared.check("global", network.descriptor(class_token))
    rectangle = case.input("image_rect")
    compared.check("dense_rect", network.encode(rectangle)[0])
    compared.check("global_rect", network.describe_global(rectangle))
    one, two = (dense[column] for column in case.input("pair_index").T)
    decoder_streams(compared, network, one, two)
    forward, backward = network.pair_logit(one, two), network.pair_logit(two, one)
    compared.check("score_fwd", forward)
    compared.check("score_bwd", backward)
    compared.check("score", forward + backward)
    compared.check("score_fwd_single", network.pair_logit(one[:1], two[:1]))
    compared.assert_complete()


def encoder_tokens(compared: Compared, network: PairVPR) -> None:
    images = compared.case.input("images")
    compared.check("tokens_in", network.encoder.embed(images))
    depth = len(network.encoder.blocks)
    for number, tokens in enumerate(network.encoder.intermediate(images, depth, norm=False)):
        compared.check(f"enc_block_{number}", tokens.sequence)


def decoder_streams(compared: Compared, network: PairVPR, one: torch.Tensor, two: torch.Tensor) -> None:
    """Whole sequences, of which judging a pair computes no more than it needs."""
    first, second = network.decoder_embed(one), network.decoder_embed(two)
    compared.check("memory_stream", second + network.positions(second))
    assert network.decoder_clstoken is not None
    tokens = torch.cat([network.decoder_clstoken.expand(len(first), -1, -1), first], 1) + network.class_positions(first)
    for number, (block, known) in enumerate(zip(network.dec_blocks, network.memory(second), strict=True)):
        tokens = block(tokens, known)
        compared.check(f"dec_block_{number}_x", tokens)
    compared.check("decoder_normed", network.dec_norm(tokens))


@handles("pairvpr/decoder_position_tables")
def decoder_position_tables(case: Case) -> None:
    compared, width = Compared(case), case.config["width"]
    for grid in case.config["grids"]:
        table = analytic_table(grid, width)
        compared.check(f"sincos_{width}_{grid}_0", table)
        compared.check(f"sincos_{width}_{grid}_1", with_class_row(table))
        resized, with_class = stage_two_tables(case.input("checkpoint_dec_pos_embed"), grid)
        compared.check(f"interp_{grid}", resized)
        compared.check(f"interp_cls_{grid}", with_class)
    rows, columns = case.input("rows"), case.input("cols")
    released, stage_one = DecoderConfig().width, PairVPRPretrainRecipe().model
    before = stage_one.image_size // PATCH
    for name in case.outputs("full_sincos*_sub"):
        side = int(name.removeprefix("full_sincos").removesuffix("_sub"))
        compared.check(name, analytic_table(side, released)[rows][:, columns])
        resized = stage_two_tables(analytic_table(before, released), side)[0]
        compared.check("full_interp_sub", resized[rows][:, columns])
    compared.assert_complete()
