"""Classification of map cells: batches, runs of recipe `cosplace`, going on, what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import vprkit
from tests.training.cells import CELLS, GROUPING, RUNNING, SIDE, write_benchmark, write_cells
from vprkit import config
from vprkit.aggregators.cosplace_network import build as build_cosplace
from vprkit.data.grouped_images import GroupedImages, class_batches, group_images, training_records
from vprkit.data.groups import COSPLACE, EIGENPLACES, CosPlaceGrouping
from vprkit.data.images import normalise
from vprkit.errors import ConfigError, DataError
from vprkit.methods.cosplace.recipe import CosPlaceRecipe
from vprkit.methods.cosplace.recipe import task as cosplace_task
from vprkit.methods.eigenplaces.recipe import EigenPlacesRecipe
from vprkit.training.augmentation import Augmentation
from vprkit.training.train import train
from vprkit.training.warps import crop, draw_crops
from vprkit.weights.fitting import on_meta

SMALL = {
    **GROUPING,
    **RUNNING,
    "model.backbone": "resnet18",
    "model.dim": 8,
    "trunk.weights": "random",
    "trunk.frozen_layers": 5,
    "image_size": (SIDE, SIDE),
    "loaded_size": (SIDE, SIDE),
    "batch": 2,
    "iterations": 3,
    "epochs": 2,
    "augmentation.hue": 0.0,
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return write_cells(tmp_path_factory.mktemp("cells") / "train")


def run(cells, out, **options):
    given = {key.replace("__", "."): value for key, value in options.items()}
    return train("cosplace", {"train": cells}, out=out, options={**SMALL, **given})


def grouped(cells) -> GroupedImages:
    return group_images(training_records(cells, COSPLACE), CosPlaceGrouping(cells=2, sectors=1, min_images=3))


def test_batches_hold_distinct_classes_and_every_class_before_any_again(cells):
    images = grouped(cells)
    group = images.group(0)
    assert len(group.classes) == CELLS // 2 and len(group.rows) == 4 * len(group.classes)
    batches = class_batches(group, 6, 3, 2, np.random.default_rng(0))
    for rows in batches:
        labels = images.grouped.labels[rows]
        assert rows.shape == (3, 2) and (labels[:, 0] == labels[:, 1]).all() and len(set(labels[:, 0].tolist())) == 3
        assert (rows[:, 0] != rows[:, 1]).all()
    whole = class_batches(group, 2, 2, 1, np.random.default_rng(1))
    assert len({*images.grouped.labels[np.concatenate(whole)].ravel().tolist()}) == 4


def test_images_of_a_class_are_drawn_evenly(cells):
    group = grouped(cells).group(0)
    rows = np.stack([group.draw(np.arange(4), 3, np.random.default_rng(seed)) for seed in range(2000)])
    assert (np.sort(rows, axis=2)[..., 1:] > np.sort(rows, axis=2)[..., :-1]).all()
    _, counts = np.unique(rows, return_counts=True)
    assert len(counts) == 16 and abs(counts / rows.size * 16 - 1).max() < 0.05


def test_groups_take_turns_and_only_their_classifier_learns(cells, tmp_path):
    first = run(cells, tmp_path / "one", epochs=1)
    state = torch.load(first.folder / "last.ckpt", weights_only=True)["task"]
    both = run(cells, tmp_path / "two")
    after = torch.load(both.folder / "last.ckpt", weights_only=True)["task"]
    name = "losses.classifiers.{}.weight"
    assert torch.equal(state[name.format(0)], after[name.format(0)])
    assert not torch.equal(state[name.format(1)], after[name.format(1)])
    assert vprkit.load_method(weights=both.weights).name.startswith("cosplace")
    lines = [json.loads(line) for line in (both.folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6] and all("cosface" in line for line in lines)


def test_going_on_ends_in_the_same_weights(cells, tmp_path):
    whole = run(cells, tmp_path / "whole")
    run(cells, tmp_path / "parts", epochs=1)
    parts = run(cells, tmp_path / "parts")
    assert all(torch.equal(value, load_file(parts.weights)[name]) for name, value in load_file(whole.weights).items())


def test_crops_are_cut_from_the_photo_before_it_is_shrunk(cells):
    def made(**augmentation):
        values = {"image_size": (16, 16), "augmentation": config.from_dict(Augmentation, augmentation)}
        return cosplace_task(config.with_values(CosPlaceRecipe(), {**SMALL, **values}), {"train": cells})

    task = made(crop_area=0.5)
    photos = torch.stack([task.read(row, np.random.default_rng(0)) for row in range(3)])
    assert photos.shape[2:] == (SIDE, SIDE)  # as on disk
    torch.manual_seed(5)
    found = task._prepared(photos)
    torch.manual_seed(5)
    boxes = draw_crops(3, (SIDE, SIDE), 0.5)
    assert (boxes[:, 2] * boxes[:, 3] >= 0.45 * SIDE * SIDE).all()
    expected = normalise(crop(photos.float() / 255, boxes, (16, 16)), task.preprocessing)
    torch.testing.assert_close(found, expected)
    assert made(crop_area=1.0, hue=0.1).read(0, np.random.default_rng(0)).shape[1:] == (16, 16)


def test_validation_measures_the_deployed_network(cells, tmp_path):
    data = {"train": cells, "val": write_benchmark(tmp_path / "set")}
    done = train("cosplace", data, out=tmp_path / "run", options={**SMALL, "test_resize": "32"})
    assert done.weights.name == "best-1.safetensors" and done.best is not None
    assert vprkit.load_method(weights=done.weights).preprocessing.size == (32, 32)


@pytest.mark.parametrize(
    ("backbone", "learns"),
    [
        ("resnet18", {6, 7}),  # layer3, layer4
        ("vgg16", {24, 26, 28}),  # the convolutions of the last five layers
        ("efficientnet_b0", {5, 6, 7, 8}),
    ],
)
@pytest.mark.parametrize("recipe", [CosPlaceRecipe, EigenPlacesRecipe])
def test_what_learns_follows_the_backbone_as_published(recipe, backbone, learns):
    settings = config.from_dict(recipe, {"model": {"backbone": backbone, "dim": 8}})
    trunk = on_meta(lambda: build_cosplace(settings.model)).trunk
    settings.trunk.freeze(trunk, backbone)
    assert {int(name.split(".")[0]) for name, value in trunk.named_parameters() if value.requires_grad} == learns
    everything = config.from_dict(recipe, {"trunk": {"frozen_layers": 0}})
    everything.trunk.freeze(trunk, backbone)
    assert all(value.requires_grad for value in trunk.parameters())


def test_refusals(cells, tmp_path):
    with pytest.raises(ConfigError, match="a batch takes 8 classes, but a group has only 4"):
        run(cells, tmp_path / "a", batch=8)
    with pytest.raises(DataError, match="there is no group 2: these images make 2 groups"):
        run(cells, tmp_path / "b", groups=3)
    with pytest.raises(ConfigError, match="no multiple of images_per_class=3"):
        run(cells, tmp_path / "c", images_per_class=3)


def test_a_grouping_on_disk_is_of_its_own_list_alone(cells, tmp_path):
    images = grouped(cells)
    images.save(tmp_path / "groups.npz")
    again = GroupedImages.load(tmp_path / "groups.npz", training_records(cells, COSPLACE))
    assert again.fingerprint() == images.fingerprint() and (again.grouped.labels == images.grouped.labels).all()
    fewer = images.records.take(np.arange(3))
    with pytest.raises(DataError, match="made of another list"):
        GroupedImages.load(tmp_path / "groups.npz", fewer)


def test_rules_take_the_kind_of_image_they_group(tmp_path):
    for folder in ("raw/train/panoramas", "processed/train"):
        write_cells(tmp_path / folder, 1, noise=len(folder))
    crops, panoramas = training_records(tmp_path, COSPLACE), training_records(tmp_path, EIGENPLACES)
    assert crops.root.name == "train" and panoramas.root.name == "panoramas"
    assert training_records(tmp_path / "processed/train", COSPLACE).list_hash() == crops.list_hash()
    shutil.rmtree(tmp_path / "processed")
    with pytest.raises(DataError, match="has raw/train/panoramas, but this rule groups crops"):
        training_records(tmp_path, COSPLACE)
