"""Files of cross-modal towers: bases, adapters, training checkpoints, other families."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import nn

import vprkit
from tests.methods.crossmodal_small import (
    CPU,
    HEADS,
    SENTENCES,
    SIDE,
    TINY,
    adapter_of,
    authors,
    linear,
    pictures,
    same,
    tiny,
)
from tests.methods.test_released_layouts import checkpoint, content, shapes
from vprkit.errors import ConfigError, NotAvailable, WeightsError
from vprkit.loading import load_method, save_method
from vprkit.method import Method
from vprkit.methods.lavpr_crossmodal.checkpoint import recognise
from vprkit.methods.lavpr_crossmodal.network import CrossModalConfig, build
from vprkit.registry import find_declaration, list_methods, load_attribute
from vprkit.weights.fitting import on_meta
from vprkit.weights.lora import CONFIG, FILES, PREFIX, Adapter, LoraFacts, lavpr_scaling, merge_into, split
from vprkit.weights.resolving import choose_for_file

pytestmark = pytest.mark.usefixtures("weights_folder")


def test_a_base_file_is_told_by_its_shapes(tmp_path: Path) -> None:
    method, path = tiny(), tmp_path / "pytorch_model.bin"
    numbers = {"text_encoder.embeddings.position_ids": torch.arange(40)[None]}  # older files hold them
    torch.save({**authors(method), **numbers}, path)
    loaded = load_method(weights=path, **CPU, **HEADS)
    same(loaded, method)
    assert loaded.name == "lavpr-crossmodal" and loaded.configuration == method.configuration
    broken = authors(method)
    broken["vision_proj.weights"] = broken.pop("vision_proj.weight")
    torch.save(broken, path)
    with pytest.raises(WeightsError, match=r"vision_proj.weight'"):
        load_method(weights=path, **CPU, **HEADS)


def test_without_a_file_the_message_says_which_one(weights_folder: Path) -> None:
    with pytest.raises(NotAvailable, match=r"blip-itm-base-coco.safetensors is at https://huggingface.co/Salesforce"):
        load_method("lavpr-crossmodal")


def test_own_files_carry_everything(tmp_path: Path) -> None:
    method = tiny(direction="image_to_text", characters=77)
    again = load_method(weights=save_method(method, tmp_path / "own.safetensors"), device="cpu")
    same(again, method)
    assert again.configuration == method.configuration and again.preprocessing == method.preprocessing
    assert torch.equal(again.describe(texts=SENTENCES).global_, method.describe(texts=SENTENCES).global_)


def test_a_training_checkpoint_is_merged(tmp_path: Path) -> None:
    method, rank = tiny(), 3
    adapter, weights = adapter_of(method, rank), authors(method)
    lightning, wanted = {"contrastive_logit_scale": torch.tensor(0.07)}, dict(weights)
    inner = "text_encoder.base_model.model."
    for name, tensor in weights.items():
        module, _, part = name.rpartition(".")
        layer = f"{module}.base_layer" if module in linear(method) else module
        lightning[f"{inner}{layer}.{part}" if module else f"{inner}{name}"] = tensor
    for module in linear(method):
        a, b = (adapter[f"{PREFIX}{module}.lora_{half}.weight"] for half in "AB")
        lightning |= {f"{inner}{module}.lora_A.default.weight": a, f"{inner}{module}.lora_B.default.weight": b}
        wanted[f"{module}.weight"] = weights[f"{module}.weight"] + lavpr_scaling(rank) * b @ a
    torch.save({"state_dict": lightning, "epoch": 3}, tmp_path / "resnet50_epoch(03).ckpt")
    loaded = load_method(weights=tmp_path / "resnet50_epoch(03).ckpt", **CPU, **HEADS)
    for name, tensor in authors(loaded).items():
        torch.testing.assert_close(tensor, wanted[name])
    assert lavpr_scaling(64) == 16


@pytest.fixture
def files(tmp_path: Path) -> tuple[Method, Path, Path]:
    """A base method, its file, and a folder with an adapter for it."""
    method, base, place = tiny(), tmp_path / "model.safetensors", tmp_path / "adapter"
    save_file(authors(method), base)
    place.mkdir()
    save_file(adapter_of(method), place / FILES[0])
    said = {"peft_type": "LORA", "r": 3, "lora_alpha": 6, "use_rslora": True, "bias": "none",
            "target_modules": sorted({name.rpartition(".")[2] for name in linear(method)}),
            "modules_to_save": ["classifier", "score"], "task_type": "SEQ_CLS"}  # fmt: skip
    (place / CONFIG).write_text(json.dumps(said))
    return method, base, place


def test_an_adapter_s_folder_is_merged_into_its_base(files: tuple[Method, Path, Path], tmp_path: Path) -> None:
    method, base, place = files
    loaded = load_method("lavpr-crossmodal", base, adapter=place, **CPU, **HEADS)
    module = "text_encoder.encoder.layer.1.attention.self.query"
    a, b = (adapter_of(method)[f"{PREFIX}{module}.lora_{half}.weight"] for half in "AB")
    wanted = authors(method)[f"{module}.weight"] + 6 / 3**0.5 * b @ a
    torch.testing.assert_close(authors(loaded)[f"{module}.weight"], wanted)
    assert loaded.weights is not None and loaded.weights.adapter == str(place)
    own = save_method(method, tmp_path / "own.safetensors")  # the base in vprkit's own format
    same(load_method(weights=own, adapter=place, device="cpu"), loaded)
    with pytest.raises(ConfigError, match="needs the weights that it was made for"):
        tiny(adapter=place)


def test_a_map_finds_its_adapter_again(files: tuple[Method, Path, Path], tmp_path: Path) -> None:
    _, base, place = files
    for number in range(3):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(np.full((SIDE, SIDE, 3), 80 * number, np.uint8)).save(tmp_path / "photos" / f"{number}.png")
    method = load_method("lavpr-crossmodal", base, adapter=place, **CPU, **HEADS)
    built = vprkit.Map.build(tmp_path / "photos", method, tmp_path / "map")
    again = vprkit.Map.open(tmp_path / "map", device="cpu")
    same(again.method, method)
    asked = method.describe(texts=SENTENCES).global_.numpy()
    first, second = built.search(asked, 3), again.search(asked, 3)
    assert np.array_equal(first.numbers, second.numbers) and np.array_equal(first.scores, second.scores)


def base_network() -> nn.Module:
    return on_meta(lambda: build(CrossModalConfig()))


def test_the_released_adapter_fits_the_released_base() -> None:
    manifest = "lavpr/lavpr_blip_lora_all_r64_adapter"
    said = content(manifest)["_meta"]["lora"]
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes(manifest).items()}
    pairs, rest = split(state)
    assert not rest and 2 * len(pairs) == len(state)
    facts = LoraFacts(said["r"], said["lora_alpha"], said["use_rslora"], ("qkv", "projection", "fc1", "fc2", "query",
                      "key", "value", "dense", "vision_proj", "text_proj", "itm_head"))  # fmt: skip
    adapter = Adapter(Path(manifest), facts, {name.removeprefix(PREFIX): pair for name, pair in pairs.items()})
    key_map = load_attribute(str(find_declaration("lavpr-crossmodal").key_map))
    merge_into(base_network(), adapter, key_map)  # also sees that no layer is left without
    assert sum(tensor.numel() for tensor in state.values()) == 24_952_960 and facts.scaling == 16
    less = dataclasses.replace(adapter, pairs=dict(list(adapter.pairs.items())[1:]))
    with pytest.raises(WeightsError, match=r"no matrices for 1 layers .* towers.vision_model.encoder.layers.0"):
        merge_into(base_network(), less, key_map)


@pytest.mark.parametrize("manifest", ["lavpr/blip_itm_base_coco", "lavpr/lavpr_crossmodal_lightning_ckpt"])
def test_one_wrong_key_of_a_released_file_is_named(manifest: str) -> None:
    complete = shapes(manifest)
    for name in list(complete)[::97]:
        rest = {key: shape for key, shape in complete.items() if key != name}
        found = checkpoint({**rest, f"{name}_": complete[name]})
        with pytest.raises(WeightsError) as error:
            choose_for_file(found, "lavpr-crossmodal", {}).fill(found)
        plain = name.replace("text_encoder.base_model.model.", "").replace(".base_layer", "")
        assert plain.partition(".lora_")[0] in str(error.value)


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_other_families_load_transformers_files(family: str, tmp_path: Path) -> None:
    words = {"clip": (49408, 77, 16), "siglip": (120, 64, 64)}[family]
    sizes = dict(zip(("vocabulary", "positions", "dim"), words, strict=True))
    options = {**TINY, **sizes, "width": 64, "text_width": 64, "heads": 1, "text_heads": 1, "family": family}
    method = load_method("lavpr-crossmodal", "random", **CPU, **options)
    ends = {"logit_scale": torch.tensor(1.0), "logit_bias": torch.tensor(0.0)}
    save_file({**authors(method), **(ends if family == "siglip" else {"logit_scale": ends["logit_scale"]})},
              tmp_path / "model.safetensors")  # fmt: skip
    loaded = load_method(weights=tmp_path / "model.safetensors", **CPU, heads=1, text_heads=1)
    same(loaded, method)
    assert loaded.name == f"lavpr-crossmodal-{family}"
    assert (loaded.preprocessing.mean == (0.5, 0.5, 0.5)) == (family == "siglip")
    assert loaded.describe(pictures()).global_.shape == (3, sizes["dim"])
    with pytest.raises(NotAvailable, match=r"(vocabulary|tokeniser).* is not here"):
        loaded.describe(texts=["x"])


@pytest.mark.parametrize(
    ("family", "model", "part"), [("clip", "CLIPModel", "CLIP"), ("siglip", "SiglipModel", "Siglip")]
)
def test_other_families_say_what_transformers_says(family: str, model: str, part: str) -> None:
    transformers: Any = pytest.importorskip("transformers")
    dim = {"clip": 16, "siglip": 64}[family]
    options = {**TINY, "vocabulary": 49408, "positions": 20, "dim": dim, "width": 64, "text_width": 64, "heads": 1,
               "text_heads": 1, "family": family}  # fmt: skip
    method = load_method("lavpr-crossmodal", "random", **CPU, **options)
    names = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1}
    vision = {**names, "intermediate_size": 64, "image_size": SIDE, "patch_size": 8}
    text = {**names, "intermediate_size": 48, "vocab_size": 49408, "max_position_embeddings": 20}
    text |= {"projection_size": dim} if family == "siglip" else {}
    own = getattr(transformers, f"{part}Config")(vision_config=vision, text_config=text, projection_dim=dim)
    theirs = getattr(transformers, model)(own).eval()
    missing = theirs.load_state_dict(authors(method), strict=False)
    assert not missing.unexpected_keys and set(missing.missing_keys) <= {"logit_scale", "logit_bias"}
    ids = torch.randint(2, 400, (2, 20))
    ids[:, 12] = 49407
    with torch.inference_mode():
        wanted = (
            theirs.get_image_features(pictures()),
            theirs.get_text_features(ids, attention_mask=torch.ones(2, 20)),
        )
        towers: Any = method.network.towers
        found = (towers.image_vectors(pictures()), towers.text_vectors(ids, torch.ones(2, 20)))
    for theirs_, ours in zip(wanted, found, strict=True):
        torch.testing.assert_close(nn.functional.normalize(theirs_.pooler_output, dim=-1), ours)


def test_eva_is_refused_with_the_reason() -> None:
    with pytest.raises(NotAvailable, match="'eva-02' is not offered: .*open_clip.*use lavpr-crossmodal"):
        load_method("eva-02")
    assert "lavpr-crossmodal-siglip" in list_methods("lavpr-cross*")
    assert recognise({"visual.trunk.blocks.0.attn.q_proj.weight": (1, 1)}) is None
