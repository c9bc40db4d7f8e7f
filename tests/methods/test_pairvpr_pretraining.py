"""Recipe `pairvpr-pretrain`: what it hides, what it learns from, what it leaves; going on after a stop."""

import argparse
import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import vprkit
from tests.methods.pairvpr_small import PRETRAIN, SIDE, Stopping, write_panoramas
from tests.training.small import Drawn
from vprkit.data.grouped_images import group_images, training_records
from vprkit.data.groups import PAIR_VPR, PANORAMA, CosPlaceGrouping
from vprkit.errors import ConfigError, DataError, ImageError, VprError, WeightsError
from vprkit.loading import save_method
from vprkit.methods.pairvpr.cells import open_cells
from vprkit.methods.pairvpr.layer_decay import decays, rate_factor
from vprkit.methods.pairvpr.masking import draw_mask, hidden_patches, image_of, patches_of
from vprkit.registry import find_recipe, load_attribute
from vprkit.training.train import resolve_settings, train


def run(out, data=None, recorder=None, **options):
    given = {key.replace("__", "."): value for key, value in options.items()}
    sets = data or {"train": Drawn()}
    return train("pairvpr-pretrain", sets, out=out, options={**PRETRAIN, **given}, reporter=recorder)


def task_of(data, **options):
    declared = find_recipe("pairvpr-pretrain")
    given = {key.replace("__", "."): value for key, value in options.items()}
    return load_attribute(declared.task)(resolve_settings(declared, None, {**PRETRAIN, **given}), data)


def log(run_):
    return [json.loads(line) for line in (run_.folder / "log.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def panoramas(tmp_path_factory):
    return write_panoramas(tmp_path_factory.mktemp("sfxl") / "raw" / "train" / "panoramas")


@pytest.fixture(scope="module")
def done(tmp_path_factory, panoramas):
    sets = {"train.places": Drawn(), "train.sfxl": panoramas.parents[2]}
    return run(tmp_path_factory.mktemp("done") / "run", sets)


def test_so_many_patches_are_hidden_and_the_published_ones():
    mask = draw_mask(50, 16, 0.9)
    assert (mask.sum(1) == 14).all() and mask.float().mean(0).min() > 0.5
    noise = torch.tensor([[0.5, 0.1, 0.9, 0.3]])  # its order is 1 3 0 2, its ranks are 2 0 3 1
    assert hidden_patches(noise, 0.5).tolist() == [[True, False, True, False]]


def test_patches_are_ordered_by_row_column_channel():
    images = torch.arange(2 * 3 * 4 * 6).reshape(2, 3, 4, 6)
    found = patches_of(images, 2)
    assert found.shape == (2, 6, 12)
    for row, column, channel in ((0, 0, 0), (0, 1, 2), (1, 0, 1), (1, 1, 2)):
        number = (row * 2 + column) * 3 + channel
        assert found[1, 4, number] == images[1, channel, 2 + row, 2 + column]
    assert torch.equal(image_of(found, 2, (2, 3)), images)


def test_rates_fall_towards_the_pixels():
    found = [rate_factor(name, 3, 2, 0.5, 0.2) for name in (
        "prediction_head.bias", "dec_norm.weight", "dec_blocks.0.norm_y.weight", "decoder_embed.weight",
        "encoder.norm.bias", "encoder.blocks.0.attn.qkv.weight", "encoder.pos_embed", "encoder.patch_embed.proj.bias",
        "globalizer.0.weight",
    )]  # fmt: skip
    assert found == pytest.approx([1, 1 / 2, 1 / 4, 1 / 8, 1 / 8, 1 / 32, 1 / 64, 0.2 / 64, 1 / 64])
    square, line = torch.nn.Parameter(torch.zeros(2, 2)), torch.nn.Parameter(torch.zeros(2))
    assert decays("decoder_embed.weight", square) and not decays("x.weight", line)
    assert not any(decays(name, square) for name in ("a.bias", "encoder.blocks.0.ls1.gamma", "dec_norm.weight"))


def test_every_class_gives_one_pair_an_epoch_of_its_own_source(panoramas):
    task = task_of({"train.places": Drawn(), "train.sfxl": panoramas}, batch=5)
    for epoch in range(3):
        batches = task.batches(epoch)
        assert len(batches) == 3 and all(rows.shape == (5, 2) for rows in batches)  # 12 places and 3 cells
        flat = np.concatenate(batches)
        sources = task.pairs.source_of(flat[:, 0])
        assert (sources == task.pairs.source_of(flat[:, 1])).all() and sources.sum() == 3
        places, cells = flat[sources == 0], (flat[sources == 1] - 48) // PANORAMA
        assert sorted(Drawn().labels[places[:, 0]]) == list(range(12))
        assert (Drawn().labels[places[:, 0]] == Drawn().labels[places[:, 1]]).all()
        assert sorted(task.pairs.sources[1].images.grouped.labels[cells[:, 0]]) == [0, 1, 2]
    assert not np.array_equal(task.batches(0)[0], task.batches(1)[0])
    assert np.array_equal(task.batches(1)[0], task.batches(1)[0])


def test_views_are_cropped_from_the_whole_photo(panoramas):
    task = task_of({"train": panoramas}, batch=3, augmentation__crop_area=1.0)
    row = int(task.batches(0)[0][0, 0])
    whole = task.read(row, np.random.default_rng(0))
    assert whole.shape == (3, SIDE, SIDE) and whole.dtype == torch.uint8
    assert torch.equal(whole, task.read(row, np.random.default_rng(1)))
    cropping = task_of({"train": panoramas}, batch=3)
    first, same, other = (cropping.read(row, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, same) and not torch.equal(first, other) and not torch.equal(first, whole)


def test_losses_rates_and_what_is_left(done):
    lines = log(done)
    assert (
        done.steps == 9 and done.epochs == 3
    )  # 12 places and 3 cells in batches of 4, the last three classes left out
    ramp = [0.01 * step / 2 for step in (1, 2)]  # 3 steps of warm-up, whose first index is 1
    fall = [1e-6 + (0.01 - 1e-6) * (1 + math.cos(math.pi * step / 6)) / 2 for step in range(7)]
    assert [line["rate"] for line in lines] == pytest.approx([*ramp, *fall])  # of the head, the fastest group
    assert all(line["loss"] > 0 for line in lines) and lines[-1]["loss"] < lines[0]["loss"]
    named = [[line[f"loss_{name}"] for line in lines] for name in ("places", "sfxl")]
    assert all(loss > 0 for loss in named[0]) and 0 < sum(loss is not None for loss in named[1]) < 9
    names = sorted(path.name for path in done.folder.glob("*.safetensors"))
    assert names == ["epoch-00002.safetensors", "epoch-00003.safetensors", "last.safetensors"]


def test_only_what_learns_moves_and_weight_decay_spares_norms(done):
    last = load_file(done.folder / "last.safetensors")
    fresh = task_of({"train": Drawn()}).network.state_dict()
    same = {name for name in fresh if torch.equal(last[name], fresh[name])}
    assert {"encoder.patch_embed.proj.weight", "encoder.blocks.0.attn.qkv.weight", "encoder.mask_token",
            "globalizer.0.weight", "classvprmodule.0.weight", "mask_token", "dec_pos_embed"} <= same  # fmt: skip
    assert not same & {"encoder.blocks.1.attn.qkv.weight", "encoder.norm.weight", "decoder_embed.weight",
                       "dec_blocks.0.cross_attn.projv.weight", "dec_norm.weight", "prediction_head.bias"}  # fmt: skip


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path, done, panoramas):
    sets = {"train.places": Drawn(), "train.sfxl": panoramas.parents[2]}
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", sets, Stopping(5), running__checkpoint_every=1)
    again = run(tmp_path / "run", sets, running__checkpoint_every=1)
    assert log(again) == log(done)
    one, other = (load_file(each.folder / "last.safetensors") for each in (done, again))
    assert all(torch.equal(one[name], other[name]) for name in one)


class Broken(Drawn):
    def photo(self, row):
        return b"no picture" if row in (3, 20) else super().photo(row)


def test_unreadable_images_are_replaced_counted_and_named(tmp_path):
    reporter = Stopping(0)
    found = run(tmp_path / "run", {"train": Broken()}, reporter, epochs=4)
    assert any("images could not be read and were left out" in said for said in reporter.said)
    assert all(line["loss"] > 0 for line in log(found))
    task = task_of({"train": Broken()})
    others = {task.replacement(3, np.random.default_rng(seed)) for seed in range(40)}
    assert others == {0, 1, 2, 3}
    with pytest.raises(ImageError, match="not a picture"):
        run(tmp_path / "fails", {"train": Broken()}, epochs=4, running__on_error="fail")


def test_its_weights_are_told_from_finished_ones(done):
    with pytest.raises(WeightsError, match="first stage"):
        vprkit.load_method(weights=done.weights, device="cpu")


def test_the_authors_files_start_it_too(tmp_path, done):
    state = {
        f"encoder.model.{name.removeprefix('encoder.')}" if name.startswith("encoder.") else name: tensor
        for name, tensor in load_file(done.weights).items()
    }
    file = tmp_path / "checkpoint-3.pth"
    torch.save({"model": state, "optimizer": {}, "args": argparse.Namespace(lr=1), "epoch": 2, "global_iter": 9}, file)
    network = task_of({"train": Drawn()}, initial=str(file), model__decoder_heads=1).network
    assert all(torch.equal(tensor, load_file(done.weights)[name]) for name, tensor in network.state_dict().items())
    with pytest.raises(ConfigError, match="was made with decoder_depth=2, the recipe says model.decoder_depth=3"):
        task_of({"train": Drawn()}, initial=str(file), model__decoder_heads=1, model__decoder_depth=3)


def test_what_is_refused(tmp_path, shared_set):
    with pytest.raises(ConfigError, match="model.class_token=false"):
        task_of({"train": Drawn()}, model__class_token=True)
    with pytest.raises(ConfigError, match="a batch takes 20 classes, but train has only 12"):
        task_of({"train": Drawn()}, batch=20)
    with pytest.raises(ConfigError, match="give them to recipe pairvpr"):
        run(tmp_path / "run", {"train": Drawn(), "val": shared_set})
    with pytest.raises(ConfigError, match="mask_ratio between 0 and 1"):
        task_of({"train": Drawn()}, mask_ratio=1.0)
    with pytest.raises(ConfigError, match="has no gradient caching"):
        task_of({"train": Drawn()}, running__chunk=2)


def test_it_starts_from_a_dinov2(tmp_path):
    options = {"depth": 2, "table_size": SIDE}
    save_method(
        vprkit.load_method("dinov2-vits14-reg4", "random:5", device="cpu", **options), tmp_path / "d.safetensors"
    )
    encoder = task_of({"train": Drawn()}, foundation=str(tmp_path / "d.safetensors")).network.encoder
    wanted = vprkit.load_method(weights=tmp_path / "d.safetensors", device="cpu").network.get_submodule("backbone")
    assert all(torch.equal(tensor, encoder.state_dict()[name]) for name, tensor in wanted.state_dict().items())


def test_random_blocks_keep_tokens_and_positions():
    plain, changed = (task_of({"train": Drawn()}, random_blocks=value).network.encoder for value in (False, True))
    assert torch.equal(plain.pos_embed, changed.pos_embed)
    assert torch.equal(plain.patch_embed.proj.weight, changed.patch_embed.proj.weight)
    bound = math.sqrt(6 / (384 + 384))
    assert changed.blocks[0].attn.proj.weight.abs().max() <= bound < 1.001 * bound
    assert changed.blocks[0].attn.proj.weight.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)


@pytest.fixture
def published(tmp_path, panoramas):
    """What the authors' program would have cached of these panoramas."""
    grouped = group_images(training_records(panoramas, PAIR_VPR), PAIR_VPR)
    cells = [tuple(map(int, cell[:2])) for cell in grouped.grouped.classes]
    images = {
        cell: [grouped.records.names[int(row)] for row in np.flatnonzero(grouped.grouped.labels == number)]
        for number, cell in enumerate(cells)
    }
    file = tmp_path / "sfxl_M15_N1_mipc5.torch"
    torch.save(([cells[::-1]], images), file)
    return file


def test_the_authors_cells_are_ours(published, panoramas, tmp_path):
    found, own = open_cells(panoramas, str(published), PAIR_VPR), open_cells(panoramas, None, PAIR_VPR)
    assert found.grouped.classes.tolist() == own.grouped.classes.tolist()
    assert sorted(found.records.names) == sorted(own.records.names)
    for name in ("labels", "group_of_image", "group_of_class"):
        assert np.array_equal(np.sort(getattr(found.grouped, name)), np.sort(getattr(own.grouped, name)))
    assert found.grouped.labels[list(found.records.names).index(own.records.names[7])] == own.grouped.labels[7]
    own.save(tmp_path / "cells.npz")
    again = open_cells(panoramas, str(tmp_path / "cells.npz"), PAIR_VPR)
    assert again.fingerprint() == own.fingerprint()
    assert len(task_of({"train": panoramas}, batch=3, cells=str(published)).pairs) == 3


def test_cells_of_another_rule_or_with_code_are_refused(published, panoramas, tmp_path):
    with pytest.raises(DataError, match="cells of another rule than grouping.metres=20"):
        open_cells(panoramas, str(published), CosPlaceGrouping(20, 0, 1, 1, 5))
    bad = tmp_path / "bad.torch"
    for content in (([[(1, 2)]], {}), ([[(1, 2), (1, 2)]], {(1, 2): ["x"]}), 5, ([["a"]], {"a": ["x"]}),
                    ([[(1, 2)]], {(1, 2): ["../x"]})):  # fmt: skip
        torch.save(content, bad)
        with pytest.raises(DataError, match="is no cache of panorama cells"):
            open_cells(panoramas, str(bad), PAIR_VPR)
    torch.save(([[(1, 2)]], {(1, 2): [print]}), bad)
    with pytest.raises(VprError, match="not data"):
        open_cells(panoramas, str(bad), PAIR_VPR)
