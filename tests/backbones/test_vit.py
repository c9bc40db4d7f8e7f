"""The ViT: what the reference cases do not pin."""

import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.reference import runner
from vprkit.backbones.vit import BlockAdapters, Facet, ViT, ViTConfig, unchunked
from vprkit.backbones.vit_blocks import Attention, Block
from vprkit.errors import ConfigError

SMALL = ViTConfig(embed_dim=16, depth=3, num_heads=2, img_size=56)


def small(**changes: object) -> ViT:
    torch.manual_seed(0)
    model = ViT(dataclasses.replace(SMALL, **changes)).eval()  # type: ignore[arg-type]
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model


def images(height: int = 56, width: int = 70, count: int = 2) -> Tensor:
    return torch.randn(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("registers", [0, 4])
def test_parts_of_the_sequence(registers: int) -> None:
    model = small(num_register_tokens=registers)
    features = model.features(images())
    assert features.prenorm.sequence.shape == (2, 1 + registers + 20, 16)
    assert features.normed.register_tokens.shape == (2, registers, 16)
    assert features.normed.patch_map.shape == (2, 16, 4, 5)
    assert features.normed.grid == (4, 5)
    torch.testing.assert_close(features.normed.patch_map[:, :, 1, 2], features.normed.patch_tokens[:, 7])
    torch.testing.assert_close(model(images()), features.normed.class_token)


def test_attention_equals_its_formula() -> None:
    torch.manual_seed(0)
    attention = Attention(SMALL)
    tokens = torch.randn(2, 5, 16)
    query, key, value = attention.query(tokens), attention.key(tokens), attention.value(tokens)
    logits = query @ key.transpose(-2, -1) / 8**0.5
    mixed = (logits.softmax(-1) @ value).transpose(1, 2).reshape(2, 5, 16)
    torch.testing.assert_close(attention(tokens), attention.proj(mixed))
    torch.testing.assert_close(attention.class_logits(tokens), logits[:, :, 0])


def test_facets_come_in_the_order_asked_for() -> None:
    model = small(num_register_tokens=4)
    wanted = [(-1, Facet.CLASS_ATTENTION), (1, Facet.VALUE), (0, Facet.TOKEN), (1, Facet.QUERY), (1, Facet.KEY)]
    features, (attention, value, token, query, key) = model.facets(images(), wanted)
    assert attention.shape == (2, 2, 25)
    assert value.shape == query.shape == key.shape == (2, 2, 25, 8)
    block = model.blocks[1]
    assert isinstance(block, Block)
    torch.testing.assert_close(token, model.intermediate(images(), [0], norm=False)[0].sequence)
    joint = block.attn.qkv(block.norm1(token)).reshape(2, 25, 3, 2, 8).permute(2, 0, 3, 1, 4)
    for found, expected in zip((query, key, value), joint, strict=True):
        torch.testing.assert_close(found, expected)
    torch.testing.assert_close(features.normed.class_token, model(images()))


def test_facets_of_missing_blocks_are_refused() -> None:
    with pytest.raises(ConfigError, match="block 3 does not exist"):
        small().facets(images(), [(3, Facet.VALUE)])


def test_intermediate_layers_come_in_block_order() -> None:
    model = small()
    first, last = model.intermediate(images(), [2, 0])
    torch.testing.assert_close(last.sequence, model.features(images()).normed.sequence)
    torch.testing.assert_close(first.sequence, model.norm(model.intermediate(images(), [0], norm=False)[0].sequence))


@pytest.mark.parametrize("layers", [0, 4, [3], [-1], [], [1, 1]])
def test_intermediate_layers_that_do_not_exist(layers: int | list[int]) -> None:
    with pytest.raises(ConfigError):
        small().intermediate(images(), layers)


def test_intermediate_stops_early() -> None:
    model = small()
    ran = []
    for number, block in enumerate(model.blocks):
        block.register_forward_hook(lambda *ignored, number=number: ran.append(number))
    model.intermediate(images(), [1])
    assert ran == [0, 1]


@pytest.mark.parametrize(
    ("height", "width", "near"), [(57, 70, "56 x 70"), (56, 10, "56 x 14"), (335, 322, "336 x 322")]
)
def test_sizes_off_the_patch_grid_are_refused(height: int, width: int, near: str) -> None:
    with pytest.raises(ConfigError, match=f"{height} x {width} pixels.*{near}"):
        small()(torch.zeros(1, 3, height, width))


@pytest.mark.parametrize("mask", [torch.zeros(2, 19, dtype=torch.bool), torch.zeros(2, 20)])
def test_masks_of_another_shape_or_kind_are_refused(mask: Tensor) -> None:
    with pytest.raises(ConfigError, match="mask must be bool of shape"):
        small().features(images(), mask)


@pytest.mark.parametrize(("train_last", "trained"), [(0, set()), (1, {2}), (2, {1, 2}), (3, {0, 1, 2}), (9, {0, 1, 2})])
def test_only_the_last_blocks_and_the_norm_get_gradients(train_last: int, trained: set[int]) -> None:
    model = ViT(SMALL, train_last=train_last)
    model(images()).square().sum().backward()
    got = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    expected = {name for name in dict(model.named_parameters()) if name.startswith("norm.")}
    for name in dict(model.named_parameters()):
        if name.startswith("blocks.") and int(name.split(".")[1]) in trained:
            expected.add(name)
    assert got == expected


def test_without_train_last_everything_but_the_mask_token_gets_gradients() -> None:
    model = ViT(SMALL)
    model(images()).square().sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == ["mask_token"]


def test_a_negative_train_last_is_refused() -> None:
    with pytest.raises(ConfigError, match="train_last"):
        ViT(SMALL, train_last=-1)


class Adapter(nn.Module):
    """As in SelaVPR: down, ReLU, up, with or without its own skip."""

    def __init__(self, width: int, skip: bool) -> None:
        super().__init__()
        self.D_fc1, self.D_fc2, self.skip = nn.Linear(width, width // 2), nn.Linear(width // 2, width), skip

    def forward(self, tokens: Tensor) -> Tensor:
        change: Tensor = self.D_fc2(self.D_fc1(tokens).relu())
        return tokens + change if self.skip else change


def adapters(width: int, scale: float) -> Callable[[int], BlockAdapters]:
    return lambda number: BlockAdapters(Adapter(width, skip=True), Adapter(width, skip=False), scale)


def test_adapters_get_selavpr_names_and_keep_their_initial_values() -> None:
    marked = Adapter(16, skip=False)
    nn.init.zeros_(marked.D_fc2.weight)
    model = ViT(SMALL, adapters=lambda number: BlockAdapters(parallel=marked) if number == 1 else BlockAdapters())
    names = [name for name in model.state_dict() if "adapter" in name]
    assert sorted(names) == [f"blocks.1.adapter2.D_fc{i}.{part}" for i in (1, 2) for part in ("bias", "weight")]
    assert not marked.D_fc2.weight.any()


def test_the_adapted_block_equals_selavpr() -> None:
    if "selavpr/selavpr_block" not in runner.discover():
        pytest.skip("the case selavpr/selavpr_block is not in this checkout's selection")
    case = runner.Case.named("selavpr/selavpr_block")
    config = case.config
    shape = ViTConfig(config["dim"], 1, config["num_heads"], 14, mlp_ratio=config["mlp_ratio"])
    block = Block(shape, adapters(config["dim"], config["parallel_scale"])(0))
    block.load_state_dict(case.state(), strict=True)
    case.check("y", block(case.input("x")))


def test_chunked_names() -> None:
    assert unchunked("blocks.1.7.norm1.weight") == "blocks.7.norm1.weight"
    assert unchunked("backbone.blocks.0.0.ls1.gamma") == "backbone.blocks.0.ls1.gamma"
    assert unchunked("blocks.7.norm1.weight") == "blocks.7.norm1.weight"
    assert unchunked("my_blocks.7.1.weight") == "my_blocks.7.1.weight"


def test_initial_values() -> None:
    torch.manual_seed(0)
    model = ViT(dataclasses.replace(SMALL, embed_dim=64, num_register_tokens=4))
    block = model.blocks[0]
    assert isinstance(block, Block)
    assert abs(float(block.attn.qkv.weight.detach().std()) - 0.02) < 2e-3
    assert not block.attn.qkv.bias.any() and not model.mask_token.any()
    assert float(model.register_tokens.detach().abs().max()) < 1e-5
    assert abs(float(model.pos_embed.detach().std()) - 0.02) < 3e-3


@pytest.mark.parametrize("changes", [{"num_heads": 3}, {"img_size": 57}, {"depth": 0}, {"num_register_tokens": -1}])
def test_impossible_sizes_are_refused(changes: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]


def test_layer_scale_and_query_bias_can_be_left_out() -> None:
    names = set(small(init_values=None, qkv_bias=False).state_dict())
    assert not any("ls1" in name or name.endswith("qkv.bias") for name in names)
    model = small(qkv_bias=False)
    _, (value,) = model.facets(images(), [(0, Facet.VALUE)])
    assert value.shape == (2, 2, 21, 8)


def test_bfloat16_autocast_stays_close() -> None:
    model = small()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        half = model(images())
    torch.testing.assert_close(half.float(), model(images()), rtol=0.1, atol=0.1)


@pytest.mark.parametrize("name", ["rerankvpr/model_forward_mlp", "rerankvpr/model_forward_swiglu"])
def test_facets_and_gradients_equal_rerankvpr(name: str) -> None:
    if name not in runner.discover():
        pytest.skip(f"the case {name} is not in this checkout's selection")
    case = runner.Case.named(name)
    model = rerankvpr_model(case)
    for output in case.outputs("facet_*"):
        _, kind, layer, size = output.split("_")
        wanted = Facet("class_attention" if kind == "attn" else kind)
        features, (facet,) = model.facets(case.input(f"image_{size}"), [(int(layer.removeprefix("layer")), wanted)])
        expected = case.output(output)
        case.compare(output, facet, expected[:, :, 0] if kind == "attn" else expected)
        case.check(f"descriptor_{size}", features.normed.class_token)
    without = {name.removeprefix("model.model.") for name in case.json["parameters_without_gradient"]}
    model(case.input(f"image_{size}")).square().sum().backward()
    assert {name for name, parameter in model.named_parameters() if parameter.grad is None} == without


def rerankvpr_model(case: runner.Case) -> ViT:
    sizes = dict(case.config["vit"])
    sizes["ffn"] = "swiglu" if "swiglu" in sizes.pop("ffn_layer", "mlp") else "mlp"
    model = ViT(ViTConfig(**sizes), train_last=case.config["finetune_last_n_layers"])
    prefix = "model.model."
    state = {name.removeprefix(prefix): t for name, t in case.state().items() if name.startswith(prefix)}
    model.load_state_dict(state, strict=True)
    return model


def test_the_encoder_equals_pair_vpr() -> None:
    if "pairvpr/model_mlp_reg" not in runner.discover():
        pytest.skip("the case pairvpr/model_mlp_reg is not in this checkout's selection")
    case = runner.Case.named("pairvpr/model_mlp_reg")
    sizes = {key: case.config["encoder"][key] for key in ("embed_dim", "depth", "num_heads", "num_register_tokens")}
    config = ViTConfig(
        **sizes,
        img_size=case.config["encoder"]["pretrain_img_size"],
        interpolate_offset=case.config["encoder"]["interpolate_offset"],
        interpolate_antialias=case.config["encoder"]["interpolate_antialias"],
    )
    model = ViT(config)
    prefix = "encoder.model."
    state = {name.removeprefix(prefix): t for name, t in case.state().items() if name.startswith(prefix)}
    model.load_state_dict(state, strict=True)
    features = model.features(case.input("images"))
    case.check("tokens_in", model.embed(case.input("images")))
    case.check("dense", features.normed.patch_tokens)
    case.check("cls", features.normed.class_token)
    case.check("dense_rect", model.features(case.input("image_rect")).normed.patch_tokens)
