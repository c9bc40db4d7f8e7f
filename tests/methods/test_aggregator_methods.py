"""The aggregator methods as a user meets them: names, addresses, options, descriptors, refusals."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

import vprkit
from vprkit import registry
from vprkit.backbones.trunk import Trunk
from vprkit.config import from_dict
from vprkit.errors import ConfigError, NotAvailable
from vprkit.loading import save_method
from vprkit.methods.netvlad import METHOD as NETVLAD
from vprkit.weights import on_meta

NAMES = ["boq", "convap", "cosplace", "dinomix", "eigenplaces", "megaloc", "mixvpr", "netvlad", "salad"]
WIDTHS = {
    "boq-dinov2-12288": 12288,
    "boq-resnet50-16384": 16384,
    "clique-mining": 8448,
    "convap-512": 512,
    "convap-8192": 8192,
    "cosplace": 2048,
    "dinomix": 4096,
    "eigenplaces-resnet18-256": 256,
    "megaloc": 8448,
    "mixvpr-128": 128,
    "mixvpr-4096": 4096,
    "netvlad-32768": 32768,
    "netvlad-4096": 4096,
    "salad": 8448,
}
SMALL: dict[str, tuple[dict[str, Any], tuple[int, int], int]] = {
    "boq": ({"size": "S", "depth": 1, "proj_channels": 64, "num_queries": 2, "row_dim": 2}, (28, 42), 128),
    "convap": ({"backbone": "resnet18", "out_channels": 4}, (64, 96), 16),
    "cosplace": ({"backbone": "resnet18", "dim": 8}, (64, 96), 8),
    "dinomix": ({"size": "S", "depth": 1, "image_size": 56, "out_channels": 3, "out_rows": 2}, (60, 80), 6),
    "eigenplaces": ({"backbone": "vgg16", "dim": 8}, (32, 48), 8),
    "megaloc": (
        {"size": "S", "depth": 1, "feat_dim": 9, "num_clusters": 3, "cluster_dim": 4, "token_dim": 5, "mlp_dim": 6},
        (30, 45),
        9,
    ),
    "mixvpr": ({"backbone": "resnet18", "image_size": (64, 96), "out_channels": 3, "out_rows": 2}, (50, 60), 6),
    "netvlad": ({"num_clusters": 2, "whiten_dim": 8}, (32, 48), 8),
    "salad": ({"size": "S", "depth": 1, "num_clusters": 3, "cluster_dim": 4, "token_dim": 5}, (30, 45), 17),
}


def build(name: str, options: dict[str, Any]) -> nn.Module:
    declaration = registry.find_declaration(name)
    variant = declaration.variants.get(name)
    settings = {**(variant.configuration if variant else {}), **options}
    config = from_dict(registry.load_attribute(declaration.configuration), settings)
    network: nn.Module = registry.load_attribute(declaration.network)(config)
    return network


def test_every_method_has_its_small_example() -> None:
    assert sorted(SMALL) == NAMES and set(NAMES) <= set(registry.list_methods())


@pytest.mark.parametrize("name", NAMES)
def test_small_networks_describe(name: str) -> None:
    options, size, dim = SMALL[name]
    torch.manual_seed(0)
    network = build(name, options).eval()
    images = torch.randn(2, 3, *size)
    with torch.inference_mode():
        vectors = network(images)
        alone = network(images[1:])
    assert vectors.shape == (2, dim)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(alone, vectors[1:], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_files_keep_options_and_numbers(name: str, tmp_path: Any) -> None:
    options, size, _ = SMALL[name]
    method = vprkit.load_method(name, weights="random", resize="none", device="cpu", **options)
    again = vprkit.load_method(weights=save_method(method, tmp_path / "x.safetensors"), device="cpu")
    assert again.identity() == method.identity()
    images = torch.randn(1, 3, *size)
    torch.testing.assert_close(again.describe(images).global_, method.describe(images).global_)


@pytest.mark.parametrize("name", WIDTHS)
def test_released_widths(name: str) -> None:
    """Of the real networks, on the meta device: nothing is computed."""
    declaration = registry.find_declaration(name)
    height, width = declaration.preprocessing.size or (0, 0)
    network = on_meta(lambda: build(name, {})).eval()
    with torch.no_grad():
        assert network(torch.empty(2, 3, height, width, device="meta")).shape == (2, WIDTHS[name])


@pytest.mark.parametrize("name", NAMES)
def test_released_files_have_names_and_addresses(name: str) -> None:
    declaration = registry.find_declaration(name)
    for released in declaration.released:
        assert released.url.startswith("https://") and released.licence
        assert released.variant in (None, name, *declaration.variants)
    assert declaration.recognise is not None and declaration.recognise({}) is None


def test_cosplace_files_as_the_authors_write_them() -> None:
    files = {released.file: released for released in registry.find_declaration("cosplace").released}
    assert len(files) == 4 + 5 + 3 * 7
    address = "https://github.com/gmberton/CosPlace/releases/download/v1.0/ResNet50_2048_cosplace.pth"
    assert files["ResNet50_2048_cosplace.pth"].url == address
    eigenplaces = registry.find_declaration("eigenplaces").released
    assert len(eigenplaces) == 1 + 2 + 2 * 4
    assert eigenplaces[0].url.endswith("gmberton/EigenPlaces/releases/download/v1.0/VGG16_512_eigenplaces.pth")


def test_boq_on_a_resnet_has_its_own_image_size() -> None:
    assert registry.find_declaration("boq").preprocessing.size == (322, 322)
    assert registry.find_declaration("boq-resnet50-16384").preprocessing.size == (384, 384)


def test_netvlad_gets_0_to_255_less_the_mean_colour() -> None:
    preprocessing = NETVLAD.preprocessing
    found = [(0.5 - m) / s for m, s in zip(preprocessing.mean, preprocessing.std, strict=True)]
    assert found == pytest.approx([127.5 - 123.68, 127.5 - 116.779, 127.5 - 103.939])


@pytest.mark.parametrize(
    ("name", "options", "layers"),
    [
        ("mixvpr", {"backbone": "resnet18"}, 6),
        ("convap", {"backbone": "resnet18"}, 6),
        ("cosplace", {"backbone": "resnet18"}, 6),
        ("cosplace", {"backbone": "efficientnet_b0"}, 5),
        ("cosplace", {"backbone": "vgg16"}, 24),
        ("netvlad", {}, 24),
    ],
)
def test_trunks_freeze_as_published(name: str, options: dict[str, Any], layers: int) -> None:
    network = on_meta(lambda: build(name, options))
    trunk = network.trunk
    assert isinstance(trunk, Trunk)
    trunk.freeze(layers)
    learning = {name.split(".")[0] for name, parameter in trunk.named_parameters() if parameter.requires_grad}
    assert learning in [{"layer3"}, {"layer3", "layer4"}, set("67"), set("5678"), {"24", "26", "28"}]


def test_transformers_train_their_last_blocks() -> None:
    network = build("salad", {"size": "S", "depth": 2, "num_clusters": 3})
    network.trunk.train_last = 1
    network(torch.randn(1, 3, 28, 42)).sum().backward()
    learned = {n for n, p in network.named_parameters() if p.grad is not None}
    assert any("blocks.1." in n for n in learned) and not any("blocks.0." in n for n in learned)


def test_boq_shows_where_its_queries_look() -> None:
    options, size, _ = SMALL["boq"]
    network = build("boq", options).eval()
    _, attention = network.attend(torch.randn(1, 3, *size))
    assert [look.shape for look in attention] == [(1, 2, 6)] * 2


@pytest.mark.parametrize("name", ["cricavpr", "sfrs", "anyloc", "anyloc-urban"])
def test_what_is_not_offered_says_why(name: str) -> None:
    with pytest.raises(NotAvailable, match=f"'{name}' is not offered: it"):
        vprkit.load_method(name, weights="random")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: build("cosplace", {"backbone": "resnet51"}), "'backbone' must be one of 'resnet18'"),
        (lambda: build("mixvpr", {"stages": 5}), "stages 1 to 4"),
        (lambda: build("netvlad", {"whiten_dim": -1}), "must not be negative"),
        (lambda: build("dinomix", {"image_size": 225}), "multiple of 14"),
        (lambda: build("boq", {"proj_channels": 131}), "heads of 64"),
    ],
)
def test_impossible_options_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make()


def test_declarations_need_no_torch() -> None:
    modules = ", ".join(f"vprkit.methods.{name}" for name in NAMES)
    script = f"import sys, {modules}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
