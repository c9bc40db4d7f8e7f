"""Every recipe: its settings print and read back, a small version of it trains, what is frozen stays."""

import hashlib

import pytest
import torch
from safetensors.torch import load_file

import vprkit
from tests.training.small import Drawn
from vprkit import config
from vprkit.errors import ConfigError, NotAvailable, WeightsError
from vprkit.registry import Released, find_recipe, list_recipes
from vprkit.training import starting
from vprkit.training.train import resolve_settings, train

COMMON = {
    "running.device": "cpu", "running.workers": 1, "running.steps_per_epoch": 1, "epochs": 1, "optimiser.rate": 0.1,
    "schedule.warmup_steps": 0, "schedule.warmup_epochs": 0, "sampling.places": 3, "miner": "none",
}  # fmt: skip
RANDOM = {"trunk.weights": "random"}
DINO = {
    **RANDOM,
    "model.size": "S",
    "model.depth": 3,
    "model.table_size": 56,
    "image_size": (56, 56),
    "trunk.train_last": 1,
}
RESNET = {**RANDOM, "model.backbone": "resnet18", "image_size": (64, 64)}
SMALL = {
    "mixvpr": {**RESNET, "model.image_size": (64, 64), "model.out_channels": 8},
    "convap": {**RESNET, "model.out_channels": 8},
    "netvlad": {**RANDOM, "image_size": (32, 32), "model.num_clusters": 4, "model.whiten_dim": 8},
    "salad": {**DINO, "test_size": (70, 70), "model.num_clusters": 4, "model.mlp_dim": 16, "model.cluster_dim": 8},
    "megaloc": {**DINO, "test_size": None, "model.num_clusters": 4, "model.mlp_dim": 16, "model.feat_dim": 32},
    "dinomix": {**DINO, "model.image_size": 56, "model.out_channels": 8},
    "cricavpr_small": {**DINO, "model.heads": 4, "model.layers": 1, "model.feedforward": 32},
    "boq": {**DINO, "test_size": (70, 70), "model.proj_channels": 64, "model.num_queries": 4},
    "boq-resnet50": {**RESNET, "test_size": None, "model.proj_channels": 64, "model.num_queries": 4},
    "rerankvpr": {
        **DINO, "test_size": (70, 70), "min_images": 3, "sampling.images": 3, "memory.size": 10,
        "memory.start_epoch": 0,
    },
    "compact": {
        "image_size": (32, 32), "model.image_size": (32, 32), "model.stem": 8, "model.width": 8, "min_images": 4,
        "sampling.images": 4,
    },
}  # fmt: skip
FROZEN = {
    "mixvpr": "backbone.model.layer1.0.conv1.weight",
    "convap": "backbone.model.layer1.0.conv1.weight",
    "netvlad": "backbone.0.weight",
    "salad": "backbone.model.blocks.1.attn.qkv.weight",
    "megaloc": "backbone.blocks.1.attn.qkv.weight",
    "dinomix": "backbone.dino.blocks.1.attn.qkv.weight",
    "cricavpr_small": "backbone.blocks.1.attn.qkv.weight",
    "boq": "backbone.dino.blocks.1.attn.qkv.weight",
    "boq-resnet50": "backbone.net.4.0.conv1.weight",
    "rerankvpr": "backbone.blocks.1.attn.qkv.weight",
}
LEARNS = {
    "mixvpr": "backbone.model.layer3.0.conv1.weight",
    "convap": "backbone.model.layer4.0.conv1.weight",
    "netvlad": "backbone.28.weight",
    "salad": "backbone.model.blocks.2.attn.qkv.weight",
    "megaloc": "backbone.blocks.2.attn.qkv.weight",
    "dinomix": "backbone.dino.blocks.2.attn.qkv.weight",
    "cricavpr_small": "backbone.blocks.2.attn.qkv.weight",
    "boq": "backbone.dino.blocks.2.attn.qkv.weight",
    "boq-resnet50": "backbone.net.6.0.conv1.weight",
    "rerankvpr": "backbone.blocks.2.attn.qkv.weight",
    "compact": "trunk.conv1.weight",
}


@pytest.mark.parametrize("name", list_recipes())
def test_settings_print_and_read_back(name, tmp_path):
    settings = resolve_settings(find_recipe(name), None, None)
    text = config.to_yaml(settings)
    assert all("  # " in line for line in text.splitlines()), "every field is explained"
    (tmp_path / "all.yaml").write_text(text)
    assert resolve_settings(find_recipe(name), tmp_path / "all.yaml", None) == settings
    (tmp_path / "some.yaml").write_text("optimiser: {rate: 0.5}\n")
    some = resolve_settings(find_recipe(name), tmp_path / "some.yaml", None)
    assert some == config.with_values(settings, {"optimiser.rate": 0.5})
    (tmp_path / "wrong.yaml").write_text("optimiser: {rat: 0.5}\n")
    with pytest.raises(ConfigError, match=r"wrong.yaml: unknown key 'optimiser.rat' \(did you mean 'rate'"):
        resolve_settings(find_recipe(name), tmp_path / "wrong.yaml", None)


@pytest.mark.parametrize("name", sorted(SMALL))
def test_a_small_one_trains_and_loads(name, tmp_path):
    run = train(name, {"train": Drawn(6)}, out=tmp_path / "run", options={**COMMON, **SMALL[name]})
    settings = resolve_settings(find_recipe(name), run.folder / "config.yaml", None)
    method = vprkit.load_method(weights=run.weights, device="cpu")
    assert method.preprocessing.size == (settings.test_size or settings.image_size)
    if method.metric == "ip":
        assert method.describe(Drawn().photo(0)).global_.norm().item() == pytest.approx(1, abs=1e-4)
    torch.manual_seed(settings.seed)
    start = vprkit.load_method(method.name, f"random:{settings.seed}", device="cpu", **method.configuration)
    before, after = start.network.state_dict(), load_file(run.weights)
    if name in FROZEN:
        assert torch.equal(before[FROZEN[name]], after[FROZEN[name]])
    assert not torch.equal(before[LEARNS[name]], after[LEARNS[name]])


def test_every_recipe_is_tried():
    elsewhere = {
        "selavpr",
        "cosplace",
        "eigenplaces",
        "progeo",
        "progeo-prompts",
        "pairvpr",
        "pairvpr-pretrain",
        "lavpr-fusion",
        "lavpr-crossmodal",
    }  # test_selavpr, test_classes, test_progeo, test_pairvpr_training, test_pairvpr_pretraining, test_lavpr_*
    assert set(SMALL) | elsewhere == set(list_recipes())


def test_pretrained_trunks_are_asked_for_and_checked(tmp_path, monkeypatch):
    monkeypatch.setenv("VPRKIT_WEIGHTS", str(tmp_path))
    options = {**COMMON, **SMALL["mixvpr"], "trunk.weights": "pretrained"}

    def begin(out):
        return train("mixvpr", {"train": Drawn(6)}, out=tmp_path / out, options={**options, "epochs": 0})

    with pytest.raises(
        NotAvailable, match=r"ImageNet weights of resnet18 are not here. resnet18-f37072fd.pth is at https"
    ):
        begin("missing")
    (tmp_path / "resnet18-f37072fd.pth").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="does not begin with f37072fd"):
        begin("damaged")
    trunk = vprkit.load_method("cosplace", "random:5", device="cpu", backbone="resnet18").network
    names = ["conv1", "bn1", None, None, "layer1", "layer2", "layer3", "layer4"]
    state = {}
    for key, value in trunk.state_dict().items():
        part, _, rest = key.removeprefix("backbone.").partition(".")
        if key.startswith("backbone."):
            state[f"{names[int(part)]}.{rest}"] = value
    state["fc.weight"] = torch.zeros(1000, 512)
    torch.save(state, tmp_path / "file.pth")
    digits = hashlib.sha256((tmp_path / "file.pth").read_bytes()).hexdigest()[:8]
    (tmp_path / "file.pth").rename(tmp_path / f"resnet18-{digits}.pth")
    monkeypatch.setitem(starting._TORCHVISION, "resnet18", Released(f"resnet18-{digits}.pth", "https://x", "BSD"))
    run = train("mixvpr", {"train": Drawn(6)}, out=tmp_path / "run", options=options)
    after = load_file(run.weights)
    assert torch.equal(after["backbone.model.layer1.0.conv1.weight"], state["layer1.0.conv1.weight"])
    del state["layer2.0.conv1.weight"]
    torch.save(state, tmp_path / "short.pth")
    with pytest.raises(WeightsError, match=r"layer2.0.conv1.weight"):
        train(
            "mixvpr",
            {"train": Drawn(6)},
            out=tmp_path / "r",
            options={**options, "trunk.weights": str(tmp_path / "short.pth")},
        )


def test_a_dinov2_file_starts_a_vit(tmp_path):
    from vprkit.loading import save_method

    source = vprkit.load_method("dinov2", "random:9", device="cpu", size="S", depth=3, table_size=56)
    save_method(source, tmp_path / "dino.safetensors")
    options = {**COMMON, **SMALL["salad"], "trunk.weights": str(tmp_path / "dino.safetensors")}
    run = train("salad", {"train": Drawn(6)}, out=tmp_path / "run", options=options)
    name = "blocks.1.attn.qkv.weight"
    assert torch.equal(
        load_file(run.weights)[f"backbone.model.{name}"], source.network.state_dict()[f"backbone.{name}"]
    )


def test_sizes_that_the_weights_do_not_have_are_refused():
    with pytest.raises(ConfigError, match="positions are weights"):
        resolve_settings(find_recipe("mixvpr"), None, {"image_size": (64, 64)})
    with pytest.raises(ConfigError, match="min_images is 2"):
        resolve_settings(find_recipe("salad"), None, {"min_images": 2})


@pytest.mark.parametrize("train_norm", [True, False])
def test_the_final_norm_learns_with_the_last_blocks_unless_it_shall_stay(train_norm):
    trunk = vprkit.load_method("dinov2", "random:1", device="cpu", size="S", depth=3, table_size=56).network.backbone
    starting.ViTTrunk(train_last=1, train_norm=train_norm).freeze(trunk)
    learning = {name for name, parameter in trunk.named_parameters() if parameter.requires_grad}
    expected = ("blocks.2.", "norm.") if train_norm else ("blocks.2.",)
    assert learning == {name for name in trunk.state_dict() if name.startswith(expected)}
