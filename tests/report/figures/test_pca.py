import numpy as np
import pytest
import torch

import vprkit
from tests.conftest import picture
from vprkit.backbones.vit import Facet
from vprkit.errors import ConfigError
from vprkit.report.figures import token_pca
from vprkit.report.figures.looking import look
from vprkit.report.figures.pca import default_blocks, robust_pca

TOKENS = torch.randn(200, 8, generator=torch.Generator().manual_seed(0)) * torch.tensor([9.0, 6, 4, 1, 1, 1, 1, 1])


def test_components_against_eigenvectors():
    shares = robust_pca(TOKENS)
    values = TOKENS.double().numpy()
    values = values - values.mean(0)
    strongest = np.linalg.eigh(values.T @ values)[1][:, ::-1][:, :3].T
    for component, loading in enumerate(strongest):
        loading = loading * np.sign(loading[np.abs(loading).argmax()])
        plain = values @ loading
        away = np.abs(plain - np.median(plain))
        inside = plain[away <= 2 * np.median(away)]
        expected = np.clip((plain - inside.min()) / (inside.max() - inside.min()), 0, 1)
        assert np.allclose(shares[:, component], expected, atol=1e-6)
        assert 0.02 < np.mean((expected == 0) | (expected == 1)) < 0.5  # something is clipped, not everything


def test_one_outlier_leaves_the_others_apart():
    with_outlier = torch.cat([TOKENS, 300 * torch.ones(1, 8)])
    shares = robust_pca(with_outlier)
    assert shares.min() == 0 and shares.max() == 1
    assert np.ptp(shares[:-1], axis=0).min() == 1  # all of them would be one colour if the outlier set the range


def test_opposite_tokens_have_opposite_colours():
    assert np.allclose(robust_pca(TOKENS) + robust_pca(-TOKENS), 1)


def test_no_spread_is_grey_and_too_little_is_refused():
    assert (robust_pca(torch.ones(20, 8)) == 0.5).all()
    with pytest.raises(ConfigError, match="three components"):
        robust_pca(torch.ones(2, 8))


def test_default_blocks_are_the_published_ones():
    assert default_blocks(24) == (15, 23) and default_blocks(12) == (7, 11) and default_blocks(1) == (0, 0)


def test_one_basis_for_all_photos_and_a_column_for_each_network(small):
    other = vprkit.load_method("rerankvpr", "random:9", size="S", depth=2, table_size=56, resize="56x84", device="cpu")
    photos = [picture(1, (60, 90)), picture(2, (60, 90))]
    figure = token_pca([small, other], photos, blocks=[-1])
    grid = np.array(figure.axes).reshape(2, 3)
    tokens = [look(other, photo, [(1, Facet.TOKEN)]).tensors[0] for photo in photos]
    together = robust_pca(torch.cat(tokens)).reshape(2, 4, 6, 3)
    for row in range(2):
        assert np.allclose(grid[row, 2].images[0].get_array(), together[row])
        assert not np.allclose(grid[row, 1].images[0].get_array(), together[row])
    assert [axes.get_title() for axes in grid[0, 1:]] == [
        f"rerankvpr-small ({weights}), block 1" for weights in ("random:3", "random:9")
    ]
    assert len(token_pca(small, photos[0]).axes) == 3  # the photo, block 0 and block 1
    with pytest.raises(ConfigError, match="needs a method and a photo"):
        token_pca(small, [])
