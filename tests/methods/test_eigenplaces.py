"""Recipe `eigenplaces` on a few drawn panoramas, and its crops."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import vprkit
from tests.training.cells import RUNNING, SIDE, name_of
from vprkit.data.folders import records_of_names
from vprkit.data.grouped_images import group_images, training_records
from vprkit.data.groups import CROP, PANORAMA, CosPlaceGrouping
from vprkit.data.panoramas import cut
from vprkit.errors import DataError, NotAvailable
from vprkit.methods.eigenplaces.recipe import view_columns
from vprkit.training.train import train

OPTIONS = {
    **RUNNING,
    "grouping.cells": 1,
    "grouping.min_images": 3,
    "groups": 1,
    "model.dim": 8,
    "trunk.weights": "random",
    "trunk.frozen_layers": 5,
    "image_size": (SIDE, SIDE),
    "loaded_size": (SIDE, SIDE),
    "batch": 2,
    "iterations": 2,
    "epochs": 2,
    "augmentation.hue": 0.0,
}


@pytest.fixture(scope="module")
def panoramas(tmp_path_factory):
    root = tmp_path_factory.mktemp("panoramas")
    for number in range(12):
        pixels = np.random.default_rng(number).integers(0, 256, (64, 416, 3), np.uint8)
        place = name_of(550005 + 15 * (number // 4) + number % 4, 4180005, number)
        Image.fromarray(pixels).save(root / place)
    return root


def test_crops_wrap_round_and_scale() -> None:
    pixels = np.arange(416, dtype=np.uint8)[None].repeat(4, 0)
    crop = np.asarray(cut(Image.fromarray(pixels), PANORAMA - CROP // 4))
    assert crop.shape == (4, 64) and crop[0, 0] == (416 - 16) % 256 and crop[0, 16] == 0 and crop[0, -1] == 47
    assert np.asarray(cut(Image.fromarray(pixels), 0)).tolist() == pixels[:, :64].tolist()


def test_the_two_views_are_a_quarter_turn_apart_far_from_the_points(panoramas):
    grouping = CosPlaceGrouping(15, 0, 1, 1, 3)
    lateral, frontal = view_columns(group_images(training_records(panoramas, grouping), grouping), 1e6)
    assert (np.abs((lateral - frontal) % PANORAMA - PANORAMA / 4) % (PANORAMA / 2) < 3).all()


def test_panoramas_without_a_heading_are_refused_where_they_would_be_cut(panoramas, tmp_path):
    grouping = CosPlaceGrouping(15, 0, 1, 1, 3)
    names = [path.name for path in sorted(panoramas.iterdir())]
    lonely = name_of(560000, 4180005, 99).replace("@000@", "@@")  # of a class that is not kept
    view_columns(group_images(records_of_names(panoramas, [*names, lonely]), grouping), 10.0)
    names[4] = names[4].replace("@000@", "@@")
    with pytest.raises(DataError, match=rf"1 of 12 panoramas tell no heading, such as \S*{names[4]}"):
        view_columns(group_images(records_of_names(panoramas, names), grouping), 10.0)


def test_it_trains_both_views_and_goes_on_to_the_same_weights(panoramas, tmp_path):
    data = {"train": panoramas}
    whole = train("eigenplaces", data, out=tmp_path / "whole", options=OPTIONS)
    train("eigenplaces", data, out=tmp_path / "parts", options={**OPTIONS, "epochs": 1})
    parts = train("eigenplaces", data, out=tmp_path / "parts", options=OPTIONS)
    one, other = load_file(whole.weights), load_file(parts.weights)
    assert all(torch.equal(one[name], other[name]) for name in one)
    line = json.loads((whole.folder / "log.jsonl").read_text().splitlines()[0])
    assert line["loss"] == pytest.approx(line["lateral"] + line["frontal"], rel=1e-5)
    assert vprkit.load_method(weights=whole.weights).name.startswith("eigenplaces")


def started(trunk: str, panoramas, out, **options) -> dict[str, torch.Tensor]:
    """The weights of a run of no epoch."""
    given = {key.replace("__", "."): value for key, value in options.items()}
    options = {**OPTIONS, "trunk.weights": trunk, "epochs": 0, **given}
    return load_file(train("eigenplaces", {"train": panoramas}, out=out, options=options).weights)


@pytest.fixture
def cosplace(tmp_path, monkeypatch):
    """CosPlace's network with 512 numbers, and its file in the weights folder."""
    network = vprkit.load_method("cosplace-resnet18-512", "random:3").network
    with torch.no_grad():
        network.aggregation[1].p.fill_(4.2)
    monkeypatch.setenv("VPRKIT_WEIGHTS", str(tmp_path / "weights"))
    (tmp_path / "weights").mkdir()
    torch.save(network.state_dict(), tmp_path / "weights" / "ResNet18_512_cosplace.pth")
    return network


def test_it_starts_from_the_whole_of_cosplaces_network(panoramas, tmp_path, cosplace):
    expected = cosplace.state_dict()
    for trunk in ("cosplace", str(tmp_path / "weights" / "ResNet18_512_cosplace.pth")):
        found = started(trunk, panoramas, tmp_path / f"run-{len(trunk)}", model__dim=512)
        assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_a_linear_layer_of_another_width_begins_anew(panoramas, tmp_path, cosplace):
    found = started("cosplace", panoramas, tmp_path / "run")
    expected = {name: value for name, value in cosplace.state_dict().items() if not name.startswith("aggregation.3.")}
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    assert found["aggregation.3.weight"].shape == (8, 512)


def test_the_trunk_alone_starts_from_cosplaces_if_asked(panoramas, tmp_path, cosplace):
    found = started("cosplace", panoramas, tmp_path / "run", model__dim=512, trunk__head=False)
    expected = cosplace.state_dict()
    same = {name for name, value in expected.items() if torch.equal(found[name], value)}
    assert same == {name for name in expected if name.startswith("backbone.")}


def test_a_missing_file_of_cosplaces_is_named(panoramas, tmp_path, monkeypatch):
    monkeypatch.setenv("VPRKIT_WEIGHTS", str(tmp_path))
    with pytest.raises(NotAvailable, match="ResNet18_512_cosplace.pth"):
        started("cosplace", panoramas, tmp_path / "none")
