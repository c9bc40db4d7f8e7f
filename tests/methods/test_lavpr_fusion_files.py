"""LaVPR's fusion: the authors' checkpoints, part by part and whole."""

import json
from pathlib import Path

import pytest
import torch

import vprkit
from tests.reference import runner
from vprkit import registry
from vprkit.backbones.text_encoder import BGE_LARGE, TextEncoder, load_text_encoder
from vprkit.errors import WeightsError
from vprkit.loading import save_method
from vprkit.methods.lavpr_fusion.checkpoint import below, to_network
from vprkit.methods.lavpr_fusion.heads import HEADS
from vprkit.weights.fitting import differences
from vprkit.weights.resolving import choose_by_name


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return load_text_encoder()


def manifest(name: str) -> dict[str, tuple[int, ...]]:
    path = runner.root() / "lavpr" / "manifests" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"the manifests of the reference are not at {runner.root()}")
    return {key: tuple(shape) for key, shape in json.loads(path.read_text()).items() if key != "_meta"}


@pytest.mark.parametrize("dim", [512, 4096])
def test_the_authors_checkpoints_fit_part_by_part(dim: int) -> None:
    shapes = manifest(f"lavpr_ads_mixvpr{dim}_bge_large")
    recognise = registry.find_declaration("lavpr-fusion").recognise
    assert recognise is not None
    options = recognise(shapes)
    assert options == {"image": f"mixvpr-{dim}", "text": "bge-large", "head": "ads", "pooling": "cls"}
    choice = choose_by_name("lavpr-fusion", {}, options)
    assert choice.name == f"lavpr-ads-mixvpr{dim}" and choice.preprocessing.size == (320, 320)
    image = choose_by_name(options["image"], {})
    key_map = registry.load_attribute(image.declaration.key_map) if image.declaration.key_map else str
    with torch.device("meta"):
        built, text = image.build(), TextEncoder(BGE_LARGE)
        head = HEADS["ads"](dim, 1024, 0)
    wanted = {name: tuple(value.shape) for name, value in built.state_dict().items()}
    held = {str(key_map(name)): shape for name, shape in below(shapes, "vpr_encoder.").items()}
    assert not differences(held, wanted, spelled=str)
    words = {name: tuple(value.shape) for name, value in text.bert.state_dict().items()}
    held = {n: s for n, s in below(shapes, "text_encoder.").items() if not n.startswith("pooler.")}
    assert not differences(held, words, spelled=str)
    mapped = {to_network(name): shape for name, shape in shapes.items() if to_network(name)}
    own = {f"head.{name}": tuple(value.shape) for name, value in head.state_dict().items()}
    assert {name: shape for name, shape in mapped.items() if str(name).startswith("head.")} == own
    assert {str(name).split(".")[0] for name in mapped} == {"head", "text_pooling"}


@pytest.mark.parametrize("adapted", [False, True], ids=["plain", "adapted"])
@torch.inference_mode()
def test_a_whole_checkpoint_of_the_authors_layout_is_read(encoder: TextEncoder, tmp_path: Path, adapted: bool) -> None:
    shapes = manifest("mixvpr_resnet50_128")
    choice = choose_by_name("mixvpr-128", {})
    key_map = registry.load_attribute(choice.declaration.key_map) if choice.declaration.key_map else str
    torch.manual_seed(2)
    image = choice.build().state_dict()
    whole = vprkit.load_method("lavpr-fusion", "random:1", image="mixvpr-128", head="ads", pooling="cls")
    own = whole.network.state_dict()
    state = {f"vpr_encoder.{name}": image[str(key_map(name))] for name in shapes}
    text = {f"text_encoder.{name}": value for name, value in encoder.bert.state_dict().items()}
    wanted = encoder.bert.state_dict()["encoder.layer.1.attention.self.query.weight"]
    if adapted:  # as peft wraps it, rank 4
        text, changed = {f"text_encoder.base_model.model.{n.partition('.')[2]}": v for n, v in text.items()}, wanted
        layer = "text_encoder.base_model.model.encoder.layer.1.attention.self.query"
        a, b = torch.randn(4, 384) / 20, torch.randn(384, 4) / 20
        text |= {f"{layer}.base_layer.{end}": text.pop(f"{layer}.{end}") for end in ("weight", "bias")}
        text |= {f"{layer}.lora_A.default.weight": a, f"{layer}.lora_B.default.weight": b}
        wanted = changed + 8 / 4**0.5 * b @ a  # alpha = 2 r, by the root of r
    state |= text
    state |= {"text_encoder.pooler.dense.weight": torch.zeros(384, 384)}
    state |= {name.removeprefix("head."): value for name, value in own.items() if name.startswith(("head.", "text_p"))}
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "authors.ckpt")
    method = vprkit.load_method(weights=tmp_path / "authors.ckpt")
    found = method.network.state_dict()
    assert torch.equal(found["head.fusion.0.weight"], own["head.fusion.0.weight"])
    assert all(torch.equal(found[f"vpr_encoder.{name}"], value) for name, value in image.items())
    torch.testing.assert_close(found["text_encoder.bert.encoder.layer.1.attention.self.query.weight"], wanted)
    assert method.configuration["image"] == "mixvpr-128" and method.preprocessing.size == (320, 320)
    mean = vprkit.load_method(weights=tmp_path / "authors.ckpt", pooling="mean")
    assert (method.network.text_pooling.beside, mean.network.text_pooling.beside) == ("cls", "mean")
    saved = save_method(method, tmp_path / "whole.safetensors")
    assert vprkit.load_method(weights=saved).tensors_sha256 == method.tensors_sha256  # encoders came with the file


@torch.inference_mode()
def test_projections_are_loaded_as_what_they_are(encoder: TextEncoder, tmp_path: Path) -> None:
    """Those of `cross_modal=3` and of `fusion_type=add` have the same names and shapes, so the user says which."""
    image = vprkit.load_method("mixvpr-128", "random:1").network.state_dict()
    torch.manual_seed(3)
    state = {f"vpr_encoder.{name}": value for name, value in image.items()}
    state |= {f"text_encoder.{name}": value for name, value in encoder.bert.state_dict().items()}
    state |= HEADS["projections"](128, 384, 24).state_dict()
    path = tmp_path / "across.ckpt"
    torch.save({"state_dict": state}, path)
    with pytest.raises(WeightsError, match="say head=projections or head=add"):
        vprkit.load_method(weights=path)
    across = vprkit.load_method(weights=path, head="projections")
    assert across.network.config.compared == "across" and across.configuration["width"] == 24
    words = ["a red house"]
    wanted = state["text_proj.weight"] @ encoder.read(words).vectors[0] + state["text_proj.bias"]
    torch.testing.assert_close(across.describe(texts=words).global_[0], wanted / wanted.norm(), rtol=1e-4, atol=1e-5)
    assert vprkit.load_method(weights=path, head="add").network.config.joined
    assert vprkit.load_method(weights=path, mode="text").network.config.head == "none"
