"""Adapters as peft writes them: merged to the same numbers, and refused by name where something is not understood."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from vprkit.errors import ConfigError, NotAvailable, WeightsError
from vprkit.training.adapters import PUBLISHED, LoraSettings, adapter_state, linear_layers, put_adapters
from vprkit.weights.lora import CONFIG, FILES, PREFIX, Adapter, merge_into, merged, read_adapter

RANK = 2


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))


def matrices(seed: int = 1) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"0": (6, 5), "2": (5, 4)}
    return {
        f"{PREFIX}{module}.lora_{part}.weight": torch.randn(*shape, generator=generator)
        for module, (inner, outer) in sizes.items()
        for part, shape in (("A", (RANK, inner)), ("B", (outer, RANK)))
    }


def write(folder: Path, state: dict[str, Tensor] | None = None, **more: Any) -> Path:
    said = {"peft_type": "LORA", "r": RANK, "lora_alpha": 6, "use_rslora": True, "target_modules": ["0", "2"], **more}
    (folder / CONFIG).write_text(json.dumps(said))
    save_file(matrices() if state is None else state, folder / FILES[0])
    return folder


@pytest.mark.parametrize(("stabilised", "factor"), [(True, 6 / 2**0.5), (False, 3.0)])
def test_merging_adds_scaled_products(stabilised: bool, factor: float, tmp_path: Path) -> None:
    plain, changed, state = network(), network(), matrices()
    merge_into(changed, read_adapter(write(tmp_path, use_rslora=stabilised)), None)
    for module in ("0", "2"):
        a, b = (state[f"{PREFIX}{module}.lora_{part}.weight"] for part in "AB")
        wanted = plain.get_parameter(f"{module}.weight") + factor * b @ a
        torch.testing.assert_close(changed.get_parameter(f"{module}.weight"), wanted)
        assert torch.equal(changed.get_parameter(f"{module}.bias"), plain.get_parameter(f"{module}.bias"))


def test_a_network_with_peft_s_adapters_gives_what_merged_weights_give() -> None:
    peft = pytest.importorskip("peft")
    settings = LoraSettings(rank=RANK, alpha=6.0, dropout=0.0)
    trained, images = network(), torch.randn(3, 6)
    before = trained(images)
    put_adapters(trained, settings, seed=0, unused=("2.",))
    torch.testing.assert_close(trained(images), before)  # B is zero at first
    learning = {name for name, parameter in trained.named_parameters() if parameter.requires_grad}
    assert learning == {"0.lora_A.default.weight", "0.lora_B.default.weight"}
    for parameter in trained.parameters():
        nn.init.normal_(parameter.data)
    plain = network()
    plain.load_state_dict(merged(trained.state_dict(), lambda rank: settings.facts.scaling))
    torch.testing.assert_close(plain(images), trained(images))
    names = adapter_state(trained, str)
    assert set(names) == set(peft.get_peft_model_state_dict(peft.PeftModel(network(), peft.LoraConfig(
        r=RANK, target_modules=["0", "2"]))))  # fmt: skip


def test_adapters_follow_from_the_seed_alone() -> None:
    pytest.importorskip("peft")
    found = []
    for noise in (1, 2):
        made = network()
        torch.manual_seed(noise)
        put_adapters(made, LoraSettings(rank=RANK), seed=5)
        found.append(made.state_dict()["0.lora_A.default.weight"])
    assert torch.equal(*found)


def test_targets_are_last_parts_of_names() -> None:
    tower = nn.ModuleDict({"query": nn.Linear(2, 2), "inner": nn.ModuleDict({"query": nn.Linear(2, 2)})})
    assert linear_layers(tower, ["query"]) == ["query", "inner.query"]
    assert linear_layers(tower, ["inner.query"]) == ["inner.query"]
    with pytest.raises(Exception, match="'key', which is no linear layer; there are query"):
        linear_layers(tower, ["key"])
    assert linear_layers(tower, PUBLISHED) == ["query", "inner.query"]  # a text tower has no qkv
    for targets, wrong in ((["query", "qvk"], "qvk"), (["qkv"], "qkv"), (["value", "kye"], "value")):
        with pytest.raises(ConfigError, match=f"'{wrong}', which is no linear layer"):
            linear_layers(tower, targets)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"use_dora": True}, "'use_dora' is True, which is not understood"),
        ({"alpha_pattern": {"0": 3}}, "'alpha_pattern'"),
        ({"bias": "all"}, "'bias' is all"),
        ({"init_lora_weights": "pissa"}, "'init_lora_weights' is pissa"),
        ({"something_new": 3}, "'something_new' is 3"),
        ({"peft_type": "IA3"}, "describes no LoRA adapter"),
        ({"r": 0}, "'r' must be a positive number, got 0"),
        ({"lora_alpha": "x"}, "'lora_alpha' must be a positive number"),
        ({"r": 3}, "'0' has rank 2, its configuration says 3"),
        ({"target_modules": ["2"]}, "'0' is not among target_modules"),
    ],
)
def test_what_is_not_understood_is_refused_by_name(more: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=words):
        read_adapter(write(tmp_path, **more))


def test_what_changes_nothing_is_let_through(tmp_path: Path) -> None:
    harmless = {"task_type": "SEQ_CLS", "modules_to_save": ["classifier", "score"], "lora_dropout": 0.1, "bias": "none"}
    more = {"use_dora": False, "rank_pattern": {}, "loftq_config": None, "init_lora_weights": True}
    assert read_adapter(write(tmp_path, **harmless, **more)).facts.scaling == pytest.approx(6 / 2**0.5)


def test_what_peft_itself_writes_is_read(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    config = peft.LoraConfig(r=RANK, lora_alpha=6, use_rslora=True, target_modules=["0", "2"], lora_dropout=0.1)
    model = peft.PeftModel(network(), config).eval()
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            nn.init.normal_(parameter.data)
    model.save_pretrained(tmp_path)
    plain, images = network(), torch.randn(3, 6)
    merge_into(plain, read_adapter(tmp_path), None)
    torch.testing.assert_close(plain(images), model(images))


def without(name: str) -> dict[str, Tensor]:
    return {key: value for key, value in matrices().items() if not key.startswith(name)}


def test_tensors_that_do_not_fit_are_named(tmp_path: Path) -> None:
    def adapter(state: dict[str, Tensor]) -> Adapter:
        return read_adapter(write(tmp_path, state))

    with pytest.raises(WeightsError, match=r"base_model.model.0.lora_B.weight', which is no LoRA matrix"):
        adapter(without(f"{PREFIX}0.lora_A"))
    with pytest.raises(WeightsError, match="no matrices for 1 layers that its configuration names: 2"):
        merge_into(network(), adapter(without(f"{PREFIX}2.")), None)
    wide = {**without(f"{PREFIX}0."), f"{PREFIX}0.lora_A.weight": torch.zeros(RANK, 9)}
    wide[f"{PREFIX}0.lora_B.weight"] = torch.zeros(5, RANK)
    with pytest.raises(WeightsError, match=r"changes '0' of shape \(5, 9\), which is \(5, 6\)"):
        merge_into(network(), adapter(wide), None)
    with pytest.raises(WeightsError, match="changes '0' of shape .* which is not there"):
        merge_into(nn.Sequential(nn.ReLU(), nn.ReLU(), nn.Linear(5, 4)), adapter(matrices()), None)


def test_an_incomplete_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(NotAvailable, match=f"there is no .*{CONFIG}"):
        read_adapter(tmp_path)
    (tmp_path / CONFIG).write_text('{"peft_type": "LORA", "r": 1, "lora_alpha": 1}')
    with pytest.raises(NotAvailable, match=f"holds no {FILES[0]}"):
        read_adapter(tmp_path)
    (tmp_path / CONFIG).write_text("{")
    with pytest.raises(WeightsError, match="cannot be read as JSON"):
        read_adapter(tmp_path)
    save_file(matrices(), tmp_path / "alone.safetensors")
    with pytest.raises(WeightsError, match="is no adapter of vprkit's; give the folder that peft wrote"):
        read_adapter(tmp_path / "alone.safetensors")
