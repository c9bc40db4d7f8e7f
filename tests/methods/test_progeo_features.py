"""CLIP's features of ProGEO's first stage: described once, in batches as asked, without what cannot be read."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.conftest import picture
from tests.methods.progeo_small import ONE, RESNET, VIT, Stopping, learn
from tests.training.cells import SIDE, name_of, write_cells, write_clip
from vprkit import config
from vprkit.data.grouped_images import group_images, training_records
from vprkit.data.groups import CosPlaceGrouping
from vprkit.errors import DataError, ImageError
from vprkit.method import Method
from vprkit.methods.progeo import image_features
from vprkit.methods.progeo.clip_files import read_clip
from vprkit.methods.progeo.image_features import GroupFeatures
from vprkit.methods.progeo.prompt_files import PromptFile
from vprkit.methods.progeo.prompts import Prompts
from vprkit.methods.progeo.stage_one import ProGEOPromptsRecipe, PromptTask
from vprkit.methods.progeo.stage_one import task as prompt_task
from vprkit.retrieval.describe import BLOCK, Streaming
from vprkit.training.engine import Engine


@pytest.fixture
def place(tmp_path):
    """Folder with `train` and two CLIPs."""
    write_cells(tmp_path / "train")
    for encoder in ("vit", "resnet"):
        write_clip(tmp_path / f"{encoder}.safetensors", encoder)
    return tmp_path


class Counted:
    """Calls of a function, which goes on working."""

    def __init__(self, monkeypatch, owner, name):
        self.calls, original = 0, getattr(owner, name)

        def counted(*given, **named):
            self.calls += 1
            return original(*given, **named)

        monkeypatch.setattr(owner, name, counted)


def prompts(run):
    return load_file(run.folder / "last.safetensors")


def one_group(root, count):
    """A CLIP's features-to-be of `count` images in one cell."""
    root.mkdir()
    Image.fromarray(picture(0, (SIDE, SIDE))).save(root / "one.jpg")
    for number in range(count):
        (root / name_of(550000 + number % 9, 4180001, number)).hardlink_to(root / "one.jpg")
    (root / "one.jpg").unlink()
    rule = CosPlaceGrouping(min_images=1)
    return group_images(training_records(root, rule), rule)


def test_batch_statistics_are_of_batches_of_the_size_asked(place, monkeypatch):
    sizes, original = [], Method.describe_batch

    def watched(self, batch, *rest):
        sizes.append((len(batch), self.network.training))
        return original(self, batch, *rest)

    monkeypatch.setattr(Method, "describe_batch", watched)
    batch = BLOCK + 14
    images, clip = one_group(place / "many", 2 * batch + 3), read_clip(place / "resnet.safetensors")
    described = GroupFeatures(images, clip, Streaming(batch), {}, batch_statistics=True)
    features = described.of(0, torch.device("cpu"), "fp32")
    assert features.shape == (2 * batch + 3, 24) and features.dtype == torch.float16 and torch.isfinite(features).all()
    assert sizes[1:] == [(batch, True), (batch, True), (3, True)]  # the first was a blank one


def test_without_a_cache_features_are_described_once_too(place, monkeypatch):
    monkeypatch.setenv("VPRKIT_CACHE", "off")
    made = Counted(monkeypatch, image_features, "image_encoder")
    run = learn(place, "vit", VIT, place / "run", feature_cache="")
    assert run.epochs == 4 and made.calls == 2  # one for each group
    kept = learn(place, "vit", VIT, place / "kept")
    assert all(torch.equal(value, prompts(kept)[name]) for name, value in prompts(run).items())


def test_rows_of_features_are_not_read_one_by_one(place, monkeypatch):
    def read(self, row, generator):
        raise AssertionError("an image was asked for")

    monkeypatch.setattr(PromptTask, "read", read)
    learn(place, "vit", VIT, place / "run")


def test_prompts_of_all_groups_are_written_now_and_then_and_only_what_learnt_is_encoded(place, monkeypatch):
    written, encoded = Counted(monkeypatch, PromptFile, "write"), Counted(monkeypatch, Prompts, "all_features")
    saved = Counted(monkeypatch, Engine, "_save_state")
    quiet = {"running.checkpoint_every": 0, "epochs": 5}
    learn(place, "vit", VIT, place / "a", save_every=3, **quiet)
    assert (written.calls, saved.calls, encoded.calls) == (2, 2, 2 + 2)  # after epochs 3 and 5; both learnt between
    learn(place, "vit", VIT, place / "b", save_every=1, **quiet)
    assert (written.calls, saved.calls, encoded.calls) == (2 + 5, 2 + 5, 4 + 2 + 4)
    one, other = (load_file(place / name / "last.safetensors") for name in "ab")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_kill_after_epochs_that_were_not_saved_goes_on_to_the_same_prompts(place):
    quiet = {"running.checkpoint_every": 0, "save_every": 2}
    whole = learn(place, "vit", VIT, place / "whole", **quiet)
    with pytest.raises(RuntimeError, match="stopped"):
        learn(place, "vit", VIT, place / "parts", Stopping(11), **quiet)  # in the fourth epoch, of three batches each
    parts = learn(place, "vit", VIT, place / "parts", **quiet)
    assert all(torch.equal(value, prompts(parts)[name]) for name, value in prompts(whole).items())
    one, other = ((run.folder / "log.jsonl").read_text() for run in (whole, parts))
    assert one == other


@pytest.mark.parametrize("kept", [True, False])
def test_images_that_cannot_be_read_are_left_out_if_asked(place, monkeypatch, kept):
    if not kept:
        monkeypatch.setenv("VPRKIT_CACHE", "off")
    cache = {} if kept else {"feature_cache": ""}
    broken = sorted((place / "train").iterdir())[0]
    whole = broken.read_bytes()
    broken.write_bytes(b"broken")
    with pytest.raises(ImageError, match=broken.name):
        learn(place, "vit", VIT, place / "fail", **cache)
    tried = Counted(monkeypatch, image_features, "image_encoder")
    run = learn(place, "vit", VIT, place / "skip", **cache, **{"running.on_error": "skip"})
    assert broken.name in (run.folder / "broken.txt").read_text() and tried.calls == 2
    losses = [line for line in (run.folder / "log.jsonl").read_text().splitlines() if '"loss"' in line]
    assert len(losses) == 4 * 3 and "NaN" not in "".join(losses)
    with pytest.raises(ImageError, match=broken.name):
        learn(place, "vit", VIT, place / "fail", **cache)
    broken.write_bytes(whole)
    mended = learn(place, "vit", VIT, place / "fail", **cache)
    assert not (mended.folder / "broken.txt").exists()
    fresh = learn(place, "vit", VIT, place / "fresh", feature_cache=str(place / "other"))
    assert all(torch.equal(value, prompts(fresh)[name]) for name, value in prompts(mended).items())


def test_others_are_drawn_as_if_no_image_were_missing(place):
    options = {**ONE, **VIT, "clip": str(place / "vit.safetensors"), "feature_cache": str(place / "features")}
    task = prompt_task(config.with_values(ProGEOPromptsRecipe(), options), {"train": place / "train"})
    task.start_epoch(0, torch.device("cpu"))
    whole = task.batches(0)
    task.features[whole[1][2]] = torch.nan
    assert [rows.tolist() for rows in task.batches(0)] == [
        whole[0].tolist(), np.delete(whole[1], 2).tolist(), whole[2].tolist()]  # fmt: skip
    task.features[whole[2]] = torch.nan
    assert len(task.batches(0)) == 2  # nothing is left of the last


def test_kept_features_of_another_shape_are_refused(place):
    learn(place, "resnet", RESNET, place / "run")
    for file in (place / "features").iterdir():
        np.save(file, np.zeros((3, 24), np.float16))
    with pytest.raises(DataError, match=r"holds features of shape \(3, 24\), \(16, 24\) is wanted"):
        learn(place, "resnet", RESNET, place / "again", **{"epochs": ONE["epochs"]})
