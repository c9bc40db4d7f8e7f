import pytest
import torch

import vprkit
from tests.conftest import picture
from vprkit.config import from_dict
from vprkit.errors import ConfigError, NotAvailable
from vprkit.loading import save_method
from vprkit.methods.compact.network import CompactConfig, build


@pytest.fixture(scope="module")
def method():
    return vprkit.load_method("compact", "random", device="cpu")


def test_it_is_small(method):
    assert sum(parameter.numel() for parameter in method.network.parameters()) <= 3_000_000
    assert max(method.preprocessing.size) <= 112
    assert method.preprocessing.size == CompactConfig().image_size


def test_photos_of_any_size_become_unit_vectors(method):
    photos = [picture(seed, size) for seed, size in enumerate([(80, 80), (48, 64), (300, 200)])]
    vectors = method.describe(photos).global_
    config = CompactConfig()
    assert vectors.shape == (3, config.out_channels * config.out_rows)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    torch.testing.assert_close(method.describe(photos[2]).global_[0], vectors[2], rtol=1e-3, atol=1e-5)
    assert float(vectors[0] @ vectors[1]) < 0.999


@pytest.mark.parametrize("blocks", [(1,), (1, 2), (1, 1, 1), (2, 1, 1, 1)])
def test_every_depth_and_odd_sizes_fit_the_mixer(blocks):
    options = {"image_size": [67, 45], "blocks": list(blocks), "stem": 8, "width": 8, "out_channels": 6, "out_rows": 2}
    network = build(from_dict(CompactConfig, options)).eval()
    with torch.inference_mode():
        assert network(torch.randn(2, 3, 67, 45)).shape == (2, 12)
        assert network(torch.randn(2, 3, 30, 90)).shape == (2, 12)  # brought to its size


def test_too_many_stages_are_refused():
    with pytest.raises(ConfigError, match="1 to 4 stages"):
        build(CompactConfig(blocks=(1, 1, 1, 1, 1)))


def test_a_file_brings_everything_back(tmp_path):
    options = {"image_size": [48, 64], "blocks": [1, 1], "stem": 8, "width": 8, "out_channels": 6, "out_rows": 2}
    made = vprkit.load_method("compact", "random:3", device="cpu", resize="48x64", **options)
    path = save_method(made, tmp_path / "mine.safetensors", notes={"epoch": 4})
    again = vprkit.load_method(weights=path, device="cpu")
    assert again.identity() == made.identity()
    assert again.preprocessing.size == (48, 64)
    photo = picture(1)
    assert torch.equal(again.describe(photo).global_, made.describe(photo).global_)


def test_there_are_no_released_weights():
    with pytest.raises(
        NotAvailable,
        match=r"no released weights; give weights=FILE \(--weights FILE\), or weights='random' \(-w random\)",
    ):
        vprkit.load_method("compact")
