"""Every kernel of attention gives the same, and gradients flow where they are asked for."""

import pytest
import torch
from torch.nn import functional as F

from vprkit.backbones import attention
from vprkit.backbones.attention import attend
from vprkit.backbones.vit_blocks import Attention, ViTConfig


def sides(batch=5, tokens=7, others=9, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, 2, count, 8, generator=generator).to(dtype) for count in (tokens, others, others)]


@pytest.mark.parametrize("tile", [1, 7 * 9 * 4, 2 * 2 * 7 * 9 * 4, 2**24])
@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-6), (torch.float64, 1e-12), (torch.bfloat16, 2e-2)])
def test_tiles_of_any_size_give_the_same(monkeypatch, tile, dtype, error):
    monkeypatch.setattr(attention, "TILE_BYTES", tile)
    query, key, value = sides(dtype=torch.float64)
    expected = (query @ key.transpose(-2, -1) / 8**0.5).softmax(-1) @ value
    with torch.no_grad():
        found = attend(query.to(dtype), key.to(dtype), value.to(dtype))
    assert found.dtype == dtype
    torch.testing.assert_close(found.double(), expected, atol=error, rtol=error)


def test_one_image_on_either_side_stands_for_all():
    query, key, value = sides()
    with torch.no_grad():
        for one in (query[:1], query):
            several = attend(one, key, value)
            torch.testing.assert_close(several, F.scaled_dot_product_attention(one.expand(5, -1, -1, -1), key, value))
        torch.testing.assert_close(
            attend(query, key[:1], value[:1]), torch.cat([attend(row[None], key[:1], value[:1]) for row in query])
        )


def test_gradients_are_those_of_the_formula():
    query, key, value = (side.requires_grad_() for side in sides(dtype=torch.float64))
    found = torch.autograd.grad(attend(query, key, value).square().sum(), (query, key, value))
    plain = (query @ key.transpose(-2, -1) / 8**0.5).softmax(-1) @ value
    expected = torch.autograd.grad(plain.square().sum(), (query, key, value))
    torch.testing.assert_close(found, expected)


def test_the_first_rows_alone():
    layer, tokens = Attention(ViTConfig(16, 1, 2)), torch.randn(3, 6, 16)
    torch.testing.assert_close(layer.first(tokens, 2), layer(tokens)[:, :2])
