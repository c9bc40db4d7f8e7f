import numpy as np
import pytest
import torch

import vprkit
from tests.conftest import picture
from vprkit.backbones.vit import Facet
from vprkit.data.images import prepare
from vprkit.errors import ConfigError
from vprkit.report.figures import head_attention
from vprkit.report.figures.heads import head_logits, mean_saliency
from vprkit.report.figures.looking import Seen

PHOTO = picture(4, (60, 90))


def test_logits_are_products_of_the_class_tokens_query_with_keys(small):
    seen, logits = head_logits(small, PHOTO, block=0)
    with torch.no_grad():
        image = prepare(PHOTO, small.preprocessing)[None]
        _, (query, key) = small.network.trunk.facets(image, [(0, Facet.QUERY), (0, Facet.KEY)])
    assert logits.shape == (6, 56, 84) and seen.tensors[0].shape == (6, 24)
    for head in range(6):
        for patch in range(24):
            expected = float(query[0, head, 0] @ key[0, head, 1 + patch]) / 8  # sqrt(64)
            assert seen.tensors[0][head, patch] == pytest.approx(expected, abs=1e-5)
        assert logits[head, 0, 0] == pytest.approx(float(seen.tensors[0][head, 0]))
        assert logits[head, -1, -1] == pytest.approx(float(seen.tensors[0][head, -1]))


def seen_with(attention: torch.Tensor, grid: tuple[int, int]) -> Seen:
    return Seen(np.zeros((14 * grid[0], 14 * grid[1], 3), np.uint8), grid, (attention,))


def test_mean_saliency_is_stretched_and_blurred():
    attention = torch.tensor([[0.0, 0, 0, 4], [0, 2, 0, 8]])
    sharp = mean_saliency(seen_with(attention, (2, 2)), blur=0)
    assert sharp.min() == 0 and sharp[-1, -1] == 1 and sharp[0, -1] == pytest.approx(1 / 6)
    soft = mean_saliency(seen_with(attention, (2, 2)), blur=1)
    assert soft.shape == sharp.shape and soft.std() < sharp.std()
    assert not mean_saliency(seen_with(torch.ones(3, 4), (2, 2))).any()  # nothing is salient: no NaN in the picture
    with pytest.raises(ConfigError, match="blur"):
        mean_saliency(seen_with(attention, (2, 2)), blur=-1)


def test_heads_stand_in_rows_of_six():
    wide = vprkit.load_method("dinov2", "random:1", size="B", depth=1, table_size=56, resize="56", device="cpu")
    figure = head_attention(wide, PHOTO)
    heads = figure.axes[2:]
    places = [axes.get_subplotspec() for axes in heads]
    assert [(place.rowspan.start, place.colspan.start) for place in places] == [
        (1 + head // 6, head % 6) for head in range(12)
    ]
    assert figure.get_suptitle() == f"{wide.name}: attention of block 0"
    shown = heads[7].images[0].get_array()
    assert np.allclose(shown, head_logits(wide, PHOTO, -1)[1][7])


def test_blocks_that_do_not_exist(small):
    with pytest.raises(ConfigError, match="block 2 does not exist, the network has blocks 0 to 1"):
        head_attention(small, PHOTO, block=2)
