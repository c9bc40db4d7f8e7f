import math

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import picture
from vprkit.training.warps import crop, draw_crops, draw_perspectives, draw_rotations, warp


def bilinear(image, x: float, y: float) -> torch.Tensor:
    """(C,) the (C, H, W) image at a point counted from the centre of its first pixel; black beyond it."""
    left, top, value = math.floor(x), math.floor(y), torch.zeros(image.shape[0])
    for row, column in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        if 0 <= row < image.shape[1] and 0 <= column < image.shape[2]:
            value += (1 - abs(x - column)) * (1 - abs(y - row)) * image[:, row, column]
    return value


@pytest.fixture
def batch():
    return torch.rand(4, 3, 10, 14, generator=torch.Generator().manual_seed(1))


def test_a_crop_is_cut_and_resized(batch):
    boxes = torch.tensor([[2, 3, 5, 7], [0, 0, 10, 14], [9, 13, 1, 1], [1, 0, 6, 6]])
    found = crop(batch, boxes, (10, 14))
    for image, (top, left, height, width), result in zip(batch, boxes.tolist(), found, strict=True):
        for row in range(10):
            for column in range(14):
                y = min(max((row + 0.5) * height / 10 - 0.5, 0), height - 1)
                x = min(max((column + 0.5) * width / 14 - 0.5, 0), width - 1)
                expected = bilinear(image[:, top : top + height, left : left + width], x, y)
                assert torch.allclose(result[:, row, column], expected, atol=1e-5)


def test_a_crop_that_shrinks_is_antialiased(batch):
    found = crop(batch, torch.tensor([[0, 0, 10, 14]] * 4), (1, 1))
    assert found.shape == (4, 3, 1, 1)
    weights = [1 - abs(at + 0.5 - 5) / 10 for at in range(10)], [1 - abs(at + 0.5 - 7) / 14 for at in range(14)]
    across = torch.outer(*(torch.tensor(side) / sum(side) for side in weights))
    assert torch.allclose(found[:, :, 0, 0], (batch * across).sum((-2, -1)), atol=1e-5)


def test_crops_fill_their_ranges():
    torch.manual_seed(0)
    boxes = draw_crops(3000, (300, 400), 0.5).double()
    top, left, height, width = boxes.T
    area, ratio = height * width / 120_000, width / height
    assert 0.49 < area.min() < 0.52 and 0.95 < area.max() <= 1
    assert 0.74 < ratio.min() < 0.80 and 1.29 < ratio.max() < 1.35
    assert (top + height <= 300).all() and (left + width <= 400).all() and boxes.min() >= 0
    free = 400 - width
    assert float((left / free)[free > 20].mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(
    ("size", "box"), [((10, 200), [0, 93, 10, 13]), ((200, 10), [93, 0, 13, 10]), ((64, 64), [0, 0, 64, 64])]
)
def test_where_no_try_fits_the_central_box_is_taken(size, box, monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *shape, dtype, generator: torch.ones(shape, dtype=dtype))  # never fits
    assert draw_crops(2, size, 1.0).tolist() == [box] * 2


def test_perspectives_move_the_corners_inwards():
    torch.manual_seed(0)
    height, width, distortion = 40, 60, 0.5
    maps = draw_perspectives(400, (height, width), distortion)
    corners = [(0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1)]
    moves = torch.zeros(400, 4, 2, dtype=torch.float64)
    for number, (x, y) in enumerate(corners):
        point = maps @ torch.tensor([x - 0.5, y - 0.5, 1.0], dtype=torch.float64)  # published corners are edges
        moves[:, number] = point[:, :2] / point[:, 2:] + 0.5 - torch.tensor([x, y])
    inwards = moves * torch.tensor([(1, 1), (-1, 1), (-1, -1), (1, -1)])
    assert torch.allclose(inwards, inwards.round(), atol=1e-4)
    assert inwards.round().amin((0, 1)).tolist() == [0, 0] and inwards.round().amax((0, 1)).tolist() == [15, 10]


def test_a_warp_takes_pixels_from_where_the_map_says(batch):
    torch.manual_seed(2)
    for maps in (draw_perspectives(4, (10, 14), 0.6), draw_rotations(4, (10, 14), 40.0)):
        found = warp(batch, maps)
        for image, back, result in zip(batch, maps.inverse(), found, strict=True):
            for row in range(10):
                for column in range(14):
                    x, y, scale = (back @ torch.tensor([column, row, 1.0], dtype=torch.float64)).tolist()
                    expected = bilinear(image, x / scale, y / scale)
                    assert torch.allclose(result[:, row, column], expected, atol=2e-4)


def test_a_rotation_is_pillows(monkeypatch):
    photo = picture(1, (40, 60))
    monkeypatch.setattr(torch, "rand", lambda count, dtype: torch.ones(count, dtype=dtype))  # the greatest angle
    images = torch.from_numpy(photo).permute(2, 0, 1)[None] / 255
    maps = draw_rotations(1, (40, 60), 25.0)
    found = warp(images, maps)[0].permute(1, 2, 0).numpy() * 255
    expected = np.asarray(Image.fromarray(photo).rotate(25.0, Image.Resampling.BILINEAR)).astype(float)
    inside = warp(torch.ones(1, 1, 40, 60), maps)[0, 0].numpy() > 0.999  # at the rim Pillow repeats the last pixel
    assert inside.mean() > 0.5
    assert np.abs(found - expected)[inside].max() < 1


def test_rotations_fill_their_range():
    torch.manual_seed(0)
    maps = draw_rotations(2000, (9, 9), 30.0)
    angles = torch.rad2deg(torch.atan2(maps[:, 0, 1], maps[:, 0, 0]))
    assert -30 <= angles.min() < -29.5 and 29.5 < angles.max() <= 30 and abs(float(angles.mean())) < 1.5
