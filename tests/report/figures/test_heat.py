import numpy as np
import pytest
from PIL import Image

import vprkit
from tests.conftest import picture
from vprkit.errors import NotAvailable
from vprkit.report.figures import attention
from vprkit.report.matches import draw_attention


def test_the_photo_and_its_heat_stand_side_by_side(tmp_path, hog):
    photo = tmp_path / "a.png"
    Image.fromarray(picture(1)).save(photo)
    method = vprkit.load_method("selavpr", "random:3", size="S", depth=1, table_size=56, resize=56, device="cpu")
    plain, heated = (axes.images[0].get_array() for axes in attention(method, photo).axes)
    assert np.array_equal(plain, picture(1)) and np.array_equal(heated, np.asarray(draw_attention(method, photo)))
    assert not np.array_equal(plain, heated)
    with pytest.raises(NotAvailable, match="'hog' has no attention"):
        attention(hog, photo)
