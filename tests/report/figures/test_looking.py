import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import vprkit
from tests.conftest import picture
from vprkit.backbones.patch_grid import to_patch_grid
from vprkit.backbones.vit import Facet, ViT, ViTConfig
from vprkit.data.images import prepare
from vprkit.errors import ConfigError, NotAvailable
from vprkit.method import Method
from vprkit.report.figures.looking import as_picture, enlarged, look

EVERY = [(1, facet) for facet in Facet]


def test_what_is_read_is_of_patches_alone(with_registers):
    photo = picture(1, (80, 120))
    seen = look(with_registers, photo, EVERY)
    image = prepare(photo, with_registers.preprocessing)[None]
    with torch.no_grad():
        _, facets = with_registers.network.trunk.facets(image, EVERY)
    assert seen.grid == (4, 6) and seen.size == (56, 84)
    for (_, facet), mine, theirs in zip(EVERY, seen.tensors, facets, strict=True):
        patches = theirs[0, ..., 5:] if facet is Facet.CLASS_ATTENTION else theirs[0, ..., 5:, :]
        if theirs.dim() == 4:  # heads vary fastest
            patches = torch.stack([patches[:, p].T.flatten() for p in range(24)])
        assert torch.allclose(mine, patches, atol=1e-5), facet


def test_the_picture_is_what_the_network_gets(small):
    photo = picture(2, (100, 140))
    resized = Image.fromarray(photo).resize((84, 56), Image.Resampling.BILINEAR)
    assert np.array_equal(look(small, photo, []).picture, np.asarray(resized))
    dark = torch.full((3, 2, 2), -9.0)
    assert not as_picture(dark, small.preprocessing).any()


class Wrapped(nn.Module):
    """Brings images to the patch grid itself and stops before the last block."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = ViT(ViTConfig(64, 3, 1, img_size=56))

    def forward(self, images):
        return self.inner.intermediate(to_patch_grid(images), [1])[0].class_token


def test_networks_that_resize_and_stop_early():
    method = Method.from_module(Wrapped(), device="cpu")
    method.preprocessing = method.preprocessing.resized("60x90")
    seen = look(method, picture(1), [(1, Facet.TOKEN)])
    assert seen.grid == (4, 6) and seen.size == (60, 90) and seen.tensors[0].shape == (24, 64)
    with pytest.raises(ConfigError, match="does not run block 2"):
        look(method, picture(1), [(2, Facet.TOKEN)])
    assert not method.network.inner.patch_embed._forward_hooks


@pytest.mark.parametrize("name", ["dinov2", "salad", "megaloc", "boq", "cricavpr_small", "selavpr"])
def test_methods_on_a_dinov2(name):
    method = vprkit.load_method(name, "random:1", size="S", depth=2, table_size=126, resize="126", device="cpu")
    seen = look(method, picture(1), [(0, Facet.KEY), (-1, Facet.CLASS_ATTENTION)])
    assert seen.grid == (9, 9) and [tuple(tensor.shape) for tensor in seen.tensors] == [(81, 384), (6, 81)]


def test_dinomix_brings_images_to_its_own_grid():
    method = vprkit.load_method("dinomix", "random:1", size="S", depth=2, resize="126", device="cpu")
    seen = look(method, picture(1), [(0, Facet.TOKEN)])
    assert seen.size == (126, 126) and seen.grid == (16, 16)


def test_others_are_refused(hog):
    with pytest.raises(NotAvailable, match="this figure reads the patches of a DINOv2, 'hog' has none"):
        look(hog, picture(1), [])


def test_enlarging_keeps_corners():
    values = torch.arange(6.0).reshape(2, 3)
    large = enlarged(values, (28, 42))
    assert large.shape == (28, 42) and large[0, 0] == 0 and large[-1, -1] == 5
