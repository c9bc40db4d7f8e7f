"""Runs of the engine: what they compute, what they leave, what they refuse."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import vprkit
from tests.training.small import OPTIONS, SIDE, Drawn, break_photos, copied
from vprkit.errors import ConfigError, ImageError, StoreError, VprError
from vprkit.files import exclusive
from vprkit.training import losses
from vprkit.training.train import train
from vprkit.weights.reading import sha256_of


def run(out, data=None, recorder=None, **options):
    given = {key.replace("__", "."): value for key, value in options.items()}
    return train("mixvpr", data or {"train": Drawn()}, out=out, options={**OPTIONS, **given}, reporter=recorder)


def log(run_):
    return [json.loads(line) for line in (run_.folder / "log.jsonl").read_text().splitlines()]


def tensors(run_):
    return load_file(run_.folder / "last.safetensors")


def equal(one, other, **tolerance):
    return all(torch.allclose(one[name].float(), other[name].float(), **tolerance) for name in one)


class Recorder:
    def __init__(self):
        self.said, self.paces = [], []

    def pace(self, pace):
        self.paces.append(pace)

    def describing(self, what, done, total):
        pass

    def say(self, sentence):
        self.said.append(sentence)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return run(tmp_path_factory.mktemp("plain") / "run")


def test_steps_losses_and_rates_are_logged(plain):
    lines = log(plain)
    assert [line["step"] for line in lines] == [1, 2, 3, 4, 5, 6] and plain.steps == 6 and plain.epochs == 2
    assert [line["rate"] for line in lines] == pytest.approx([0.01, 0.02, 0.02, 0.006, 0.006, 0.006])
    assert all(np.isfinite(line["loss"]) for line in lines)
    assert plain.weights.name == "last.safetensors" and plain.best is None


def test_the_loss_is_that_of_a_loop_written_here(tmp_path, plain):
    """The same steps by hand: batches, images, loss, momentum."""
    from vprkit.data import images as pictures
    from vprkit.data.sampling import PlaceSampler, PlaceSampling
    from vprkit.training.losses import make_loss, make_miner

    places = Drawn()
    model = {key.removeprefix("model."): value for key, value in OPTIONS.items() if key.startswith("model.")}
    method = vprkit.load_method("mixvpr", "random", resize=SIDE, device="cpu", **model)
    network = method.network.train()
    optimiser = torch.optim.SGD(network.parameters(), lr=1.0, momentum=0.9, weight_decay=1e-3)
    sampler = PlaceSampler(places, PlaceSampling(places=4))
    expected = []
    rates = [0.01, 0.02, 0.02, 0.006, 0.006, 0.006]
    for epoch in range(2):
        for rows in sampler.epoch(epoch):
            images = torch.stack([pictures.prepare(places.photo(row), method.preprocessing) for row in rows.ravel()])
            labels = torch.tensor(places.labels[rows.ravel()])
            vectors = network(images)
            loss = make_loss("multi_similarity")(vectors, labels, make_miner("multi_similarity")(vectors, labels))
            optimiser.zero_grad()
            loss.backward()
            optimiser.param_groups[0]["lr"] = rates[len(expected)]
            optimiser.step()
            expected.append(loss.item())
    assert [line["loss"] for line in log(plain)] == pytest.approx(expected, abs=1e-5)
    assert equal(tensors(plain), network.state_dict(), atol=1e-4)


def test_the_weights_are_a_method(plain):
    method = vprkit.load_method(weights=plain.weights, device="cpu")
    assert method.name == "mixvpr" and method.preprocessing.size == (SIDE, SIDE)
    assert method.describe(Drawn().photo(0)).global_.shape == (1, 32)


def test_a_finished_run_is_left_alone_and_a_longer_one_goes_on(tmp_path, plain):
    whole = run(tmp_path / "run", epochs=3)
    run(tmp_path / "short", epochs=2)
    again = run(tmp_path / "short", epochs=2)
    assert again.steps == 6 and len(log(again)) == 6
    longer = run(tmp_path / "short", epochs=3)
    assert log(longer) == log(whole)
    assert equal(tensors(longer), tensors(whole), atol=0)
    assert [session["vprkit"] for session in json.loads((longer.folder / "run.json").read_text())["sessions"]] == [
        vprkit.__version__
    ] * 3


def test_another_run_in_the_folder_is_refused(tmp_path, plain):
    with pytest.raises(ConfigError, match="optimiser.rate=0.02 where now it is 0.5"):
        run(plain.folder, optimiser__rate=0.5)
    with pytest.raises(ConfigError, match="training set is not what the run began with"):
        run(plain.folder, {"train": Drawn(places=14)})
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("x")
    with pytest.raises(ConfigError, match="is no run of vprkit"):
        run(tmp_path / "letters")


def test_gradient_caching_is_the_whole_batch(tmp_path):
    frozen = {"trunk__frozen_layers": 5}  # all of it: batch statistics would differ between chunks
    whole = run(tmp_path / "whole", **frozen)
    cached = run(tmp_path / "cached", running__chunk=3, **frozen)
    assert [line["loss"] for line in log(cached)] == pytest.approx([line["loss"] for line in log(whole)], abs=1e-5)
    assert equal(tensors(cached), tensors(whole), atol=1e-5)
    with pytest.raises(ConfigError, match="takes statistics of the batch"):
        run(tmp_path / "refused", running__chunk=3)


def test_accumulation_averages_and_ends_with_the_epoch(tmp_path):
    both = run(tmp_path / "both", running__accumulate=2, epochs=1, optimiser__kind="adamw")
    assert [line["step"] for line in log(both)] == [1, 2]  # 3 batches: two, then the one that is left


def test_clipping_bounds_the_step(tmp_path):
    options = {"optimiser__momentum": 0.0, "optimiser__weight_decay": 0.0, "schedule__warmup_steps": 0, "epochs": 1,
               "running__steps_per_epoch": 1, "trunk__frozen_layers": 5}  # fmt: skip
    start = run(tmp_path / "start", **{**options, "epochs": 0, "validation__first": False})
    free = run(tmp_path / "free", **options)
    clipped = run(tmp_path / "clipped", running__clip=1e-3, **options)
    assert start.steps == 0
    fresh = tensors(start)

    def moved(run_):
        return torch.cat([(value - fresh[name]).flatten() for name, value in tensors(run_).items()
                          if value.is_floating_point()]).norm().item()  # fmt: skip

    assert moved(clipped) == pytest.approx(0.02 * 1e-3, rel=1e-2) and moved(free) > 2 * moved(clipped)


def test_validation_keeps_the_best_and_patience_stops(tmp_path, shared_set):
    recorder = Recorder()
    data = {"train": Drawn(), "val": shared_set, "val.again": shared_set, "test": shared_set}
    done = run(tmp_path / "run", data, recorder, epochs=6, validation__patience=2, validation__keep=2,
               validation__first=True, validation__monitor="val.again:R@5", schedule__milestones=(),
               optimiser__rate=1e-9)  # fmt: skip
    assert done.epochs == 2 and done.steps == 6  # nothing moves, so nothing gets better
    assert sorted(path.name for path in done.folder.glob("best-*.safetensors")) == [
        "best-1.safetensors", "best-2.safetensors"]  # fmt: skip
    assert any("no better val.again:R@5 in 2 validations" in sentence for sentence in recorder.said)
    rows = [line for line in log(done) if "val:R@1" in line]
    assert len(rows) == 3 and all("val.again:R@20" in row for row in rows)
    tested = vprkit.Result.load(done.folder / "test.json")
    measured = vprkit.evaluate(
        vprkit.load_method(weights=done.weights, device="cpu"), vprkit.open_benchmark(shared_set)
    )
    assert tested.recalls == measured.recalls == {int(k): v for k, v in tested.recalls.items()}
    assert done.best == pytest.approx(measured.recalls[5]) == rows[0]["val.again:R@5"]
    assert (done.folder / "best-val.json").is_file()


def test_patience_asks_for_a_gain_and_the_best_for_none():
    from vprkit.training.state import Position

    position = Position()
    for epoch, (recall, stale) in enumerate([(50.0, 0), (50.5, 1), (51.0, 2), (51.1, 0), (51.1, 1), (40.0, 2)], 1):
        position.epoch = epoch
        position.measured(recall, 1.0)
        assert position.stale == stale and position.validated == epoch
    assert (position.best, position.reached) == (51.1, 51.1)


def test_a_monitor_that_is_not_there_is_refused_before_anything(tmp_path, shared_set):
    with pytest.raises(ConfigError, match="names no validation set"):
        run(tmp_path / "run", {"train": Drawn(), "val": shared_set}, validation__monitor="night:R@1")
    with pytest.raises(ConfigError, match="must end in R@K"):
        run(tmp_path / "run", {"train": Drawn(), "val": shared_set}, validation__monitor="val:R@7")
    with pytest.raises(ConfigError, match="'trian' is no role .did you mean 'train'"):
        run(tmp_path / "run", {"trian": Drawn()})
    assert not (tmp_path / "run").exists()


def test_a_stage_starts_from_what_the_one_before_wrote(tmp_path, plain):
    stage = run(tmp_path / "stage", initial=str(plain.folder), optimiser__rate=1e-12, epochs=1)
    learnt = {name: value for name, value in tensors(plain).items() if "running" not in name and "tracked" not in name}
    assert equal(learnt, tensors(stage), atol=1e-6)
    with pytest.raises(ConfigError, match="out_rows"):
        run(tmp_path / "other", initial=str(plain.folder), model__out_rows=4)
    with pytest.raises(VprError, match="holds neither best-1"):
        run(tmp_path / "empty", initial=str(tmp_path))


class Broken(Drawn):
    def photo(self, row):
        return b"no picture" if row in (3, 20) else super().photo(row)


def test_broken_images_fail_by_default_or_are_counted_and_named(tmp_path):
    with pytest.raises(ImageError, match=r"image (3|20) of drawn-0: not a picture"):
        run(tmp_path / "fails", {"train": Broken()})
    recorder = Recorder()
    done = run(tmp_path / "skips", {"train": Broken()}, recorder, running__on_error="skip")
    assert done.steps == 6 and done.broken == 2
    assert any("images could not be read and were left out" in sentence for sentence in recorder.said)
    assert sum(pace.images for pace in recorder.paces) == 2 * 48 - 2 * 2


def test_a_broken_image_is_replaced_where_the_task_knows_another(tmp_path, monkeypatch):
    from vprkit.training.places import PlaceTask

    monkeypatch.setattr(PlaceTask, "replacement", lambda task, row, generator: row + 1)
    recorder = Recorder()
    run(tmp_path / "run", {"train": Broken()}, recorder, running__on_error="skip")
    assert sum(pace.images for pace in recorder.paces) == 2 * 48
    assert any("images could not be read and were left out" in sentence for sentence in recorder.said)
    monkeypatch.setattr(PlaceTask, "replacement", lambda task, row, generator: row)
    run(tmp_path / "given-up", {"train": Broken()}, again := Recorder(), running__on_error="skip", epochs=1)
    assert sum(pace.images for pace in again.paces) == 48 - 2


def test_weights_of_every_so_many_epochs_and_of_the_last_are_kept(tmp_path, plain):
    done = run(tmp_path / "run", epochs=3, running__keep_every=2, running__steps_per_epoch=1)
    kept = sorted(path.name for path in done.folder.glob("epoch-*"))
    assert kept == ["epoch-00002.safetensors", "epoch-00003.safetensors"]
    assert equal(load_file(done.folder / kept[1]), tensors(done), atol=0)
    assert not list(plain.folder.glob("epoch-*"))


def test_last_weights_are_written_every_so_many_epochs_and_at_the_end(tmp_path, shared_set, monkeypatch):
    from vprkit.training.places import PlaceTask

    written = []
    write = PlaceTask.write

    def counting(task, path, method, notes):
        written.append((path.name, notes["epoch"]))
        write(task, path, method, notes)

    monkeypatch.setattr(PlaceTask, "write", counting)
    options = {"running__last_every": 2, "running__steps_per_epoch": 1}
    done = run(tmp_path / "run", epochs=5, **options)
    assert written == [("last.safetensors", epoch) for epoch in (2, 4, 5)]
    written.clear()
    patient = run(tmp_path / "patient", {"train": Drawn(), "val": shared_set}, epochs=5, optimiser__rate=1e-9,
                  validation__patience=2, validation__keep=0, **options)  # fmt: skip
    assert patient.epochs == 3 and written == [("last.safetensors", epoch) for epoch in (2, 3)]
    whole = run(tmp_path / "whole", epochs=5, running__steps_per_epoch=1)
    assert equal(tensors(done), tensors(whole), atol=0)


def test_a_loss_of_ones_own(tmp_path):
    """The example of docs/training.md: a class, a name, and its parameters learn and come back."""

    class Centres(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.centres = torch.nn.Parameter(torch.zeros(12, 32))

        def forward(self, embeddings, labels, indices_tuple=None):
            return (embeddings - self.centres[labels]).square().sum(1).mean()

    losses.register_loss("centres", Centres)
    try:
        done = run(tmp_path / "run", loss="centres", miner="none", epochs=1)
        assert log(done)[0]["loss"] == pytest.approx(1.0, abs=1e-5)  # unit vectors, centres at zero
        state = torch.load(done.folder / "last.ckpt", weights_only=True)
        assert state["task"]["loss.centres"].abs().sum() > 0
        with pytest.raises(ConfigError, match="there is a loss 'centres' already"):
            losses.register_loss("centres", torch.nn.Identity)
        assert run(tmp_path / "run", loss="centres", miner="none", epochs=2).epochs == 2
    finally:
        del losses.LOSSES["centres"]


def test_a_loss_that_explodes_stops_the_run(tmp_path):
    with pytest.raises(VprError, match="or use another precision$"):  # nothing was saved before
        run(tmp_path / "run", optimiser__rate=1e30, schedule__warmup_steps=0)
    with pytest.raises(VprError, match="not finite shortly before step .* The state before is in .*last.ckpt$"):
        run(tmp_path / "saved", optimiser__rate=1e30, schedule__warmup_steps=2, running__checkpoint_every=1)


def test_several_training_sets(tmp_path):
    done = run(
        tmp_path / "run", {"train.a": Drawn(), "train.b": Drawn(seed=1)}, epochs=1, sampling__within_groups=False
    )
    assert done.steps == 6


def test_half_precision_on_a_cpu_is_close(tmp_path, plain):
    half = run(tmp_path / "run", running__precision="bf16")
    assert [line["loss"] for line in log(half)] == pytest.approx([line["loss"] for line in log(plain)], rel=0.05)
    assert [line["loss"] for line in log(half)] != [line["loss"] for line in log(plain)]
    assert all(tensor.dtype in (torch.float32, torch.int64) for tensor in tensors(half).values())
    with pytest.raises(ConfigError, match="fp16 trains on a GPU only"):
        run(tmp_path / "fp16", running__precision="fp16")


def test_decoding_ahead_and_memory_order_change_nothing(tmp_path, plain):
    ahead = run(tmp_path / "ahead", running__ahead=2, running__workers=3)
    assert equal(tensors(ahead), tensors(plain), atol=0)
    order = run(tmp_path / "order", running__channels_last=True)
    assert [line["loss"] for line in log(order)] == pytest.approx([line["loss"] for line in log(plain)], abs=1e-4)


def test_a_failing_validation_costs_nothing_and_is_made_up_for(tmp_path, shared_set):
    """The epoch is saved before it is measured; with the photos mended, all ends as if they had never been broken."""
    options = {"validation__first": True, "validation__patience": 5}
    photo = copied(shared_set, tmp_path / "set").database.path(2)
    content = photo.read_bytes()
    data = {"train": Drawn(), "val": tmp_path / "set"}
    whole = run(tmp_path / "whole", data, **options)

    run(tmp_path / "run", {"train": Drawn()}, epochs=1, **options)  # without a validation set nothing is measured
    photo.write_bytes(b"no picture")
    with pytest.raises(ImageError, match="not a picture|cannot be"):
        run(tmp_path / "run", data, **options)
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)["position"]
    assert (state["epoch"], state["validated"]) == (1, -1)
    photo.write_bytes(content)
    again = run(tmp_path / "run", data, **options)
    assert equal(tensors(again), tensors(whole), atol=0) and again.best == whole.best
    assert log(again) == [line for line in log(whole) if line["step"]]  # but for the validation before the first step


def test_a_validation_killed_before_it_was_saved_is_logged_once(tmp_path, shared_set, monkeypatch):
    data = {"train": Drawn(), "val": shared_set}
    whole = run(tmp_path / "whole", data)
    from vprkit.training.engine import Engine

    def die(engine, *arguments):
        record(engine, *arguments)
        raise KeyboardInterrupt

    record = Engine._record
    monkeypatch.setattr(Engine, "_record", die)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "run", data)
    monkeypatch.undo()
    again = run(tmp_path / "run", data)
    assert log(again) == log(whole) and equal(tensors(again), tensors(whole), atol=0)
    kept = [sorted(path.name for path in each.folder.glob("best-*")) for each in (again, whole)]
    assert kept[0] == kept[1] and again.best == whole.best


def test_unreadable_images_of_validation_and_test_are_skipped_where_asked(tmp_path, shared_set):
    break_photos(copied(shared_set, tmp_path / "set"))
    recorder = Recorder()
    data = {"train": Drawn(), "val": tmp_path / "set", "test": tmp_path / "set"}
    done = run(tmp_path / "run", data, recorder, running__on_error="skip")
    (said,) = [sentence for sentence in recorder.said if "1 query image could not be read" in sentence]
    assert said.startswith("val: ") and said.endswith("; a skipped query counts as a miss")
    tested = vprkit.Result.load(done.folder / "test.json")
    assert any("1 database image could not be read" in notice for notice in tested.notices)


def test_a_test_set_is_measured_again_with_the_weights_of_further_epochs(tmp_path, shared_set):
    data = {"train": Drawn(), "test": shared_set}
    found = []
    for epochs in (1, 1, 2):
        done = run(tmp_path / "run", data, epochs=epochs)
        found.append((done.folder / "test.json").read_text())
        assert vprkit.Result.load(done.folder / "test.json").weights["sha256"] == sha256_of(done.weights)
    assert found[0] == found[1] != found[2]


def test_two_runs_do_not_write_into_one_folder(tmp_path):
    (tmp_path / "run").mkdir()
    with exclusive(tmp_path / "run" / "lock"), pytest.raises(StoreError, match="being written by another process"):
        run(tmp_path / "run")
    assert run(tmp_path / "run", epochs=1).epochs == 1


def test_a_run_from_a_cpu_goes_on_where_losses_are_scaled(tmp_path, monkeypatch):
    from lightning.fabric.plugins import Precision

    def load(precision, state):
        assert state, "GradScaler refuses an empty state"

    run(tmp_path / "run", epochs=1)
    monkeypatch.setattr(Precision, "load_state_dict", load)
    assert run(tmp_path / "run", epochs=2).epochs == 2
