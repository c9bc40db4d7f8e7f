import copy
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from tests.conftest import picture
from vprkit import config
from vprkit.errors import ConfigError, MissingExtra
from vprkit.training.augmentation import Augmentation, batch_transform, photo_transform
from vprkit.training.randaugment import RandAugment

EACH = {
    "brightness": 0.5,
    "contrast": 0.5,
    "saturation": 0.5,
    "hue": 0.2,
    "perspective": 0.5,
    "crop_area": 0.5,
    "rotation": 20.0,
    "horizontal_flip": 0.5,
}


@pytest.fixture
def batch():
    return torch.stack([torch.from_numpy(picture(seed, (24, 31))).permute(2, 0, 1) for seed in range(8)]) / 255


def test_nothing_is_done_unless_asked_for():
    assert photo_transform(Augmentation()) is None
    assert batch_transform(Augmentation()) is None


@pytest.mark.parametrize("name", EACH)
def test_every_option_changes_images_each_its_own_way(name, batch):
    transform = batch_transform(Augmentation(**{name: EACH[name]}))
    before = batch.clone()
    torch.manual_seed(0)
    found = transform(batch)
    assert found.shape == batch.shape and found.dtype == torch.float32
    assert found.min() >= 0 and found.max() <= 1 + 1e-6
    assert torch.equal(batch, before)
    assert not torch.equal(found, batch)
    same = batch[:1].repeat(16, 1, 1, 1)
    assert len({image.numpy().tobytes() for image in transform(same)}) > 1
    torch.manual_seed(0)
    assert torch.equal(transform(batch), found)


def test_half_of_the_images_keep_their_perspective(batch):
    torch.manual_seed(0)
    many = batch[:1].repeat(400, 1, 1, 1)
    kept = (batch_transform(Augmentation(perspective=0.5))(many) == many).flatten(1).all(1).float().mean()
    assert 0.4 < float(kept) < 0.6


def test_a_certain_flip_mirrors_every_image(batch):
    assert torch.equal(batch_transform(Augmentation(horizontal_flip=1.0))(batch), batch.flip(-1))


def test_the_order_is_the_documented_one(batch):
    transform = batch_transform(Augmentation(**EACH))
    steps = [step.__name__ for step in transform.steps]
    assert steps == ["_jitter", "_perspective", "_crop", "_rotation", "_flip"]
    assert transform(batch[:0]).shape == (0, 3, 24, 31)
    torch.manual_seed(3)
    found = transform(batch[:1])
    torch.manual_seed(3)
    assert torch.equal(copy.deepcopy(transform)(batch[:1]), found)


def test_a_crop_may_have_a_size_of_its_own(batch):
    assert batch_transform(Augmentation(crop_area=0.5), (16, 12))(batch).shape == (8, 3, 16, 12)


def test_photos_are_changed_by_their_own_generator():
    transform = photo_transform(Augmentation(rand_augment=3, rand_augment_magnitude=15))
    assert isinstance(transform, RandAugment) and (transform.ops, transform.magnitude, transform.bins) == (3, 15, 31)
    photo = Image.fromarray(picture(0))
    first, again = (np.asarray(transform(photo, np.random.default_rng(5))) for _ in range(2))
    assert np.array_equal(first, again) and not np.array_equal(first, np.asarray(photo))


@pytest.mark.parametrize(
    "wrong",
    [{"hue": 0.6}, {"brightness": -0.1}, {"crop_area": 0.0}, {"crop_area": 1.5}, {"horizontal_flip": 2.0},
     {"rotation": 181.0}, {"rand_augment": -1}, {"rand_augment_magnitude": 31}, {"perspective": float("nan")}],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_by_name(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Augmentation(**wrong)


def test_wrong_batches_are_refused(batch):
    transform = batch_transform(Augmentation(brightness=0.5))
    for wrong in (batch[:, :1], batch[0], (batch * 255).byte()):
        with pytest.raises(ConfigError, match=r"\(B, 3, H, W\) floats"):
            transform(wrong)


def test_it_is_configuration_like_any_other():
    augmentation = config.from_dict(Augmentation, {"brightness": 0.4, "rand_augment": 3})
    assert augmentation == Augmentation(brightness=0.4, rand_augment=3)
    assert "crop_area: 1.0" in config.to_yaml(augmentation)


def test_kornia_is_asked_for_before_the_first_step(monkeypatch):
    monkeypatch.setitem(sys.modules, "kornia.geometry.transform", None)
    with pytest.raises(MissingExtra, match=r"pip install .*\[train\]"):
        batch_transform(Augmentation(rotation=5.0))
    assert batch_transform(Augmentation(brightness=0.5, crop_area=0.5)) is not None
