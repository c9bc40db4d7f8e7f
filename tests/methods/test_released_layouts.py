"""Every released layout of the aggregator methods fits exactly, and one wrong key is reported by name.

Shapes come from the reference's manifests where they are at hand; otherwise the networks' own shapes stand in, so that
damage is still reported.
"""

import functools
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.reference import runner
from vprkit import registry
from vprkit.errors import WeightsError
from vprkit.weights import Checkpoint, FileFormat
from vprkit.weights.resolving import Choice, choose_for_file, recognising

EXPECTED: dict[str, tuple[str, dict[str, Any]]] = {
    "lavpr/mixvpr_resnet50_4096": ("mixvpr-4096", {"out_channels": 1024, "out_rows": 4}),
    "lavpr/mixvpr_resnet50_512": ("mixvpr-512", {"out_channels": 256, "out_rows": 2}),
    "lavpr/mixvpr_resnet50_128": ("mixvpr-128", {"out_channels": 64, "out_rows": 2}),
    "lavpr/convap_resnet50_8192": ("convap-8192", {"out_channels": 2048}),
    "lavpr/convap_resnet50_4096": ("convap-4096", {"out_channels": 1024}),
    "lavpr/convap_resnet50_2048": ("convap-2048", {"out_channels": 512}),
    "lavpr/convap_resnet50_512": ("convap-512", {"out_channels": 128}),
    "lavpr/netvlad_vgg16_4096": ("netvlad-4096", {"num_clusters": 64, "whiten_dim": 4096}),
    "lavpr/dinov2_salad_8448": ("salad", {"num_clusters": 64, "cluster_dim": 128, "token_dim": 256}),
    "lavpr/boq_dinov2_12288": ("boq-dinov2-12288", {"num_queries": 64, "row_dim": 32, "final_norm": True}),
    "lavpr/boq_resnet50_16384": ("boq-resnet50-16384", {"stages": 3, "proj_channels": 512}),
    "lavpr/boq_resnet50_16384_old_layout": ("boq-resnet50-16384", {"stages": 3, "proj_channels": 512}),
    "lavpr/megaloc_8448": ("megaloc", {"feat_dim": 8448, "cluster_dim": 256}),
    "lavpr/blip_itm_base_coco": ("lavpr-crossmodal", {"family": "blip", "image_size": 384, "vocabulary": 30524}),
    "lavpr/lavpr_crossmodal_lightning_ckpt": ("lavpr-crossmodal", {"width": 768, "text_layers": 12, "dim": 256}),
    "selavpr/selavpr_vitl14": ("selavpr", {"size": "L", "registers": 0, "local_channels": 128}),
    "selavpr/selavpr_vitl14_reg4": ("selavpr-reg4-msls", {"size": "L", "registers": 4, "local_mid_channels": 256}),
    "rerankvpr/rerankvpr_dinov2_small": ("rerankvpr-small", {"size": "S", "registers": 0, "aggregator": "cls"}),
    "rerankvpr/rerankvpr_dinov2_base": ("rerankvpr-base", {"size": "B", "registers": 0}),
    "rerankvpr/rerankvpr_dinov2_large": ("rerankvpr-large", {"size": "L", "registers": 0}),
    "rerankvpr/rerankvpr_dinov2_giant": ("rerankvpr-giant", {"size": "g", "registers": 0}),
    "rerankvpr/rerankvpr_dinov2_finetune_large_reg": ("rerankvpr-large-reg4", {"size": "L", "registers": 4}),
    "pairvpr/pairvpr-vitB": ("pairvpr-vitb", {"size": "B", "registers": 4, "class_token": True, "image_size": 322}),
    "pairvpr/pairvpr-vitL": ("pairvpr-vitl", {"size": "L", "decoder_width": 768, "decoder_depth": 12}),
    "pairvpr/pairvpr-vitG": ("pairvpr-vitg", {"size": "g", "decoder_heads": 12, "descriptor": 512}),
    "pairvpr/pairvpr-pretrained-vitB": ("pairvpr-pretrained-vitb", {"class_token": False, "image_size": 224}),
    "pairvpr/pairvpr-pretrained-vitL": ("pairvpr-pretrained-vitl", {"class_token": False, "image_size": 224}),
    "pairvpr/pairvpr-pretrained-vitG": ("pairvpr-pretrained-vitg", {"class_token": False, "image_size": 224}),
    "progeo/cosplace_vgg16": ("cosplace-vgg16-512", {"backbone": "vgg16", "dim": 512}),
    "progeo/cosplace_resnet18": ("cosplace-resnet18-512", {"backbone": "resnet18", "dim": 512}),
    "progeo/cosplace_resnet50": ("cosplace-resnet50-2048", {"backbone": "resnet50", "dim": 2048}),
    "progeo/cosplace_resnet101": ("cosplace-resnet101-2048", {"backbone": "resnet101", "dim": 2048}),
    "progeo/cosplace_resnet152": ("cosplace-resnet152-2048", {"backbone": "resnet152", "dim": 2048}),
    "progeo/cosplace_efficientnet_b0": ("cosplace", {"backbone": "efficientnet_b0", "dim": 512}),
    "progeo/progeo_clip_rn50": ("progeo-rn50", {"layers": (3, 4, 6, 3), "dim": 1024}),
    "progeo/progeo_clip_rn101": ("progeo-rn101", {"layers": (3, 4, 23, 3), "dim": 512}),
    "progeo/progeo_clip_vit_b_16": ("progeo-vit-b-16", {"patch": 16, "image_size": 512, "dim": 512}),
    "progeo/progeo_clip_vit_b_32": ("progeo-vit-b-32", {"patch": 32, "image_size": 512, "dim": 512}),
}
SMALL = ["lavpr/mixvpr_resnet50_128", "lavpr/boq_resnet50_16384_old_layout", "lavpr/boq_dinov2_12288"]
SMALL += ["lavpr/netvlad_vgg16_4096", "lavpr/dinov2_salad_8448", "lavpr/megaloc_8448", "progeo/cosplace_vgg16"]
SMALL += ["rerankvpr/rerankvpr_dinov2_small", "progeo/progeo_clip_vit_b_32", "progeo/progeo_clip_rn50"]
SMALL += ["selavpr/selavpr_vitl14_reg4", "progeo/cosplace_resnet18", "progeo/cosplace_efficientnet_b0"]

Shapes = dict[str, tuple[int, ...]]


@functools.cache
def content(manifest: str) -> dict[str, Any]:
    system, name = manifest.split("/")
    path = runner.root() / system / "manifests" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"the manifests of the reference are not at {runner.root()}")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def shapes(manifest: str) -> Shapes:
    """Without the wrapper's prefix, which reading strips."""
    listed = {name: shape for name, shape in content(manifest).items() if name != "_meta"}
    return {name.removeprefix("module."): tuple(shape) for name, shape in listed.items()}


def checkpoint(shapes: Shapes, file: str = "some.ckpt") -> Checkpoint:
    """A file of these shapes; its tensors take no memory."""
    state = {
        name: torch.empty(shape, device="meta", dtype=torch.long if name.endswith("num_batches_tracked") else None)
        for name, shape in shapes.items()
    }
    return Checkpoint(Path(file), FileFormat.TORCH_ZIP, state, (), (), None)


def choose(found: Checkpoint, name: str) -> Choice:
    """By the method's name, since CosPlace and EigenPlaces files look alike."""
    return choose_for_file(found, registry.find_declaration(name).name, {})


def complaint(damaged: Shapes, method: str) -> str:
    found = checkpoint(damaged)
    with pytest.raises(WeightsError) as error:
        choose(found, method).fill(found)
    return str(error.value)


@pytest.mark.parametrize("manifest", EXPECTED)
def test_fits_exactly(manifest: str) -> None:
    name, options = EXPECTED[manifest]
    found = checkpoint(shapes(manifest))
    choice = choose(found, name)
    assert choice.name == name
    assert {key: getattr(choice.configuration, key) for key in options} == options
    with pytest.raises(WeightsError, match="left without value"):  # names and shapes fit; the tensors are not there
        choice.fill(found)


@pytest.mark.parametrize("manifest", EXPECTED)
def test_only_its_own_methods_recognise_it(manifest: str) -> None:
    name = registry.find_declaration(EXPECTED[manifest][0]).name
    found = {declaration.name for declaration, _ in recognising(checkpoint(shapes(manifest)))}
    assert found == ({"cosplace", "eigenplaces"} if name == "cosplace" else {name})


def test_the_manifests_of_other_systems_are_not_recognised() -> None:
    paths = list(runner.root().glob("*/manifests/*.json"))
    if not paths:
        pytest.skip(f"the manifests of the reference are not at {runner.root()}")
    own = {"progeo", "mixvpr", "convap", "netvlad", "salad", "boq", "megaloc", "cosplace", "eigenplaces", "dinomix"}
    for path in paths:
        key = f"{path.parents[1].name}/{path.stem}"
        if key not in EXPECTED:
            listed = json.loads(path.read_text())
            found = {
                n: tuple(s) for n, s in listed.items() if isinstance(s, list) and all(isinstance(v, int) for v in s)
            }
            assert not own & {d.name for d, _ in recognising(checkpoint(found))}, key


def kept(names: list[str], method: str) -> list[str]:
    """Names that the network has; its key map drops the others."""
    reference = registry.find_declaration(method).key_map
    key_map = registry.load_attribute(reference) if reference else str
    return [name for name in names if key_map(name) is not None]


def spread(names: list[str], count: int) -> list[str]:
    """Some names from all parts of the network."""
    rest = [name for name in names if not name.startswith("backbone")][::4]
    trunk = [name for name in names if name.startswith("backbone")]
    return rest + trunk[:: max(1, len(trunk) // count)]


@pytest.mark.parametrize("manifest", SMALL)
def test_one_wrong_key_is_reported_by_name(manifest: str) -> None:
    method, complete = EXPECTED[manifest][0], shapes(manifest)
    for name in spread(kept(list(complete), method), 4):
        rest = {key: shape for key, shape in complete.items() if key != name}
        assert f"'{name}'" in complaint(rest, method), f"{name} removed"
        renamed = complaint({**rest, f"{name}_": complete[name]}, method)
        assert f"'{name}'" in renamed and f"'{name}_'" in renamed, f"{name} renamed"
        wrong = (complete[name][0] + 1, *complete[name][1:]) if complete[name] else (2,)
        misshaped = complaint({**rest, name: wrong}, method)
        assert f"'{name}'" in misshaped and f"is {wrong}, must be {complete[name]}" in misshaped, f"{name} mis-shaped"


def test_clique_mining_is_told_from_salad_by_the_name_of_its_file() -> None:
    found = shapes("lavpr/dinov2_salad_8448")
    for file, name in [("dino_salad.ckpt", "salad"), ("cliquemining.ckpt", "clique-mining"), ("other.ckpt", "salad")]:
        assert choose_for_file(checkpoint(found, file), None, {}).name == name
    assert choose_for_file(checkpoint(found), "salad-indoor", {}).name == "salad-indoor"


def test_cosplace_and_eigenplaces_are_told_apart_by_the_name_of_the_file() -> None:
    found = shapes("progeo/cosplace_resnet50")
    for method in ("cosplace", "eigenplaces"):
        choice = choose_for_file(checkpoint(found, f"ResNet50_2048_{method}.pth"), None, {})
        assert (choice.name, choice.licence) == (f"{method}-resnet50-2048", "MIT")
    with pytest.raises(WeightsError, match="fits several methods: cosplace, eigenplaces"):
        choose_for_file(checkpoint(found), None, {})
    assert choose_for_file(checkpoint(found), "eigenplaces-indoor", {}).name == "eigenplaces-indoor"


def test_the_final_norm_of_boq_may_be_absent() -> None:
    found = {n: s for n, s in shapes("lavpr/boq_dinov2_12288").items() if not n.startswith("backbone.dino.norm.")}
    choice = choose(checkpoint(found), "boq")
    assert choice.name == "boq-dinov2-12288" and not choice.configuration.final_norm
    with pytest.raises(WeightsError, match="left without value"):
        choice.fill(checkpoint(found))


def test_netvlad_without_whitening() -> None:
    found = shapes("lavpr/netvlad_vgg16_4096")
    raw = choose_for_file(checkpoint(found), "netvlad-32768", {})
    assert raw.name == "netvlad-32768" and raw.configuration.whiten_dim == 4096 and not raw.configuration.whitened
    bare = {name: shape for name, shape in found.items() if not name.startswith("whiten.")}
    assert choose(checkpoint(bare), "netvlad").configuration.whiten_dim == 0
