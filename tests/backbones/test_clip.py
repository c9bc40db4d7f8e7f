"""CLIP's towers against transformers' CLIP through the key map, and what they refuse."""

import json

import pytest
import torch

from tests.reference import runner
from vprkit.backbones import clip_names
from vprkit.backbones.clip_positions import resize_clip_positions
from vprkit.backbones.clip_resnet import ClipResNet
from vprkit.backbones.clip_text import ClipText, encode_ids
from vprkit.backbones.clip_vit import ClipViT
from vprkit.errors import ConfigError, VprError, WeightsError


def towers() -> tuple[ClipViT, ClipText, torch.nn.Embedding]:
    torch.manual_seed(0)
    return ClipViT(32, 8, 128, 2, 24).eval(), ClipText(64, 2, 2, 24).eval(), torch.nn.Embedding(60, 64)


def openai_state(image: ClipViT, text: ClipText, table: torch.nn.Embedding) -> dict[str, torch.Tensor]:
    state = {f"visual.{name}": value for name, value in image.state_dict().items()} | text.state_dict()
    return {**state, "token_embedding.weight": table.weight.detach(), "logit_scale": torch.tensor(1.0)}


@torch.no_grad()
def test_both_towers_agree_with_transformers_through_the_key_map() -> None:
    transformers = pytest.importorskip("transformers")
    image, text, table = towers()
    config = transformers.CLIPConfig(
        vision_config={"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2,
                       "image_size": 32, "patch_size": 8, "hidden_act": "quick_gelu"},
        text_config={"hidden_size": 64, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2,
                     "vocab_size": 60, "eos_token_id": 59, "hidden_act": "quick_gelu"},
        projection_dim=24,
    )  # fmt: skip
    theirs = transformers.CLIPModel(config).eval()
    theirs.load_state_dict(clip_names.to_transformers(openai_state(image, text, table)))
    images = torch.rand(2, 3, 32, 32)
    ids = torch.tensor([[58, 5, 9, 59, 0, 0], [58, 7, 59, 0, 0, 0]])
    found = theirs(input_ids=ids, pixel_values=images)
    ours, words = image(images), encode_ids(text, table, ids)
    assert torch.allclose(torch.nn.functional.normalize(ours), found.image_embeds, atol=1e-6)
    assert torch.allclose(torch.nn.functional.normalize(words), found.text_embeds, atol=1e-6)


def test_the_key_map_is_its_own_inverse() -> None:
    state = openai_state(*towers())
    back = clip_names.from_transformers(clip_names.to_transformers(state))
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_the_key_map_is_the_published_one() -> None:
    path = runner.root() / "progeo" / "manifests" / "openai_to_transformers_clip_vit.json"
    if not path.is_file():
        pytest.skip(f"the manifests of the reference are not at {runner.root()}")
    for row in json.loads(path.read_text())["map"]:
        assert clip_names.transformers_name(row["openai"]) == row["transformers"], row["openai"]


def test_what_follows_the_end_of_a_text_changes_nothing() -> None:
    _, text, table = towers()
    ids = torch.tensor([[58, 5, 9, 59, 0, 0, 0]])
    whole = text(table(ids), torch.tensor([3]))
    assert torch.allclose(text(table(ids[:, :4])), whole, atol=1e-6)
    assert torch.allclose(text(table(ids.where(ids > 0, torch.tensor(7))), torch.tensor([3])), whole, atol=1e-6)


def test_wrong_sizes_are_refused() -> None:
    image, text, _ = towers()
    with pytest.raises(VprError, match="32x32 images, got 32x40; use resize=32"):
        image(torch.zeros(1, 3, 32, 40))
    with pytest.raises(VprError, match="longer than CLIP's 77 positions"):
        text(torch.zeros(1, 78, 64))
    with pytest.raises(ConfigError, match="four stages"):
        ClipResNet((1, 1), 8)
    with pytest.raises(ConfigError, match="divisible by its patch 8"):
        ClipViT(30, 8, 64, 1, 8)
    with pytest.raises(WeightsError, match="6 rows"):
        resize_clip_positions(torch.zeros(6, 4), 3)
    pool = ClipResNet((1, 1, 1, 1), 4).add_attention_pool(2, 8)
    with pytest.raises(VprError, match="give images of 64x64"):
        pool.attnpool(pool(torch.zeros(1, 3, 64, 96)))


def test_freezing() -> None:
    image, _, _ = towers()
    image.freeze(1)
    assert image.class_embedding.requires_grad and not image.conv1.weight.requires_grad
    image.freeze(1, embeddings=True)
    assert not image.positional_embedding.requires_grad
    with pytest.raises(ConfigError, match="3 frozen blocks"):
        image.freeze(3)
    network = ClipResNet((1, 1, 1, 1), 4)
    network.freeze(2)
    assert network.train().bn1.training
    network.freeze(2, statistics=True)
    network.train()
    assert not network.bn1.training and not network.get_submodule("layer2.0.bn1").training
    assert network.get_submodule("layer3.0.bn1").training
