"""LaVPR's cross-modal half: files of every kind, texts that ask for photos, training with adapters."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

import vprkit
from tests.methods.test_released_layouts import checkpoint, content, shapes
from tests.training.small import write_gsv
from vprkit.backbones.bert_tokens import BertTokens, find_vocabulary
from vprkit.data.columns import StringColumn
from vprkit.errors import ConfigError, NotAvailable, VprError, WeightsError
from vprkit.evaluation.result import Result
from vprkit.loading import load_method, save_method
from vprkit.method import IMAGES, TEXTS, Method
from vprkit.methods.lavpr_crossmodal.checkpoint import published_scaling, recognise
from vprkit.methods.lavpr_crossmodal.network import CrossModalConfig, build
from vprkit.registry import find_declaration, list_methods, load_attribute
from vprkit.report.failures import failures
from vprkit.report.groups import Group
from vprkit.report.sheets import save_predictions, tiles
from vprkit.training.sources import open_sources
from vprkit.weights.fitting import on_meta
from vprkit.weights.lora import CONFIG, FILES, PREFIX, Adapter, LoraFacts, merge_into, split
from vprkit.weights.reading import read, sha256_of
from vprkit.weights.resolving import choose_for_file

SIDE = 32
TINY: dict[str, Any] = {
    "width": 32, "layers": 2, "heads": 4, "hidden": 64, "image_size": SIDE, "patch": 8, "text_width": 24,
    "text_layers": 2, "text_heads": 4, "text_hidden": 48, "positions": 40, "dim": 16,
}  # fmt: skip
HEADS = {"heads": 4, "text_heads": 4}
CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32", "resize": SIDE}
SENTENCES = ["a red house with a black door", "trees", "a wide street at night, two grey towers, a shop"]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "weights"
    path.mkdir()
    monkeypatch.setenv("VPRKIT_WEIGHTS", str(path))
    return path


def tiny(**options: Any) -> Method:
    return load_method("lavpr-crossmodal", "random", **CPU, **{**TINY, **options})


def authors(method: Method) -> dict[str, Tensor]:
    """The network's tensors as transformers names them."""
    return {name.removeprefix("towers."): tensor for name, tensor in method.network.state_dict().items()}


def pictures(count: int = 3) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def linear(method: Method) -> list[str]:
    network = method.network
    names = (name for name, layer in network.named_modules() if isinstance(layer, nn.Linear))
    return [name.removeprefix("towers.") for name in names]


def adapter_of(method: Method, rank: int = 3) -> dict[str, Tensor]:
    """Matrices for every linear layer, under peft's names."""
    weights, generator = authors(method), torch.Generator().manual_seed(1)
    state = {}
    for module in linear(method):
        out, inside = weights[f"{module}.weight"].shape
        state[f"{PREFIX}{module}.lora_A.weight"] = 0.1 * torch.randn(rank, inside, generator=generator)
        state[f"{PREFIX}{module}.lora_B.weight"] = 0.1 * torch.randn(out, rank, generator=generator)
    return state


# --- what it reads ---------------------------------------------------------------------------------------------------


def test_images_and_texts_are_described_apart_and_together() -> None:
    method = tiny()
    assert method.reads("query") == TEXTS and method.reads("database") == IMAGES and method.dimension == 16
    turned = tiny(direction="image_to_text")
    assert turned.reads("query") == IMAGES and turned.reads("database") == TEXTS and turned.dimension == 16
    assert method.identity() != turned.identity()
    images, texts = method.describe(pictures()), method.describe(texts=SENTENCES)
    both = method.describe(pictures(), texts=SENTENCES)
    assert torch.equal(both.global_, images.global_) and both.text is not None
    torch.testing.assert_close(both.text, texts.global_)
    torch.testing.assert_close(texts.global_.norm(dim=1), torch.ones(3))


def test_padding_counts_only_in_the_published_zero_shot_baseline() -> None:
    alone, together = ([SENTENCES[1]], SENTENCES)
    method = tiny()
    torch.testing.assert_close(method.describe(texts=alone).global_[0], method.describe(texts=together).global_[1])
    published = load_method("lavpr-crossmodal-zero-shot", "random", **CPU, **TINY)
    assert published.configuration["direction"] == "image_to_text" and not published.configuration["mask"]
    leaking = published.describe(texts=together).global_[1]
    assert not torch.allclose(published.describe(texts=alone).global_[0], leaking, atol=1e-4)


def test_texts_are_cut_to_characters_and_to_positions() -> None:
    long = "red house " * 500
    method = tiny()
    assert torch.equal(method.describe(texts=[long]).global_, method.describe(texts=[long[:1024]]).global_)
    ids, mask = method.network.read([long, "red"])  # type: ignore[operator]
    assert ids.shape == (2, TINY["positions"]) and mask.sum(1).tolist() == [40, 3]
    assert ids[0, -1] == ids[1, 2]  # what is cut still ends in [SEP]
    short = tiny(characters=3)
    torch.testing.assert_close(short.describe(texts=["red house"]).global_, short.describe(texts=["red"]).global_)


def test_the_vocabulary_is_bert_s_with_two_ids_left_for_blip() -> None:
    tokens = BertTokens(find_vocabulary())
    assert tokens.size == 30522 and CrossModalConfig().vocabulary == 30524


def test_sizes_that_no_variant_could_have_are_fine() -> None:
    assert tiny(image_size=24, patch=12).name == "lavpr-crossmodal"  # CLIP's 224 px cannot be cut into these patches


def test_other_sizes_of_images_are_refused() -> None:
    with pytest.raises(VprError, match="positions for images of 32x32, got 48x48; use resize=32"):
        tiny().describe(torch.zeros(1, 3, 48, 48))
    with pytest.raises(ConfigError, match="image_size 33 is no multiple of the patch 8"):
        tiny(image_size=33)
    with pytest.raises(ConfigError, match="text_width 24 cannot be shared by 5 attention heads"):
        tiny(text_heads=5)


# --- files -----------------------------------------------------------------------------------------------------------


def same(first: Method, second: Method) -> None:
    assert first.tensors_sha256 == second.tensors_sha256


def test_a_base_file_is_told_by_its_shapes(tmp_path: Path) -> None:
    method, path = tiny(), tmp_path / "pytorch_model.bin"
    numbers = {"text_encoder.embeddings.position_ids": torch.arange(40)[None]}  # older files hold them
    torch.save({**authors(method), **numbers}, path)
    loaded = load_method(weights=path, **CPU, **HEADS)
    same(loaded, method)
    assert loaded.name == "lavpr-crossmodal" and loaded.configuration == method.configuration
    broken = authors(method)
    broken["vision_proj.weights"] = broken.pop("vision_proj.weight")
    torch.save(broken, path)
    with pytest.raises(WeightsError, match=r"vision_proj.weight'"):
        load_method(weights=path, **CPU, **HEADS)


def test_without_a_file_the_message_says_which_one(folder: Path) -> None:
    with pytest.raises(NotAvailable, match=r"blip-itm-base-coco.safetensors is at https://huggingface.co/Salesforce"):
        load_method("lavpr-crossmodal")


def test_own_files_carry_everything(tmp_path: Path) -> None:
    method = tiny(direction="image_to_text", characters=77)
    again = load_method(weights=save_method(method, tmp_path / "own.safetensors"), device="cpu")
    same(again, method)
    assert again.configuration == method.configuration and again.preprocessing == method.preprocessing
    assert torch.equal(again.describe(texts=SENTENCES).global_, method.describe(texts=SENTENCES).global_)


def test_a_training_checkpoint_is_merged(tmp_path: Path) -> None:
    method, rank = tiny(), 3
    adapter, weights = adapter_of(method, rank), authors(method)
    lightning, wanted = {"contrastive_logit_scale": torch.tensor(0.07)}, dict(weights)
    inner = "text_encoder.base_model.model."
    for name, tensor in weights.items():
        module, _, part = name.rpartition(".")
        layer = f"{module}.base_layer" if module in linear(method) else module
        lightning[f"{inner}{layer}.{part}" if module else f"{inner}{name}"] = tensor
    for module in linear(method):
        a, b = (adapter[f"{PREFIX}{module}.lora_{half}.weight"] for half in "AB")
        lightning |= {f"{inner}{module}.lora_A.default.weight": a, f"{inner}{module}.lora_B.default.weight": b}
        wanted[f"{module}.weight"] = weights[f"{module}.weight"] + published_scaling(rank) * b @ a
    torch.save({"state_dict": lightning, "epoch": 3}, tmp_path / "resnet50_epoch(03).ckpt")
    loaded = load_method(weights=tmp_path / "resnet50_epoch(03).ckpt", **CPU, **HEADS)
    for name, tensor in authors(loaded).items():
        torch.testing.assert_close(tensor, wanted[name])
    assert published_scaling(64) == 16


@pytest.fixture
def files(tmp_path: Path) -> tuple[Method, Path, Path]:
    """A base method, its file, and a folder with an adapter for it."""
    method, base, place = tiny(), tmp_path / "model.safetensors", tmp_path / "adapter"
    save_file(authors(method), base)
    place.mkdir()
    save_file(adapter_of(method), place / FILES[0])
    said = {"peft_type": "LORA", "r": 3, "lora_alpha": 6, "use_rslora": True, "bias": "none",
            "target_modules": sorted({name.rpartition(".")[2] for name in linear(method)}),
            "modules_to_save": ["classifier", "score"], "task_type": "SEQ_CLS"}  # fmt: skip
    (place / CONFIG).write_text(json.dumps(said))
    return method, base, place


def test_an_adapter_s_folder_is_merged_into_its_base(files: tuple[Method, Path, Path], tmp_path: Path) -> None:
    method, base, place = files
    loaded = load_method("lavpr-crossmodal", base, adapter=place, **CPU, **HEADS)
    module = "text_encoder.encoder.layer.1.attention.self.query"
    a, b = (adapter_of(method)[f"{PREFIX}{module}.lora_{half}.weight"] for half in "AB")
    wanted = authors(method)[f"{module}.weight"] + 6 / 3**0.5 * b @ a
    torch.testing.assert_close(authors(loaded)[f"{module}.weight"], wanted)
    assert loaded.weights is not None and loaded.weights.adapter == str(place)
    own = save_method(method, tmp_path / "own.safetensors")  # the base in vprkit's own format
    same(load_method(weights=own, adapter=place, device="cpu"), loaded)
    with pytest.raises(ConfigError, match="needs the weights that it was made for"):
        tiny(adapter=place)


def test_a_map_finds_its_adapter_again(files: tuple[Method, Path, Path], tmp_path: Path) -> None:
    _, base, place = files
    for number in range(3):
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(np.full((SIDE, SIDE, 3), 80 * number, np.uint8)).save(tmp_path / "photos" / f"{number}.png")
    method = load_method("lavpr-crossmodal", base, adapter=place, **CPU, **HEADS)
    built = vprkit.Map.build(tmp_path / "photos", method, tmp_path / "map")
    again = vprkit.Map.open(tmp_path / "map", device="cpu")
    same(again.method, method)
    asked = method.describe(texts=SENTENCES).global_.numpy()
    first, second = built.search(asked, 3), again.search(asked, 3)
    assert np.array_equal(first.numbers, second.numbers) and np.array_equal(first.scores, second.scores)


# --- released layouts ------------------------------------------------------------------------------------------------


def base_network() -> nn.Module:
    return on_meta(lambda: build(CrossModalConfig()))


def test_the_released_adapter_fits_the_released_base() -> None:
    manifest = "lavpr/lavpr_blip_lora_all_r64_adapter"
    said = content(manifest)["_meta"]["lora"]
    state = {name: torch.empty(shape, device="meta") for name, shape in shapes(manifest).items()}
    pairs, rest = split(state)
    assert not rest and 2 * len(pairs) == len(state)
    facts = LoraFacts(said["r"], said["lora_alpha"], said["use_rslora"], ("qkv", "projection", "fc1", "fc2", "query",
                      "key", "value", "dense", "vision_proj", "text_proj", "itm_head"))  # fmt: skip
    adapter = Adapter(Path(manifest), facts, {name.removeprefix(PREFIX): pair for name, pair in pairs.items()})
    key_map = load_attribute(str(find_declaration("lavpr-crossmodal").key_map))
    merge_into(base_network(), adapter, key_map)  # also sees that no layer is left without
    assert sum(tensor.numel() for tensor in state.values()) == 24_952_960 and facts.scaling == 16
    less = dataclasses.replace(adapter, pairs=dict(list(adapter.pairs.items())[1:]))
    with pytest.raises(WeightsError, match=r"no matrices for 1 layers .* towers.vision_model.encoder.layers.0"):
        merge_into(base_network(), less, key_map)


@pytest.mark.parametrize("manifest", ["lavpr/blip_itm_base_coco", "lavpr/lavpr_crossmodal_lightning_ckpt"])
def test_one_wrong_key_of_a_released_file_is_named(manifest: str) -> None:
    complete = shapes(manifest)
    for name in list(complete)[::97]:
        rest = {key: shape for key, shape in complete.items() if key != name}
        found = checkpoint({**rest, f"{name}_": complete[name]})
        with pytest.raises(WeightsError) as error:
            choose_for_file(found, "lavpr-crossmodal", {}).fill(found)
        plain = name.replace("text_encoder.base_model.model.", "").replace(".base_layer", "")
        assert plain.partition(".lora_")[0] in str(error.value)


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_other_families_load_transformers_files(family: str, tmp_path: Path) -> None:
    words = {"clip": (49408, 77, 16), "siglip": (120, 64, 64)}[family]
    sizes = dict(zip(("vocabulary", "positions", "dim"), words, strict=True))
    options = {**TINY, **sizes, "width": 64, "text_width": 64, "heads": 1, "text_heads": 1, "family": family}
    method = load_method("lavpr-crossmodal", "random", **CPU, **options)
    ends = {"logit_scale": torch.tensor(1.0), "logit_bias": torch.tensor(0.0)}
    save_file({**authors(method), **(ends if family == "siglip" else {"logit_scale": ends["logit_scale"]})},
              tmp_path / "model.safetensors")  # fmt: skip
    loaded = load_method(weights=tmp_path / "model.safetensors", **CPU, heads=1, text_heads=1)
    same(loaded, method)
    assert loaded.name == f"lavpr-crossmodal-{family}"
    assert (loaded.preprocessing.mean == (0.5, 0.5, 0.5)) == (family == "siglip")
    assert loaded.describe(pictures()).global_.shape == (3, sizes["dim"])
    with pytest.raises(NotAvailable, match=r"(vocabulary|tokeniser).* is not here"):
        loaded.describe(texts=["x"])


@pytest.mark.parametrize(
    ("family", "model", "part"), [("clip", "CLIPModel", "CLIP"), ("siglip", "SiglipModel", "Siglip")]
)
def test_other_families_say_what_transformers_says(family: str, model: str, part: str) -> None:
    transformers: Any = pytest.importorskip("transformers")
    dim = {"clip": 16, "siglip": 64}[family]
    options = {**TINY, "vocabulary": 49408, "positions": 20, "dim": dim, "width": 64, "text_width": 64, "heads": 1,
               "text_heads": 1, "family": family}  # fmt: skip
    method = load_method("lavpr-crossmodal", "random", **CPU, **options)
    names = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 1}
    vision = {**names, "intermediate_size": 64, "image_size": SIDE, "patch_size": 8}
    text = {**names, "intermediate_size": 48, "vocab_size": 49408, "max_position_embeddings": 20}
    text |= {"projection_size": dim} if family == "siglip" else {}
    own = getattr(transformers, f"{part}Config")(vision_config=vision, text_config=text, projection_dim=dim)
    theirs = getattr(transformers, model)(own).eval()
    missing = theirs.load_state_dict(authors(method), strict=False)
    assert not missing.unexpected_keys and set(missing.missing_keys) <= {"logit_scale", "logit_bias"}
    ids = torch.randint(2, 400, (2, 20))
    ids[:, 12] = 49407
    with torch.inference_mode():
        wanted = (
            theirs.get_image_features(pictures()),
            theirs.get_text_features(ids, attention_mask=torch.ones(2, 20)),
        )
        towers: Any = method.network.towers
        found = (towers.image_vectors(pictures()), towers.text_vectors(ids, torch.ones(2, 20)))
    for theirs_, ours in zip(wanted, found, strict=True):
        torch.testing.assert_close(nn.functional.normalize(theirs_.pooler_output, dim=-1), ours)


def test_eva_is_refused_with_the_reason() -> None:
    with pytest.raises(NotAvailable, match="'eva-02' is not offered: .*open_clip.*use lavpr-crossmodal"):
        load_method("eva-02")
    assert "lavpr-crossmodal-siglip" in list_methods("lavpr-cross*")
    assert recognise({"visual.trunk.blocks.0.attn.q_proj.weight": (1, 1)}) is None


# --- asking ----------------------------------------------------------------------------------------------------------


def test_texts_ask_for_photos_and_photos_for_texts(tmp_path: Path) -> None:
    for role, count in (("database", 6), ("queries", 3)):
        place = tmp_path / "set" / "images" / "test" / role
        place.mkdir(parents=True)
        for number in range(count):
            shade = np.random.default_rng([number, count]).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
            name = f"@{500000 + 100 * number:010.2f}@4180000.00@10@S@@@{number}@@@@@@@@.png"
            Image.fromarray(shade).save(place / name)
    benchmark = vprkit.open_benchmark(tmp_path / "set")

    def said(records: Any) -> Any:
        texts = StringColumn.of(f"wall number {row} of {len(records)}" for row in range(len(records)))
        return dataclasses.replace(records, texts={"text": texts})

    benchmark = dataclasses.replace(benchmark, database=said(benchmark.database), queries=said(benchmark.queries))
    images, texts = tiny(), tiny(direction="image_to_text")
    paths = [[records.path(row) for row in range(len(records))] for records in (benchmark.queries, benchmark.database)]
    for method, query, database in (
        (images, images.describe(texts=list(benchmark.queries.texts["text"])), images.describe(paths[1])),
        (texts, texts.describe(paths[0]), texts.describe(texts=list(benchmark.database.texts["text"]))),
    ):
        result = vprkit.evaluate(method, benchmark, ks=(1, 5))
        best = (query.global_ @ database.global_.T).amax(1)
        torch.testing.assert_close(torch.tensor([row.scores[0] for row in result.rankings]), best)
        asked = method is images  # in words
        assert [row.by_photo for row in result.rankings] == [not asked] * 3
        assert [row.text for row in result.rankings] == (["wall number 0 of 3", "wall number 1 of 3",
                                                          "wall number 2 of 3"] if asked else [""] * 3)  # fmt: skip
        again = Result.from_dict(json.loads(result.to_json()))
        assert again.rankings == result.rankings
        shown = tiles(again.rankings[1], again, 2)[0]
        assert (shown.text, shown.path is None) == ("wall number 1 of 3" if asked else "", asked)
        assert save_predictions(again, tmp_path / f"sheets-{asked}", 2) == 3
        assert ("wall number 1 of 3" in str(failures(Group("set", [again], ["run"]), 3))) == asked


# --- training --------------------------------------------------------------------------------------------------------

SETTINGS: dict[str, Any] = {
    **{f"model.{name}": value for name, value in TINY.items()}, "image_size": (SIDE, SIDE), "epochs": 1,
    "sampling.places": 4, "running.device": "cpu", "running.workers": 1, "schedule.warmup_steps": 2, "lora.rank": 3,
    "lora.alpha": 6.0, "validation.every": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve places of four pictures, whose descriptions name the place."""
    root = write_gsv(tmp_path_factory.mktemp("gsv") / "set")
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.jpg"))
    rows = [f'{name},"a {name.split("_")[1].lstrip("0") or "zero"} house, red door"' for name in names]
    (root / "descriptions.csv").write_text("image_path,description\n" + "\n".join(rows) + "\n")
    return root


def trained(places: Path, out: Path, **options: Any) -> Method:
    run = vprkit.train("lavpr-crossmodal", {"train": places}, out=out, options={**SETTINGS, **options})
    return load_method(weights=run.weights, device="cpu")


def test_whole_towers_learn_from_initial_values(places: Path, tmp_path: Path) -> None:
    found = trained(places, tmp_path / "run", **{"train": "all", "initial": None, "loss": "contrastive"})
    start = tiny(seed=190223)
    moved = {name for name, tensor in authors(found).items() if not torch.equal(tensor, authors(start)[name])}
    still = {name for name in authors(start) if name not in moved}
    assert any("patch_embedding" in name for name in moved) and any("query" in name for name in moved)
    assert still and all(name.startswith("itm_head.") or ".crossattention." in name for name in still)
    assert found.preprocessing.size == (SIDE, SIDE) and found.preprocessing.engine == "tensor_antialias"


@pytest.mark.parametrize("chunk", [None, 5])
def test_adapters_learn_and_are_written_merged_or_alone(places: Path, tmp_path: Path, chunk: int | None) -> None:
    base = save_method(tiny(), tmp_path / "base.safetensors")
    options = {"initial": str(base), "running.chunk": chunk}
    merged = trained(places, tmp_path / "merged", **options)
    alone = trained(places, tmp_path / "alone", **options, write="adapter")
    for name, tensor in authors(merged).items():
        torch.testing.assert_close(authors(alone)[name], tensor)
    moved = {name for name, tensor in authors(merged).items() if not torch.equal(tensor, authors(tiny())[name])}
    assert moved and all(name.endswith(".weight") and name.removesuffix(".weight") in linear(merged) for name in moved)
    assert not any(name.startswith("itm_head.") or ".crossattention." in name for name in moved)
    file = tmp_path / "alone" / "last.safetensors"
    assert file.stat().st_size < 0.3 * (tmp_path / "merged" / "last.safetensors").stat().st_size
    header = read(file).header
    assert header is not None and header.notes["lora"]["base_sha256"] == sha256_of(base)
    base.rename(tmp_path / "moved.safetensors")
    with pytest.raises(NotAvailable, match=r"holds an adapter alone; .*base.safetensors \(SHA-256"):
        load_method(weights=file, device="cpu")
    same(load_method(weights=tmp_path / "moved.safetensors", adapter=file, device="cpu"), alone)
    save_method(tiny(seed=7), tmp_path / "base.safetensors")
    with pytest.raises(WeightsError, match="was made for weights with SHA-256"):
        load_method(weights=file, device="cpu")


def test_chunks_and_a_kill_change_nothing(places: Path, tmp_path: Path) -> None:
    base = save_method(tiny(), tmp_path / "base.safetensors")
    options: dict[str, Any] = {"initial": str(base), "epochs": 2, "text_augmentation.reverse_clauses": 0.5}
    options |= {"text_augmentation.swap_colours": 0.5, "lora.dropout": 0.0}
    whole = trained(places, tmp_path / "whole", **options)
    trained(places, tmp_path / "halves", **{**options, "epochs": 1})
    same(trained(places, tmp_path / "halves", **options), whole)
    for name, tensor in authors(trained(places, tmp_path / "chunks", **options, **{"running.chunk": 5})).items():
        torch.testing.assert_close(tensor, authors(whole)[name], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"write": "adapter", "initial": None}, "write=adapter needs train=lora and weights"),
        ({"loss": "contrastiv"}, "did you mean 'contrastive'"),
        ({"image_size": (64, 64)}, "the towers have positions for 32x32"),
        ({"memory.size": 64}, "no memory of earlier batches"),
        ({"initial": None, "lora.targets": ("quary",)}, "lora.targets names 'quary'"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, Any], words: str, places: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        trained(places, tmp_path / "run", **options)


def test_places_without_texts_are_refused(tmp_path: Path) -> None:
    bare = write_gsv(tmp_path / "bare")
    with pytest.raises(ConfigError, match=r"has no descriptions.csv or gsv_cities_descriptions.csv; give texts=FILE"):
        trained(bare, tmp_path / "run", initial=None)


def test_a_validation_set_may_bring_its_descriptions(tmp_path: Path) -> None:
    for role in ("database", "queries"):
        place = tmp_path / "set" / "images" / "val" / role
        place.mkdir(parents=True)
        Image.new("RGB", (SIDE, SIDE)).save(place / "@0500000.00@4180000.00@10@S@@@0@@@@@@@@.png")
    name = "queries/@0500000.00@4180000.00@10@S@@@0@@@@@@@@.png"
    (tmp_path / "said.csv").write_text(f'image_path,description\n{name},"a wall, a door"\n')
    for written in (f"{tmp_path}/set#val", f"{tmp_path}/set"):
        opened = open_sources({"train": tmp_path, "val": f"{written}+{tmp_path}/said.csv"}).val["val"]
        assert list(opened.queries.texts["text"]) == ["a wall, a door"]
    assert "text" not in open_sources({"train": tmp_path, "val": f"{tmp_path}/set"}).val["val"].queries.texts
