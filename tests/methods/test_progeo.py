"""ProGEO's two stages on a few drawn pictures with a random CLIP, and what keeps them together."""

import sys
import types

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import vprkit
from tests.methods.progeo_small import ONE, RESNET, VIT, Stopping, learn, tune
from tests.training.cells import SIDE, write_benchmark, write_cells, write_clip
from vprkit.data.grouped_images import group_images, training_records
from vprkit.errors import ConfigError, NotAvailable, VprError, WeightsError
from vprkit.methods.progeo.clip_files import read_clip, start_backbone
from vprkit.methods.progeo.network import ProGEOConfig, build
from vprkit.methods.progeo.official_prompts import published_order, read_official_prompts
from vprkit.methods.progeo.prompt_files import read_prompts
from vprkit.methods.progeo.prompts import Prompts, sentence_vectors
from vprkit.training.train import train


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Folder with `train`, `set`, two CLIPs and the prompts of each."""
    root = tmp_path_factory.mktemp("progeo")
    write_cells(root / "train")
    write_benchmark(root / "set")
    for encoder, model in (("vit", VIT), ("resnet", RESNET)):
        write_clip(root / f"{encoder}.safetensors", encoder)
        learn(root, encoder, model, root / f"prompts-{encoder}")
    return root


@pytest.mark.parametrize(("encoder", "model"), [("vit", VIT), ("resnet", RESNET)])
def test_both_stages_one_after_the_other(place, tmp_path, encoder, model):
    done = tune(place, encoder, model, tmp_path / "run", triplet=True)
    method = vprkit.load_method(weights=done.weights)
    assert method.name == "progeo" and method.metric == "l2" and done.best is not None
    vectors = method.describe([np.zeros((SIDE, SIDE, 3), np.uint8)]).global_
    assert vectors.shape == (1, 24)
    log = (done.folder / "log.jsonl").read_text()
    assert '"text"' in log and '"triplet"' in log


def test_prompts_learn_and_their_file_says_what_they_are_of(place):
    prompts = read_prompts(place / "prompts-vit" / "last.safetensors")
    assert prompts.facts.dim == 24 and [len(part) for part in prompts.classes] == [4, 4]
    assert prompts.facts.clip == read_clip(place / "vit.safetensors").sha256
    assert prompts.vectors[0].shape == (4, 4, 64) and prompts.vectors[0].std() > 0.03  # it began at 0.02
    log = [line for line in (place / "prompts-vit" / "log.jsonl").read_text().splitlines() if '"loss"' in line]
    assert len(log) == 4 * 3  # 16 images of a group in batches of 6


def test_class_rows_are_found_by_their_corners(place):
    prompts = read_prompts(place / "prompts-vit" / "last.safetensors")
    corners = prompts.classes[1].numpy()
    turned = prompts.features_of(1, corners[::-1].copy())
    assert torch.equal(turned, prompts.features[1].flip(0))
    with pytest.raises(ConfigError, match=r"lack 1 of 1 classes of group 1, such as \(1, 2, 3\)"):
        prompts.features_of(0, np.array([[1, 2, 3]]))


def test_features_are_described_once_and_kept(place):
    before = {path: path.stat().st_mtime_ns for path in (place / "features").iterdir()}
    assert len(before) == 4  # two groups of two CLIPs
    learn(place, "vit", VIT, place / "again")
    assert {path: path.stat().st_mtime_ns for path in (place / "features").iterdir()} == before
    one, other = (load_file(place / name / "last.safetensors") for name in ("prompts-vit", "again"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_batch_statistics_give_other_features(place):
    learn(place, "resnet", RESNET, place / "statistics", batch_statistics=True)
    one, other = (read_prompts(place / name / "last.safetensors") for name in ("prompts-resnet", "statistics"))
    assert not torch.equal(one.vectors[0], other.vectors[0])


def test_a_trained_vit_is_normalised_where_that_is_asked_of_it(place, tmp_path):
    weights = tune(place, "vit", VIT, tmp_path / "run", epochs=0).weights
    photo = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    plain = vprkit.load_method(weights=weights, device="cpu").describe(photo).global_
    unit = vprkit.load_method(weights=weights, device="cpu", normalise=True).describe(photo).global_
    assert abs(plain.norm() - 1) > 0.1
    torch.testing.assert_close(unit, plain / plain.norm())


@pytest.mark.parametrize("step", [2, 5])
def test_stopped_prompts_go_on_to_the_same_numbers(place, tmp_path, step):
    with pytest.raises(RuntimeError, match="stopped"):
        learn(place, "vit", VIT, tmp_path / "run", Stopping(step))
    learn(place, "vit", VIT, tmp_path / "run")
    one, other = (load_file(folder / "last.safetensors") for folder in (place / "prompts-vit", tmp_path / "run"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_stopped_second_stage_goes_on_to_the_same_weights(place, tmp_path):
    whole = tune(place, "resnet", RESNET, tmp_path / "whole")
    with pytest.raises(RuntimeError, match="stopped"):
        tune(place, "resnet", RESNET, tmp_path / "parts", Stopping(3))
    parts = tune(place, "resnet", RESNET, tmp_path / "parts")
    one, other = (load_file(run.folder / "last.safetensors") for run in (whole, parts))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_positions_are_resampled_and_the_pool_left_out(place):
    clip = read_clip(place / "vit.safetensors")
    network = build(ProGEOConfig("vit", (2,), 64, 16, SIDE, 24))
    start_backbone(network.backbone, clip)
    assert len(network.backbone.positional_embedding) == 5 and len(clip.image["positional_embedding"]) == 17
    resnet = build(ProGEOConfig("resnet", (1, 1, 1, 1), 4, dim=24))
    start_backbone(resnet.backbone, read_clip(place / "resnet.safetensors"))


def test_what_does_not_belong_together_is_refused(place, tmp_path):
    with pytest.raises(ConfigError, match="model.dim is 8, but vit.safetensors has a joint width of 24"):
        learn(place, "vit", {**VIT, "model.dim": 8}, tmp_path / "a")
    with pytest.raises(ConfigError, match="learnt with another CLIP file"):
        tune(place, "vit", VIT, tmp_path / "b", prompts=str(place / "prompts-resnet"))
    with pytest.raises(ConfigError, match="give both stages the same grouping"):
        tune(place, "vit", VIT, tmp_path / "c", **{"grouping.min_images": 2})
    with pytest.raises(ConfigError, match="have 24 values, the model's dim is 8"):
        tune(place, "resnet", {**RESNET, "model.dim": 8}, tmp_path / "d")
    with pytest.raises(WeightsError, match="holds no prompts"):
        tune(place, "vit", VIT, tmp_path / "e", prompts=str(place / "vit.safetensors"))
    with pytest.raises(ConfigError, match="epochs=1 is less than groups=2"):
        learn(place, "vit", VIT, tmp_path / "f", epochs=1)
    with pytest.raises(NotAvailable, match="no CLIP file of these sizes"):
        learn(place, "vit", VIT, tmp_path / "g", clip="pretrained")
    with pytest.raises(ConfigError, match="give both the same"):
        tune(place, "vit", VIT, tmp_path / "h", image_size=(64, 64))
    with pytest.raises(WeightsError, match="no CLIP with image and text tower"):
        read_clip(place / "prompts-vit" / "last.safetensors")
    with pytest.raises(VprError, match="nothing to validate"):
        train("progeo-prompts", {"train": place / "train", "val": place / "set"}, out=tmp_path / "i",
              options={**ONE, **VIT, "clip": str(place / "vit.safetensors")})  # fmt: skip
    assert not (tmp_path / "i").exists(), "refused before any work"


def pickled(path, monkeypatch, groups):
    """What the published program saves: modules of a class of its own, here with a trap in it."""
    module = types.ModuleType("cosplace_model.cosplace_network_stage1")

    class PromptLearner(torch.nn.Module):
        def __init__(self, vectors, prompts):
            super().__init__()
            self.num_class, self.n_cls_ctx = vectors.shape[:2]
            self.cls_ctx = torch.nn.Parameter(vectors)
            self.register_buffer("token_prefix", prompts.token_prefix)
            self.register_buffer("token_suffix", prompts.token_suffix)
            self.tokenized_prompts = torch.zeros(1, 77, dtype=torch.long)

        def __setstate__(self, state):
            raise AssertionError("code of the file's class was run")

    PromptLearner.__module__, PromptLearner.__qualname__ = module.__name__, "PromptLearner"
    module.PromptLearner = PromptLearner
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "cosplace_model", types.ModuleType("cosplace_model"))
        patch.setitem(sys.modules, module.__name__, module)
        torch.save([PromptLearner(vectors, prompts) for vectors, prompts in groups], path)
    return path


def test_the_authors_prompt_files_are_read_without_running_them(place, tmp_path, monkeypatch):
    ours, clip = read_prompts(place / "prompts-vit" / "last.safetensors"), read_clip(place / "vit.safetensors")
    images = group_images(training_records(place / "train", ours.facts.grouping), ours.facts.grouping)
    base = Prompts(4, sentence_vectors(clip.table))
    theirs = [(vectors[torch.from_numpy(published_order(images, number))], base)
              for number, vectors in enumerate(ours.vectors)]  # fmt: skip
    path = pickled(tmp_path / "last_prompt_learners.pth", monkeypatch, theirs)
    read = read_official_prompts(path, images, clip, 2)
    for part in ("vectors", "features", "classes"):
        for one, other in zip(getattr(ours, part), getattr(read, part), strict=True):
            torch.testing.assert_close(one, other)
    done = tune(place, "vit", VIT, tmp_path / "run", prompts=str(path))
    same = tune(place, "vit", VIT, tmp_path / "same")
    for one, other in zip(*(load_file(run.folder / "last.safetensors").values() for run in (done, same)), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_prompt_files_of_other_lists_or_clips_are_refused(place, tmp_path, monkeypatch):
    ours, clip = read_prompts(place / "prompts-vit" / "last.safetensors"), read_clip(place / "vit.safetensors")
    images = group_images(training_records(place / "train", ours.facts.grouping), ours.facts.grouping)
    base = Prompts(4, sentence_vectors(clip.table))
    short = pickled(tmp_path / "short.pth", monkeypatch, [(ours.vectors[0][:3], base)])
    with pytest.raises(ConfigError, match="prompts of 1 groups, groups=2 are wanted"):
        read_official_prompts(short, images, clip, 2)
    with pytest.raises(ConfigError, match="short.pth, group 1: 3 prompts, but this training list makes 4 classes"):
        read_official_prompts(short, images, clip, 1)
    other = Prompts(4, sentence_vectors(clip.table) + 1)
    with pytest.raises(WeightsError, match="learnt with another CLIP"):
        read_official_prompts(pickled(tmp_path / "o.pth", monkeypatch, [(ours.vectors[0], other)]), images, clip, 1)
    torch.save([torch.nn.Linear(1, 1)], tmp_path / "linear.pth")
    with pytest.raises(WeightsError, match="'torch.nn.modules.linear.Linear', which is not data"):
        read_official_prompts(tmp_path / "linear.pth", images, clip, 1)
