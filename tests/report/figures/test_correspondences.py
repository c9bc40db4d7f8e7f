import pytest

from tests.conftest import picture
from vprkit.errors import NotAvailable
from vprkit.report.choosing import spread
from vprkit.report.figures import correspondences
from vprkit.report.marks import lines

PHOTO = picture(4, (60, 90), noise=20)


def test_a_few_of_many(small):
    figure = correspondences(small, PHOTO, PHOTO, pairs=5)
    title = figure.axes[0].get_title()
    shown, _, found = title.removeprefix("rerankvpr-small: ").removesuffix(" matches").partition(" of ")
    assert 1 <= int(shown) <= 5 < int(found) <= 24
    sheet = figure.axes[0].images[0].get_array()
    assert sheet.shape == (8 * 56, 2 * 8 * 84 + 8 * 8, 3)
    other = correspondences(small, PHOTO, PHOTO, pairs=5, choose=spread, mark=lines).axes[0].images[0].get_array()
    assert (sheet != other).any()


def test_methods_without_matches(hog):
    with pytest.raises(NotAvailable, match="'hog' has no matches to show"):
        correspondences(hog, PHOTO, PHOTO)
