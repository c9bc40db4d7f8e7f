"""The method dinov2: its released models, its options, its descriptors."""

import json
import subprocess
import sys
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from tests.reference import runner
from vprkit.config import from_dict
from vprkit.errors import ConfigError
from vprkit.methods.dinov2 import METHOD
from vprkit.methods.dinov2.checkpoint import SIZES, recognise, to_network
from vprkit.methods.dinov2.network import DinoV2Config, build
from vprkit.registry import find_declaration, list_methods
from vprkit.weights import differences, on_meta

MODELS = [(size, registers) for size in SIZES for registers in (0, 4)]


def manifest(size: str, registers: int) -> dict[str, Any]:
    name = f"dinov2_vit{size.lower()}14" + ("_reg4" if registers else "")
    path = runner.root() / "selavpr" / "manifests" / f"{name}.json"
    if not path.is_file():
        pytest.skip(f"the manifests of the reference are not at {runner.root()}")
    return json.loads(path.read_text())


def shapes_of(content: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(shape) for name, shape in content.items() if name != "_meta"}


@pytest.mark.parametrize(("size", "registers"), MODELS)
def test_every_released_model_is_told_apart_and_fits_exactly(size: str, registers: int) -> None:
    content = manifest(size, registers)
    shapes, meta = shapes_of(content), content["_meta"]
    options = recognise(shapes)
    assert options == {"size": size, "registers": registers}
    config = from_dict(DinoV2Config, options)
    network = on_meta(lambda: build(config))
    wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert differences({str(to_network(name)): shape for name, shape in shapes.items()}, wanted) == []
    backbone = config.backbone()
    assert backbone.num_heads == meta["num_heads"] == meta["embed_dim"] // 64
    assert backbone.interpolate_offset == meta["interpolate_offset"]
    assert backbone.interpolate_antialias == meta["interpolate_antialias"]
    assert sum(parameter.numel() for parameter in network.parameters()) == meta["num_elements"]
    assert meta["file"] in {released.file for released in METHOD.released}


@pytest.mark.parametrize(
    ("size", "numbers"), [("S", 22_056_576), ("B", 86_580_480), ("L", 304_368_640), ("g", 1_136_480_768)]
)
def test_published_numbers_of_parameters(size: Any, numbers: int) -> None:
    for registers in (0, 4):
        config = DinoV2Config(size=size, registers=registers)
        network = on_meta(lambda config=config: build(config))
        assert sum(p.numel() for p in network.parameters()) == numbers + registers * SIZES[size].width


@pytest.mark.parametrize(("size", "registers"), MODELS)
def test_every_released_model_has_a_name_and_an_address(size: str, registers: int) -> None:
    name = f"dinov2-vit{size.lower()}14" + ("-reg4" if registers else "")
    assert name in list_methods("dinov2-*") and find_declaration(name).name == "dinov2"
    (released,) = [released for released in METHOD.released if released.variant == name]
    model = f"dinov2_vit{size.lower()}14"
    suffix = "_reg4_pretrain.pth" if registers else "_pretrain.pth"
    assert released.url == f"https://dl.fbaipublicfiles.com/dinov2/{model}/{model}{suffix}"
    assert released.licence == "Apache-2.0" and released.file == model + suffix


def test_no_other_systems_manifest_is_recognised() -> None:
    paths = [path for path in runner.root().glob("*/manifests/*.json") if not path.name.startswith("dinov2_vit")]
    if not paths:
        pytest.skip(f"the manifests of the reference are not at {runner.root()}")
    for path in paths:
        content = json.loads(path.read_text())
        shapes = {
            k.removeprefix("module."): tuple(v) for k, v in content.items() if isinstance(v, list) and k != "_meta"
        }
        assert recognise(shapes) is None, path.name


@pytest.mark.parametrize("shapes", [{}, {"cls_token": ()}, {"blocks.0.ls1.gamma": (5,)}, {"pos_embed": (1,)}])
def test_strange_shapes_are_not_recognised(shapes: dict[str, tuple[int, ...]]) -> None:
    assert recognise(shapes) is None


def small(**options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return build(DinoV2Config(size="S", depth=2, table_size=28, **options)).eval()


def images() -> torch.Tensor:
    return torch.randn(2, 3, 28, 42, generator=torch.Generator().manual_seed(0))


def test_class_token() -> None:
    network = small()
    with torch.inference_mode():
        vectors = network(images()).global_
        raw = small(normalise=False)(images()).global_
        torch.testing.assert_close(raw, network.backbone(images()))  # type: ignore[operator]
        torch.testing.assert_close(vectors, F.normalize(raw, dim=1))


def test_gem_of_patch_tokens() -> None:
    network = small(pooling="gem", gem_power=2.0, registers=4)
    with torch.inference_mode():
        tokens = F.normalize(network.backbone.features(images()).normed.patch_tokens, dim=-1)  # type: ignore[union-attr,operator]
        expected = F.normalize(tokens.clamp(min=1e-6).square().mean(1).sqrt(), dim=1)
        torch.testing.assert_close(network(images()).global_, expected)


def test_descriptors_of_one_image_do_not_depend_on_its_batch() -> None:
    network = small()
    with torch.inference_mode():
        together, alone = network(images()).global_, network(images()[1:]).global_
    torch.testing.assert_close(together[1:], alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("options", [{"gem_power": 0.0}, {"depth": 0}])
def test_impossible_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        DinoV2Config(**options)


def test_sizes_off_the_patch_grid_are_refused() -> None:
    with pytest.raises(ConfigError, match="do not divide into patches of 14"):
        small()(torch.zeros(1, 3, 30, 28))


def test_the_declaration_needs_no_torch() -> None:
    script = "import sys, vprkit.methods.dinov2 as m; assert m.METHOD.name; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
