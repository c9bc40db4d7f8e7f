"""Reading weights files: everything harmless is read, nothing is ever run."""

import argparse
import builtins
import collections
import io
import json
import os
import pathlib
import pickle
import sys
import types
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from vprkit.errors import NotAvailable, VprError, WeightsError
from vprkit.weights import FileFormat, read, sha256_of, sniff
from vprkit.weights.numpy_data import PickledArray
from vprkit.weights.pickles import load_pickle

STATE = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.tensor(3)}


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def assert_state(path: Path, expected: dict[str, Tensor] = STATE) -> None:
    state = read(path).state
    assert list(state) == list(expected)
    for name, tensor in expected.items():
        assert torch.equal(state[name], tensor)


def save_script(module: nn.Module, path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(module), path)


class Runs:
    """A pickle that calls a function when it is read the usual way."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


def attacks(sentinel: Path) -> dict[str, Runs]:
    return {
        "system": Runs(os.system, f"touch {sentinel}"),
        "eval": Runs(eval, f"open({str(sentinel)!r}, 'w').close()"),
        "exec": Runs(exec, f"open({str(sentinel)!r}, 'w').close()"),
        "open": Runs(io.open, str(sentinel), "w"),
        "getattr": Runs(builtins.getattr, "text", "upper"),
        "import": Runs(builtins.__import__, "os"),
        "touch": Runs(pathlib.Path.touch, pathlib.Path(sentinel)),
        "load_from_bytes": Runs(torch.storage._load_from_bytes, pickle.dumps(Runs(os.system, f"touch {sentinel}"))),
    }


def named(attack: Runs) -> str:
    """What a message must name; old pickles reach a method through a call of getattr."""
    return "at" if attack.call[0] is pathlib.Path.touch else attack.call[0].__name__


@pytest.mark.parametrize("name", attacks(Path("sentinel")))
@pytest.mark.parametrize("way", ["zip", "legacy", "pickle", "wrapped", "disguised"])
def test_code_in_a_pickle_is_named_refused_and_not_run(tmp_path: Path, name: str, way: str) -> None:
    sentinel, path = tmp_path / "sentinel", tmp_path / "evil.pth"
    attack = attacks(sentinel)[name]
    if way == "pickle":
        path.write_bytes(pickle.dumps(attack))
    elif way == "disguised":
        path = path.with_suffix(".safetensors")
        torch.save({"a": torch.zeros(1), "x": attack}, path)
    else:
        content = {"state_dict": STATE, "x": attack} if way == "wrapped" else attack
        torch.save(content, path, _use_new_zipfile_serialization=way != "legacy")
    with pytest.raises(WeightsError, match=r"not data|damaged") as caught:
        read(path)
    assert named(attack) in str(caught.value)
    assert not sentinel.exists()


def test_the_attacks_would_work(tmp_path: Path) -> None:
    """Else the test above proves nothing."""
    for name in ("system", "eval", "touch"):
        sentinel = tmp_path / name
        pickle.loads(pickle.dumps(attacks(sentinel)[name]))
        assert sentinel.exists()


def test_a_pickled_module_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = saved(tmp_path / "prompts.pth", [nn.Linear(2, 2)])
    with pytest.raises(WeightsError, match=r"pickled module.*torch\.nn\.modules\.linear\.Linear.*state_dict"):
        read(path)


@pytest.mark.parametrize("new", [True, False])
def test_what_torch_saves(tmp_path: Path, new: bool) -> None:
    path = saved(tmp_path / "x.pth", STATE, _use_new_zipfile_serialization=new)
    assert sniff(path) is (FileFormat.TORCH_ZIP if new else FileFormat.TORCH_LEGACY)
    assert_state(path)


def test_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({f"module.{name}": tensor for name, tensor in STATE.items()}, path)
    assert_state(path)
    assert read(path).header is None


@pytest.mark.parametrize("new", [True, False])
def test_numpy_numbers_options_and_dictionaries_are_data(tmp_path: Path, new: bool) -> None:
    content = {
        "model_state_dict": STATE,
        "recalls": np.array([90.8, 96.4]),
        "counts": np.arange(3, dtype=np.int32),
        "best_r5": np.float64(97.2),
        "flag": np.bool_(True),
        "names": np.array(["a", "b"]),
        "args": argparse.Namespace(lr=1e-5, out=Path("x"), inner=argparse.Namespace(a=1)),
        "default": collections.defaultdict(list, {"a": [1]}),
        "ordered": collections.OrderedDict(a=1),
        "optimizer_state_dict": {"state": {0: {"step": 3, "exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-5}]},
    }
    checkpoint = read(saved(tmp_path / "x.pth", content, _use_new_zipfile_serialization=new))
    assert checkpoint.wrapper == ("model_state_dict",)
    assert {"recalls", "args", "optimizer_state_dict"} <= set(checkpoint.beside)
    assert torch.equal(checkpoint.state["a.weight"], STATE["a.weight"])


def test_lightnings_dictionaries_are_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "lightning.pytorch.utilities.parsing"
    module = types.ModuleType(name)
    module.AttributeDict = type("AttributeDict", (dict,), {"__module__": name})  # type: ignore[attr-defined]
    parts = name.split(".")
    for depth in range(1, len(parts)):
        monkeypatch.setitem(sys.modules, ".".join(parts[:depth]), types.ModuleType(parts[depth - 1]))
    monkeypatch.setitem(sys.modules, name, module)
    path = saved(tmp_path / "x.ckpt", {"state_dict": STATE, "hyper_parameters": module.AttributeDict(lr=1e-5)})
    monkeypatch.delitem(sys.modules, name)
    assert_state(path)
    assert load_pickle(path, FileFormat.TORCH_ZIP)["hyper_parameters"] == {"lr": 1e-5}


def test_the_old_spelling_of_numpy(tmp_path: Path) -> None:
    new = saved(tmp_path / "new.pth", {"state_dict": STATE, "best": np.float64(1.5), "all": np.ones(2)})
    old = tmp_path / "old.pth"
    with zipfile.ZipFile(new) as source, zipfile.ZipFile(old, "w", zipfile.ZIP_STORED) as target:
        for name in source.namelist():
            data = source.read(name)
            target.writestr(name, data.replace(b"numpy._core", b"numpy.core") if name.endswith("data.pkl") else data)
    assert b"numpy.core.multiarray" in old.read_bytes()
    assert_state(old)


def test_numpy_values_come_back(tmp_path: Path) -> None:
    values = {
        "f": np.float64(1.5),
        "i": np.int32(-3),
        "s": np.str_("abc"),
        "c": np.arange(6, dtype=">f4").reshape(2, 3),
        "o": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "empty": np.zeros((0, 3)),
    }
    content = load_pickle(saved(tmp_path / "x.pth", values), FileFormat.TORCH_ZIP)
    for name, value in values.items():
        found = content[name]
        found = found.value if isinstance(found, PickledArray) else found
        assert np.array_equal(found, value) and found.dtype == value.dtype


@pytest.mark.parametrize(
    "attack",
    [
        Runs(np.ndarray, (1,), np.dtype("O"), b"AAAAAAAA"),
        Runs(np.ndarray, (1,), np.dtype("f8"), b"AAAAAAAA"),
        Runs(np.dtype, "O"),
        Runs(np.dtype, "V8"),
        Runs(np.dtype, [("a", "O")]),
        Runs(np._core.multiarray.scalar, np.dtype("f8"), b"12"),
        np.array([os.system], dtype=object),
        np.array([{"a": 1}], dtype=object),
    ],
    ids=lambda attack: type(attack).__name__,
)
def test_numpy_cannot_be_misused(tmp_path: Path, attack: Any) -> None:
    path = saved(tmp_path / "x.pth", {"state_dict": STATE, "x": attack})
    try:
        assert_state(path)  # an array made in a strange way is an empty stand-in
    except WeightsError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_stored_precision_is_kept(tmp_path: Path, dtype: torch.dtype) -> None:
    path = saved(tmp_path / "x.pth", {"a": torch.ones(2, dtype=dtype)})
    assert read(path).state["a"].dtype == dtype


@pytest.mark.parametrize(
    ("content", "wrapper"),
    [
        (STATE, ()),
        ({"state_dict": STATE, "epoch": 3}, ("state_dict",)),
        ({"model": STATE, "optimizer": {"x": torch.zeros(1)}}, ("model",)),
        ({"teacher": STATE}, ("teacher",)),
        ({"anything": STATE, "epoch": 1}, ("anything",)),
        ({"model": {"state_dict": STATE}}, ("model", "state_dict")),
        ({f"module.{name}": tensor for name, tensor in STATE.items()}, ("module.",)),
        ({f"_orig_mod.module.{name}": tensor for name, tensor in STATE.items()}, ("_orig_mod.", "module.")),
        ({"state_dict": {f"module.module.{n}": t for n, t in STATE.items()}}, ("state_dict", "module.", "module.")),
        ({**STATE, "epoch": 3}, ()),
    ],
)
def test_wrappers_and_prefixes(tmp_path: Path, content: dict[str, Any], wrapper: tuple[str, ...]) -> None:
    path = saved(tmp_path / "x.pth", content)
    assert_state(path)
    assert read(path).wrapper == wrapper


def test_a_prefix_that_only_some_names_have_stays(tmp_path: Path) -> None:
    state = {"module.a": torch.zeros(1), "b": torch.zeros(1)}
    assert list(read(saved(tmp_path / "x.pth", state)).state) == ["module.a", "b"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (torch.zeros(2, 3), r"single tensor of shape \(2, 3\)"),
        ([torch.zeros(2)], "a list"),
        ({}, "no entry"),
        ({"epoch": 3, "name": "x"}, "epoch, name"),
        ({"one": STATE, "two": STATE}, "one, two"),
        ({"_orig_mod.a": torch.zeros(1), "a": torch.zeros(1)}, "twice"),
    ],
)
def test_files_without_weights(tmp_path: Path, content: Any, words: str) -> None:
    with pytest.raises(WeightsError, match=words):
        read(saved(tmp_path / "x.pth", content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html><body>Sign in</body></html>", "web page"),
        (b"\n  <html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git-lfs pull|git lfs pull"),
        (b"\x1f\x8b\x08\x00 packed", "gzip"),
        (b"MATLAB 5.0 MAT-file", "MATLAB"),
        (b"just some text, long enough", "no weights file that vprkit knows"),
        (b'{"a": 1}', "no weights file that vprkit knows"),
        ((10**6).to_bytes(8, "little") + b'{"a":1}', "cut off"),
        ((10**12).to_bytes(8, "little") + b'{"a":1}', "no weights file"),
        (b"\x80\x02garbage", "damaged"),
        (b"PK\x03\x04 cut", "damaged, most likely cut off"),
    ],
)
def test_what_is_no_weights_file(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "x.pth"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=words) as caught:
        read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("form", ["zip", "legacy", "safetensors", "script"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.95])
def test_files_cut_off_anywhere(tmp_path: Path, form: str, part: float) -> None:
    path = tmp_path / "whole"
    if form == "safetensors":
        safetensors.torch.save_file({"a": torch.zeros(1000)}, path)
    elif form == "script":
        save_script(nn.Linear(30, 30), path)
    else:
        saved(path, {"a": torch.zeros(1000)}, _use_new_zipfile_serialization=form == "zip")
    cut = tmp_path / "cut.pth"
    cut.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])
    with pytest.raises(WeightsError, match=r"damaged|cut off"):
        read(cut)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match="does not exist"):
        read(tmp_path / "none.pth")
    with pytest.raises(NotAvailable, match="is a folder"):
        read(tmp_path)


def test_a_zip_that_is_no_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photo.jpg", b"x")
    with pytest.raises(WeightsError, match=r"no data\.pkl"):
        read(path)


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"\0" * 10**8)
    with pytest.raises(WeightsError, match="claims 100000000 bytes"):
        read(path)


def test_a_tensor_that_pretends_to_be_huge_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "x.pth", {"a": torch.zeros(1).expand(10**10)})
    with pytest.raises(WeightsError, match="far more than the file holds"):
        read(path)


def test_sparse_tensors_are_refused(tmp_path: Path) -> None:
    with pytest.raises(VprError, match="sparse"):
        read(saved(tmp_path / "x.pth", {"a": torch.eye(3).to_sparse()}))


class Scripted(nn.Module):
    """Nested, with parameters, buffers, half precision and things that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = nn.Sequential(nn.Conv2d(3, 4, 2), nn.BatchNorm2d(4))
        self.scale = nn.Parameter(torch.tensor(2.5).half())
        self.register_buffer("resolution", torch.tensor(224))
        self.sizes = [1, 2, 3]
        self.name = "tiny"

    def forward(self, images: Tensor) -> Tensor:
        return self.visual(images) * self.scale


def test_torchscript_without_loading_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = Scripted()
    torch.nn.init.normal_(module.visual[0].weight)
    path = tmp_path / "clip.pt"
    save_script(module, path)
    monkeypatch.setattr(torch.jit, "load", None)
    assert sniff(path) is FileFormat.TORCHSCRIPT
    state = read(path).state
    assert sorted(state) == sorted(module.state_dict())
    for name, tensor in module.state_dict().items():
        assert torch.equal(state[name], tensor) and state[name].dtype == tensor.dtype


@pytest.mark.parametrize("name", attacks(Path("sentinel")))
def test_code_in_a_torchscript_archive_is_refused(tmp_path: Path, name: str) -> None:
    sentinel, path = tmp_path / "sentinel", tmp_path / "evil.pt"
    attack = attacks(sentinel)[name]
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("evil/data.pkl", pickle.dumps({"a": attack}))
        archive.writestr("evil/constants.pkl", b"")
    with pytest.raises(WeightsError, match="not data") as caught:
        read(path)
    assert named(attack) in str(caught.value)
    assert not sentinel.exists()


def test_functions_of_the_torchscript_reader_cannot_be_altered(tmp_path: Path) -> None:
    """BUILD on a function the reader knows."""
    path = tmp_path / "evil.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("evil/data.pkl", b"ctorch._utils\n_rebuild_tensor_v2\n}(V_call\nNdub.")
        archive.writestr("evil/constants.pkl", b"")
    with pytest.raises(WeightsError, match=r"altered|cannot be read"):
        read(path)


def test_sha256(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"abc")
    assert sha256_of(path) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_vprkit_header_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"a": torch.zeros(1)}, path, metadata={"vprkit": json.dumps({"methd": "x"})})
    with pytest.raises(WeightsError, match=r"header.*method"):
        read(path)
