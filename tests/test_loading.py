"""`load_method`: by name, by file, by both; what contradicts is an error, what is missing says where to get it."""

import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from vprkit import registry
from vprkit.errors import ConfigError, NotAvailable, WeightsError
from vprkit.loading import fetch_weights, load_method, released_files, save_method
from vprkit.method import Method
from vprkit.methods.dinov2 import METHOD as DINOV2
from vprkit.preprocessing import Preprocessing
from vprkit.weights import Header, convert, inspect, read, save, sha256_of

TINY = {"depth": 1, "table_size": 28}
CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "weights"
    path.mkdir()
    monkeypatch.setenv("VPRKIT_WEIGHTS", str(path))
    monkeypatch.chdir(tmp_path)
    return path


def random_method(name: str = "dinov2-vits14", **options: Any) -> Method:
    return load_method(name, "random", **CPU, **TINY, **options)


def released_state(method: Method) -> dict[str, Tensor]:
    """As the authors would have saved it."""
    return {name.removeprefix("backbone."): tensor for name, tensor in method.network.state_dict().items()}


def photos() -> Tensor:
    return torch.randn(2, 3, 28, 42, generator=torch.Generator().manual_seed(0))


def test_random_weights_depend_on_the_seed_only() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first = random_method()
    assert torch.equal(before, torch.get_rng_state())
    assert first.tensors_sha256 == random_method().tensors_sha256
    assert first.tensors_sha256 != random_method(seed=1).tensors_sha256
    assert first.weights is not None and (first.weights.path, first.weights.sha256) == ("random:0", "seed 0")


def test_a_name_says_everything() -> None:
    method = random_method("dinov2-vits14-reg4")
    assert method.name == "dinov2-vits14-reg4" and method.metric == "ip"
    assert method.configuration["registers"] == 4 and method.preprocessing.size == (322, 322)
    assert method.describe(photos()).global_.shape == (2, 384)


def test_one_configuration_has_one_name() -> None:
    assert random_method("dinov2", size="S").name == "dinov2-vits14"
    assert random_method("dinov2", size="S", registers=4).name == "dinov2-vits14-reg4"
    assert random_method("dinov2", size="S", registers=2).name == "dinov2"


@pytest.mark.parametrize("name", [None, "dinov2", "dinov2-vits14"])
def test_a_released_file_is_recognised(folder: Path, name: str | None) -> None:
    origin = random_method()
    torch.save(released_state(origin), folder / "dinov2_vits14_pretrain.pth")
    method = load_method(name, "dinov2_vits14_pretrain.pth", **CPU)
    assert method.name == "dinov2-vits14" and method.configuration == origin.configuration
    assert method.weights is not None and method.weights.licence == "Apache-2.0"
    assert method.weights.sha256 == sha256_of(folder / "dinov2_vits14_pretrain.pth")
    assert method.identity() == origin.identity()
    assert torch.equal(method.describe(photos()).global_, origin.describe(photos()).global_)


def test_the_weights_folder_is_looked_into(folder: Path) -> None:
    torch.save(released_state(random_method()), folder / "dinov2_vits14_pretrain.pth")
    for name, options in (("dinov2-vits14", {}), ("dinov2", {"size": "S"})):
        assert load_method(name, **CPU, **options).configuration["depth"] == 1


@pytest.mark.parametrize(
    "write",
    [
        lambda state: {"teacher": {f"backbone.{n}": t for n, t in state.items()} | {"dino_head.x": torch.zeros(1)}},
        lambda state: {"model_state_dict": {f"module.{name}": tensor for name, tensor in state.items()}},
        lambda state: {name.replace("blocks.", "blocks.0."): tensor for name, tensor in state.items()},
        lambda state: {name: tensor.double() for name, tensor in state.items()},
    ],
    ids=["teacher", "module", "chunked", "double"],
)
def test_other_layouts_of_the_same_weights(tmp_path: Path, write: Any) -> None:
    origin = random_method()
    torch.save(write(released_state(origin)), tmp_path / "x.pth")
    method = load_method(weights=tmp_path / "x.pth", **CPU)
    assert method.tensors_sha256 == origin.tensors_sha256
    assert method.weights is not None and method.weights.licence == ""


def test_half_precision_files_run_in_float32(tmp_path: Path) -> None:
    origin = random_method()
    torch.save({n: t.bfloat16() for n, t in released_state(origin).items()}, tmp_path / "x.pth")
    method = load_method("dinov2", tmp_path / "x.pth", **CPU)
    assert {tensor.dtype for tensor in method.network.state_dict().values()} == {torch.float32}
    torch.testing.assert_close(
        method.describe(photos()).global_, origin.describe(photos()).global_, rtol=0.05, atol=0.01
    )


def test_own_files_carry_everything(tmp_path: Path) -> None:
    origin = load_method("dinov2-vits14", "random", resize="56", pooling="gem", **CPU, **TINY)
    path = save_method(origin, tmp_path / "mine.safetensors", notes={"epoch": 3})
    method = load_method(weights=path, **CPU)
    assert method.identity() == origin.identity()
    header = inspect(path).header
    assert header is not None and header.notes == {"epoch": 3} and header.method == "dinov2-vits14"
    assert load_method("dinov2", path, **CPU).identity() == origin.identity()
    with pytest.raises(WeightsError, match="exists already"):
        save_method(origin, path)
    with pytest.raises(ConfigError, match="made with pooling='gem', the options say pooling='cls'"):
        load_method(weights=path, pooling="cls", **CPU)
    with pytest.raises(WeightsError, match="is of the method 'dinov2-vits14', asked for was 'dinov2-vitb14'"):
        load_method("dinov2-vitb14", path, **CPU)


def test_own_files_of_a_method_that_is_not_installed(tmp_path: Path) -> None:
    header = Header("stranger", {}, Preprocessing(), "ip")
    path = save(tmp_path / "x.safetensors", {"a": torch.zeros(1)}, header)
    assert inspect(path).methods == ("stranger",)
    with pytest.raises(WeightsError, match="method 'stranger', which is not installed"):
        load_method(weights=path)


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_method(random_method(), tmp_path / "mine.safetensors")
    before = path.read_bytes()

    def fail(*ignored: Any, **more: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("safetensors.torch.save_file", fail)
    with pytest.raises(WeightsError, match="disk full"):
        save_method(random_method(seed=2), path, overwrite=True)
    assert path.read_bytes() == before and len(list(tmp_path.glob("*.safetensors*"))) == 1


def test_convert_and_inspect(tmp_path: Path) -> None:
    origin = random_method("dinov2-vits14-reg4")
    source = tmp_path / "dinov2_vits14_reg4_pretrain.pth"
    torch.save({"state_dict": released_state(origin), "epoch": 3}, source)
    seen = inspect(source)
    assert seen.methods == ("dinov2-vits14-reg4",) and seen.wrapper == ("state_dict",) and seen.beside == ("epoch",)
    assert seen.parameters == sum(p.numel() for p in origin.network.parameters()) and seen.dtypes == {"float32": 22}
    assert seen.sha256 == sha256_of(source) and seen.header is None
    target = convert(source, tmp_path / "own.safetensors")
    assert load_method(weights=target, **CPU).identity() == origin.identity()
    header = read(target).header
    assert header is not None and header.licence == "Apache-2.0"
    assert header.notes == {"source": source.name, "source_sha256": seen.sha256}
    with pytest.raises(WeightsError, match="exists already"):
        convert(source, target)
    convert(source, target, overwrite=True)
    with pytest.raises(WeightsError, match=r"should end in \.safetensors"):
        convert(source, tmp_path / "own.pth")


@pytest.mark.parametrize("named", [None, "dinov2", "dinov2-vits14"])
@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("norm.weight", None, r"1 missing: 'backbone\.norm\.weight'"),
        ("norm.weight", "norm.wieght", r"1 missing: 'backbone\.norm\.weight'.*1 unexpected: 'backbone\.norm\.wieght'"),
        ("cls_token", None, r"1 missing: 'backbone\.cls_token'"),
        ("pos_embed", None, r"1 missing: 'backbone\.pos_embed'"),
        ("blocks.0.ls2.gamma", torch.zeros(3), r"1 of another shape: 'backbone\.blocks\.0\.ls2\.gamma' is \(3,\)"),
        ("mask_token", torch.zeros(1, 9), r"1 of another shape: 'backbone\.mask_token'"),
    ],
)
def test_one_wrong_key_is_named(tmp_path: Path, named: str | None, old: str, new: Any, words: str) -> None:
    state = released_state(random_method())
    tensor = state.pop(old)
    if isinstance(new, str):
        state[new] = tensor
    elif new is not None:
        state[old] = new
    torch.save(state, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=words):
        load_method(named, tmp_path / "x.pth", **CPU)


def test_another_systems_file(tmp_path: Path) -> None:
    torch.save({"backbone.conv1.weight": torch.zeros(2, 3), "aggregation.1.p": torch.zeros(1)}, tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"no method recognises .*2 tensors \('backbone\.conv1\.weight' \(2, 3\)"):
        load_method(weights=tmp_path / "x.pth")
    with pytest.raises(WeightsError, match=r"x\.pth does not fit dinov2-vits14: 175 missing.*2 unexpected"):
        load_method("dinov2-vits14", tmp_path / "x.pth")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"name": "dinov2-vitb14"}, "x.pth is of size='S', 'dinov2-vitb14' means size='B'"),
        ({"name": "dinov2-vits14-reg4"}, "registers=0, 'dinov2-vits14-reg4' means registers=4"),
        ({"registers": 4}, "registers=0, the options say registers=4"),
        ({"name": "dinov2-vits14", "depth": 7}, "depth=1, the options say depth=7"),
        ({"pooling": "gme"}, "'pooling' must be one of 'cls', 'gem', got 'gme'"),
        ({"poolign": "gem"}, "unknown key 'poolign'.*did you mean 'pooling'"),
        ({"seed": 3}, "unknown key 'seed'"),
        ({"resize": 100}, "images of 100x100 were asked for, this method needs multiples of 14: take 98x98"),
        ({"name": "dinov3"}, "no method 'dinov3'.*did you mean 'dinov2"),
    ],
)
def test_contradictions_and_unknown_options(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    torch.save(released_state(random_method()), tmp_path / "x.pth")
    with pytest.raises(ConfigError, match=words):
        load_method(weights=tmp_path / "x.pth", **CPU, **options)


def test_options_that_the_file_does_not_decide_are_free(tmp_path: Path) -> None:
    torch.save(released_state(random_method()), tmp_path / "x.pth")
    method = load_method(weights=tmp_path / "x.pth", pooling="gem", resize="28x42", **CPU)
    assert method.configuration["pooling"] == "gem" and method.preprocessing.size == (28, 42)


def test_missing_weights_say_what_to_put_where(folder: Path) -> None:
    for arguments in (("dinov2-vitg14",), (None, "dinov2_vitg14_pretrain.pth")):
        with pytest.raises(NotAvailable) as caught:
            load_method(*arguments)
        for part in ("dinov2_vitg14_pretrain.pth", "https://dl.fbaipublicfiles.com/dinov2/dinov2_vitg14/", str(folder)):
            assert part in str(caught.value)
        assert "vpr weights fetch dinov2-vitg14" in str(caught.value)
    with pytest.raises(NotAvailable, match=r"no weights file none\.pth"):
        load_method(weights="none.pth")


def test_options_that_contradict_the_name() -> None:
    with pytest.raises(ConfigError, match="'dinov2-vits14' means size='S', the options say size='L'"):
        load_method("dinov2-vits14", "random", size="L")


def test_a_described_method_can_be_made_again(tmp_path: Path) -> None:
    """What maps do: name, path of the weights, preprocessing and the whole configuration, as plain data."""
    torch.save(released_state(random_method()), tmp_path / "x.pth")
    for method in (
        load_method("dinov2", "x.pth", resize="28x42", pooling="gem", **CPU),
        random_method(seed=7),
        load_method("thumbnail", **CPU),
    ):
        again = load_method(
            method.name,
            None if method.weights is None else method.weights.path,
            preprocessing=method.preprocessing.to_dict(),
            **CPU,
            **method.configuration,
        )
        assert again.identity() == method.identity() and again.weights == method.weights


def test_preprocessing_may_be_given_whole() -> None:
    asked = Preprocessing(size=(28, 56), fit="central_crop", multiple=14)
    assert random_method(preprocessing=asked).preprocessing == asked
    with pytest.raises(ConfigError, match="multiples of 14"):
        random_method(preprocessing=dataclasses.replace(asked, size=(30, 56)))
    with pytest.raises(ConfigError, match=r"preprocessing\.sise"):
        random_method(preprocessing={"sise": 3})
    own = random_method().preprocessing
    single = random_method(preprocessing={"engine": "tensor"}).preprocessing
    assert single == dataclasses.replace(own, engine="tensor") != own


def test_nothing_asked_for() -> None:
    with pytest.raises(ConfigError, match="a method's name, a weights file, or both"):
        load_method()
    with pytest.raises(ConfigError, match="needs the method's name"):
        load_method(weights="random")
    for options in ({"seed": "one"}, {"weights": "random:one"}):
        with pytest.raises(ConfigError, match="seed of random weights must be a whole number"):
            load_method("dinov2-vits14", **{"weights": "random", **options})
    with pytest.raises(ConfigError, match="unknown key 'seed'"):
        load_method("dinov2-vits14", "random:3", seed=4)


@pytest.fixture
def twins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two methods whose files look alike, as CosPlace's and EigenPlaces' do."""
    other = dataclasses.replace(
        DINOV2,
        name="twin",
        variants={},
        released=(registry.Released("twin.pth", "https://example.org/twin.pth", "CC-BY-4.0"),),
    )
    monkeypatch.setattr(registry, "declarations", lambda: iter([DINOV2, other]))
    monkeypatch.setattr(registry, "find_declaration", lambda name: other if name == "twin" else DINOV2)
    yield


@pytest.mark.usefixtures("twins")
def test_files_of_several_methods_are_told_apart_by_name(tmp_path: Path) -> None:
    state = released_state(random_method())
    torch.save(state, tmp_path / "unknown.pth")
    with pytest.raises(WeightsError, match="fits several methods: dinov2, twin; say which one"):
        load_method(weights=tmp_path / "unknown.pth", **CPU)
    assert load_method("twin", tmp_path / "unknown.pth", **CPU).name == "twin"
    torch.save(state, tmp_path / "twin.pth")
    method = load_method(weights=tmp_path / "twin.pth", **CPU)
    assert method.name == "twin" and method.weights is not None and method.weights.licence == "CC-BY-4.0"


def test_released_files() -> None:
    assert [released.file for released in released_files("dinov2-vitl14-reg4")] == ["dinov2_vitl14_reg4_pretrain.pth"]
    assert len(released_files("dinov2")) == 8


def test_fetching_by_name_finds_what_is_there(folder: Path) -> None:
    (folder / "dinov2_vits14_pretrain.pth").write_bytes(b"x")
    assert fetch_weights("dinov2-vits14") == [folder / "dinov2_vits14_pretrain.pth"]


def test_weights_are_readable_by_those_whom_the_umask_allows(tmp_path):
    before = os.umask(0o022)
    try:
        save_method(
            load_method("convap", "random", backbone="resnet18", stages=1, device="cpu"), tmp_path / "w.safetensors"
        )
    finally:
        os.umask(before)
    assert (tmp_path / "w.safetensors").stat().st_mode & 0o777 == 0o644


def test_the_folder_of_a_run_stands_for_its_best_weights(tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "run.json").write_text("{}")
    (run / "last.ckpt").write_bytes(b"state")
    with pytest.raises(NotAvailable, match="has this run written any yet"):
        load_method(weights=run)
    with pytest.raises(WeightsError, match="training goes on from, not weights; this run has written no"):
        load_method(weights=run / "last.ckpt")
    last = save_method(random_method(seed=1), run / "last.safetensors")
    assert load_method(weights=run, **CPU).weights == load_method(weights=last, **CPU).weights
    best = save_method(random_method(seed=2), run / "best-1.safetensors")
    assert load_method(weights=run, **CPU).weights == load_method(weights=best, **CPU).weights
    with pytest.raises(WeightsError, match=f"not weights; use {best} or {last}"):
        load_method("dinov2-vits14", run / "last.ckpt")
