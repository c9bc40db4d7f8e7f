import numpy as np

from vprkit.rerank.cells import centres, ends


def test_patches_have_centres():
    found = centres((2, 3), (28, 42))
    assert np.array_equal(found, [(column * 14 + 7, row * 14 + 7) for row in range(2) for column in range(3)])


def test_dense_cells_reach_from_border_to_border():
    found = ends((61, 61), (224, 224))
    assert found[0].tolist() == [1, 1] and found[-1].tolist() == [223, 223]
    assert found[1].tolist() == [4, 1] and found[61].tolist() == [1, 4]  # 1 + 222 / 60
