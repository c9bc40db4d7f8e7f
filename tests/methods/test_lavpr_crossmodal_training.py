"""Training cross-modal towers, whole or by adapters, on places with descriptions."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

import vprkit
from tests.methods.crossmodal_small import SIDE, TINY, authors, linear, same, tiny
from tests.training.small import write_gsv
from vprkit.errors import ConfigError, DataError, NotAvailable, WeightsError
from vprkit.loading import load_method, save_method
from vprkit.method import Method
from vprkit.training.sources import open_sources
from vprkit.weights.reading import read, sha256_of

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


def test_a_validation_set_may_bring_its_descriptions_and_with_them_its_queries(tmp_path: Path) -> None:
    for role in ("database", "queries"):
        place = tmp_path / "set" / "images" / "val" / role
        place.mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (SIDE, SIDE)).save(place / f"@0500000.00@4180000.00@10@S@@@{number}@@@@@@@@.png")
    name = "queries/@0500000.00@4180000.00@10@S@@@0@@@@@@@@.png"
    (tmp_path / "said.csv").write_text(f'image_path,description\n{name},"a wall, a door"\n')
    for written in (f"{tmp_path}/set#val", f"{tmp_path}/set"):
        opened = open_sources({"train": tmp_path, "val": f"{written}+{tmp_path}/said.csv"}).val["val"]
        assert list(opened.queries.names) == [name] and list(opened.queries.texts["text"]) == ["a wall, a door"]
        assert len(opened.database) == 3
    bare = open_sources({"train": tmp_path, "val": f"{tmp_path}/set"}).val["val"]
    assert "text" not in bare.queries.texts and len(bare.queries) == 3
    (tmp_path / "said.csv").write_text("image_path,description\ndatabase/of_another_set.png,a wall\n")
    with pytest.raises(DataError, match="said.csv: lists none of the 3 queries"):
        open_sources({"train": tmp_path, "val": f"{tmp_path}/set#val+{tmp_path}/said.csv"})
