import dataclasses

import numpy as np
import pytest
import torch

from tests.conftest import picture
from vprkit.backbones.vit import Facet
from vprkit.errors import ConfigError
from vprkit.method import Method
from vprkit.report.figures import similarity
from vprkit.report.figures.likeness import FACETS, draw_likeness, facets_of, likeness

PHOTO = picture(4, (112, 168), noise=20)
OTHER = picture(5, (112, 168), noise=20)


def test_a_photo_is_most_like_itself_under_the_point(small):
    for x, y in ((0, 0), (100, 30), (167, 111)):
        found = likeness(small, PHOTO, PHOTO, (x, y))
        assert found.cell == (y // 28, x // 28)  # 112 x 168 stored, 4 x 6 patches
        for place, values in enumerate(found.maps):
            assert values.shape == (4, 6) and values.max() <= 1.0001
            where, cosine = found.best(place)
            assert cosine == pytest.approx(1, abs=1e-5)
            assert where == (found.cell[1] * 14 + 7, found.cell[0] * 14 + 7)


def test_cosines_one_by_one(small):
    found = likeness(small, PHOTO, OTHER, (60, 90), block=0, facets=[Facet.TOKEN, Facet.KEY])
    for values, mine, theirs in zip(found.maps, found.first.tensors, found.second.tensors, strict=True):
        query = mine[found.cell[0] * 6 + found.cell[1]]
        for patch in range(24):
            expected = torch.cosine_similarity(query, theirs[patch], dim=0)
            assert values[patch // 6, patch % 6] == pytest.approx(float(expected), abs=1e-5)


def test_the_point_follows_a_crop(small):
    cropped = dataclasses.replace(small.preprocessing, size=(56, 56), fit="central_crop")
    method = Method(small.network, cropped, name="cropped", device="cpu")
    # 112 x 168 is halved to 56 x 84, of which the 56 in the middle are kept: 14 go on either side.
    assert likeness(method, PHOTO, PHOTO, (2 * 14 + 1, 0)).cell == (0, 0)
    assert likeness(method, PHOTO, PHOTO, (2 * (14 + 55), 111)).cell == (3, 3)
    with pytest.raises(ConfigError, match="lies outside of what 'cropped' sees"):
        likeness(method, PHOTO, PHOTO, (27, 0))


@pytest.mark.parametrize("point", [(-1, 0), (168, 0), (0, 112), (float("nan"), 3)])
def test_points_beside_the_photo(small, point):
    with pytest.raises(ConfigError, match=r"lies outside .* \(168 x 112 pixels\)"):
        likeness(small, PHOTO, OTHER, point)


def test_facets_by_name():
    assert facets_of(["value", "token", "value"]) == (Facet.VALUE, Facet.TOKEN)
    with pytest.raises(ConfigError, match="compared by key, query, value, token, not by class_attention"):
        facets_of(["class_attention"])
    with pytest.raises(ConfigError, match="not by nothing"):
        facets_of([])


def test_the_figure_marks_the_best_patch(small):
    found = likeness(small, PHOTO, OTHER, (60, 90))
    figure = draw_likeness(found)
    maps = figure.axes[1 : 1 + len(FACETS)]
    for place, axes in enumerate(maps):
        star = axes.lines[0]
        assert (star.get_xdata()[0], star.get_ydata()[0]) == found.best(place)[0]
        heat = axes.images[1]
        assert np.array_equal(heat.get_array(), found.maps[place]) and heat.get_interpolation() == "nearest"
        assert axes.get_title().startswith(FACETS[place].value)
    assert similarity(small, PHOTO, OTHER, (60, 90)).get_suptitle() == "rerankvpr-small, block 0"
