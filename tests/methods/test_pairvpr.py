"""Pair-VPR: its network, its files, its position tables."""

import argparse
import math

import pytest
import torch
from torch.nn import functional as F

import vprkit
from vprkit import registry
from vprkit.errors import ConfigError, NotAvailable, WeightsError
from vprkit.loading import save_method
from vprkit.methods.pairvpr.network import PairVPR, PairVPRConfig, build
from vprkit.methods.pairvpr.positions import analytic_table, resized_table, stage_two_tables, with_class_row
from vprkit.weights import inspect

TINY = {"size": "S", "depth": 2, "table_size": 56, "image_size": 56, "decoder_width": 32, "decoder_depth": 2,
        "decoder_heads": 4, "descriptor": 16, "pair_hidden": 8}  # fmt: skip
FILE = {**TINY, "decoder_width": 64, "decoder_heads": 1}  # of what a file does not tell, heads are 64 wide


def tiny(seed=1, **options):
    return vprkit.load_method("pairvpr", f"random:{seed}", device="cpu", resize=56, **{**TINY, **options})


def network(**options) -> PairVPR:
    torch.manual_seed(0)
    return build(PairVPRConfig(**{**TINY, **options}))


def images(count=2, height=56, width=56):
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(0))


def published(method):
    """The state as the original writes it."""
    encoder = "encoder."
    return {
        f"encoder.model.{name.removeprefix(encoder)}" if name.startswith(encoder) else name: tensor
        for name, tensor in method.network.state_dict().items()
    }


def test_describing_gives_unit_vectors_and_what_the_decoder_reads():
    method = tiny()
    features = method.describe_batch(images(height=56, width=70))
    assert features.global_.shape == (2, 16) and method.metric == "l2"
    torch.testing.assert_close(features.global_.norm(dim=1), torch.ones(2))
    assert features.local.tokens.shape == (2, 20, 32) and features.local.grid == (4, 5)
    with torch.no_grad():
        dense, class_token = method.network.encode(images(height=56, width=70))
        torch.testing.assert_close(features.local.tokens, method.network.decoder_embed(dense))
        linear = method.network.globalizer[0]
        torch.testing.assert_close(features.global_, F.normalize(class_token @ linear.weight.T + linear.bias))
        torch.testing.assert_close(method.network.describe_global(images(height=56, width=70)), features.global_)


@pytest.mark.parametrize(("last", "learning"), [(0, []), (1, [1]), (2, [0, 1]), (9, [0, 1]), (None, [0, 1])])
def test_only_the_last_blocks_of_the_encoder_learn(last, learning):
    net = network(trainable_blocks=last)
    dense, class_token = net.encode(images())
    (net.pair_logit(dense, dense.flip(0)).sum() + net.descriptor(class_token).sum()).backward()
    reached = {name for name, parameter in net.named_parameters() if parameter.grad is not None}
    blocks = {int(name.split(".")[2]) for name in reached if name.startswith("encoder.blocks")}
    assert blocks == set(learning) and "encoder.norm.weight" in reached
    assert ("encoder.pos_embed" in reached) == ("encoder.patch_embed.proj.weight" in reached) == (last is None)
    assert {"decoder_embed.weight", "decoder_clstoken", "globalizer.0.weight"} <= reached
    assert not {name for name in reached if name.startswith(("prediction_head", "mask_token"))}


def test_stage_one_fills_in_patches_and_judges_no_pairs():
    net = network(class_token=False)
    mask = torch.zeros(2, 16, dtype=torch.bool)
    mask[:, ::2] = True
    masked, seen = net.encode(images(), mask)[0], net.encode(images())[0]
    assert not torch.allclose(masked, seen)
    predicted = net.reconstruct(masked, seen)
    assert predicted.shape == (2, 16, 588)
    assert not torch.allclose(predicted, net.reconstruct(masked, seen.flip(0)))  # the other image is read
    assert not {"decoder_clstoken", "dec_pos_embed_cls"} & set(net.state_dict())
    with pytest.raises(ConfigError, match="first stage has no decoder class token"):
        net.pair_logit(seen, seen)


def test_a_pair_is_judged_from_the_class_token_of_whole_sequences():
    net = network(decoder_depth=3).eval()
    one, two = net.encode(images())[0], net.encode(images().flip(0))[0]
    tokens = torch.cat([net.decoder_clstoken.expand(2, -1, -1), net.decoder_embed(one)], 1) + net.dec_pos_embed_cls
    other = net.decoder_embed(two) + net.dec_pos_embed
    for block in net.dec_blocks:
        tokens = block(tokens, block.memory(other))
    expected = net.classvprmodule(net.dec_norm(tokens)[:, 0])
    torch.testing.assert_close(net.pair_logit(one, two), expected)
    assert not torch.allclose(net.pair_logit(two, one), expected)
    single = network(decoder_depth=1)
    assert single.pair_logit(one.detach(), two.detach()).shape == (2, 1)


def test_the_other_images_norm_can_be_left_out():
    names = set(network(norm_memory=False).state_dict())
    assert set(network().state_dict()) - names == {
        f"dec_blocks.{number}.norm_y.{part}" for number in (0, 1) for part in ("weight", "bias")
    }


def test_position_tables_encode_columns_first():
    table = analytic_table(3, 8)
    for row in range(3):
        for column in range(3):
            for j in range(2):
                rate = 10000 ** (-j / 2)
                expected = {j: math.sin(column * rate), 2 + j: math.cos(column * rate),
                            4 + j: math.sin(row * rate), 6 + j: math.cos(row * rate)}  # fmt: skip
                for channel, value in expected.items():
                    assert table[3 * row + column, channel] == pytest.approx(value, abs=1e-6)
    with pytest.raises(ConfigError, match="multiple of 4, got 6"):
        analytic_table(3, 6)


def test_stored_tables_are_resized_for_images_of_other_sizes():
    net, stored = network(), torch.randn(16, 32)
    net.dec_pos_embed, net.dec_pos_embed_cls = stored, with_class_row(stored)
    for grid in ((2, 3), (6, 6), (1, 16)):
        cells = stored.T.reshape(1, 32, 4, 4)
        resized = F.interpolate(cells, grid, mode="bicubic", align_corners=False)[0].flatten(1).T
        embedded = torch.zeros(1, grid[0] * grid[1], 32)
        torch.testing.assert_close(net.positions(embedded, grid), resized)
        torch.testing.assert_close(net.class_positions(embedded, grid), with_class_row(resized))
    assert resized_table(stored, (4, 4)) is stored
    dense = net.encode(images(height=56, width=70))[0]
    with pytest.raises(ConfigError, match=r"20 tokens are no square of patches; say which grid"):
        net.pair_logit(dense, dense)
    assert net.pair_logit(dense, dense, grid=(4, 5)).shape == (2, 1)
    with pytest.raises(ConfigError, match="20 tokens are no grid of 4 x 4"):
        net.positions(net.decoder_embed(dense), (4, 4))
    with pytest.raises(WeightsError, match="a square of rows"):
        stage_two_tables(torch.zeros(15, 32), 4)


def test_a_final_file_of_the_authors(tmp_path):
    method, path = tiny(**FILE), tmp_path / "pairvpr-vitB.pth"
    torch.save(published(method), path)
    loaded = vprkit.load_method(weights=path, device="cpu")
    assert loaded.configuration == method.configuration and loaded.preprocessing.size == (322, 322)
    assert loaded.weights.licence == "CSIRO, non-commercial use only" and loaded.reranker is not None
    torch.testing.assert_close(loaded.describe(images()).global_, method.describe(images()).global_, rtol=0, atol=0)
    again = save_method(loaded, tmp_path / "own.safetensors")
    own = vprkit.load_method(weights=again, device="cpu")
    assert own.tensors_sha256 == method.tensors_sha256 and own.weights.licence == loaded.weights.licence


def test_only_what_nothing_reads_may_be_missing(tmp_path):
    method, path = tiny(**FILE), tmp_path / "x.pth"
    state = published(method)
    unused = ("mask_token", "encoder.model.mask_token", "prediction_head.weight", "prediction_head.bias")
    torch.save({name: tensor for name, tensor in state.items() if name not in unused}, path)
    loaded = vprkit.load_method(weights=path, device="cpu")
    assert torch.equal(loaded.describe(images()).global_, method.describe(images()).global_)
    for name in ("decoder_clstoken", "globalizer.0.weight", "dec_blocks.1.norm_y.bias", "encoder.model.norm.weight"):
        torch.save({key: tensor for key, tensor in state.items() if key != name}, path)
        with pytest.raises(WeightsError, match=rf"1 missing.*'{name}'"):
            vprkit.load_method("pairvpr", path, device="cpu")
    torch.save({**state, "mask_token": torch.zeros(1, 1, 7), "surplus": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match=r"1 unexpected.*'surplus'.*'mask_token' is \(1, 1, 7\), must be"):
        vprkit.load_method("pairvpr", path, device="cpu")


def test_a_stage_one_file_is_told_apart_and_refused(tmp_path):
    path = tmp_path / "pairvpr-pretrained-500epochs-vitB.pth"
    net = network(**{**FILE, "class_token": False})
    state = {f"encoder.model.{n[8:]}" if n.startswith("encoder.") else n: t for n, t in net.state_dict().items()}
    torch.save({"model": state, "optimizer": {"state": {}, "param_groups": []}, "scaler": {}, "epoch": 499,
                "args": argparse.Namespace(lr=1e-4), "global_iter": 7}, path)  # fmt: skip
    assert inspect(path).methods == ("pairvpr-pretrained-vits",)
    with pytest.raises(
        WeightsError, match=r"500epochs-vitB.pth is of Pair-VPR's first stage.*untrained.*Train the sec"
    ):
        vprkit.load_method(weights=path, device="cpu")
    with pytest.raises(ConfigError, match=r"class_token=False, 'pairvpr-vits' means|leave one of them out"):
        vprkit.load_method("pairvpr", path, device="cpu", class_token=True)
    own = vprkit.weights.convert(path, tmp_path / "own.safetensors")
    with pytest.raises(WeightsError, match="first stage"):
        vprkit.load_method(weights=own, device="cpu")


def test_variants_and_the_two_published_settings():
    names = registry.list_methods("pairvpr*")
    assert {"pairvpr-vits", "pairvpr-vitb", "pairvpr-vitl", "pairvpr-vitg"} <= set(names)
    assert registry.published_candidates("pairvpr-speed") == registry.published_candidates("pairvpr-vitb") == 100
    assert registry.published_candidates("pairvpr-performance") == 500
    assert registry.published_candidates("pairvpr-vitl") is None
    assert (
        registry.published_candidates("selavpr-msls") == 100 and registry.published_candidates("rerankvpr-large") == 10
    )
    with pytest.raises(NotAvailable, match=r"'pairvpr-speed' are not here.*pairvpr-vitB.pth.*Pair-VPR"):
        vprkit.load_method("pairvpr-speed", device="cpu")


@pytest.mark.parametrize("options", [
    {"registers": 0}, {"size": "g", "depth": 1}, {"interpolate_offset": 0.1}, {"trainable_blocks": None},
])  # fmt: skip
def test_other_encoders(options):
    features = tiny(**options).describe(images(height=70, width=84))
    assert features.global_.shape == (2, 16) and features.local.grid == (5, 6)


@pytest.mark.parametrize(("options", "message"), [
    ({"image_size": 50}, "positive multiple of 14, got 50"), ({"trainable_blocks": -1}, "counts blocks from the end"),
    ({"decoder_width": 30}, "multiple of 4"), ({"decoder_heads": 5}, "not divisible by 5 heads"),
])  # fmt: skip
def test_what_cannot_be_built_is_said(options, message):
    with pytest.raises(ConfigError, match=message):
        tiny(**options)
