"""LaVPR's fusion: modes against their formulas, weights files, missing texts."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import vprkit
from tests.conftest import picture
from vprkit.backbones.bert_tokens import minilm_folder
from vprkit.backbones.text_encoder import TextEncoder, load_text_encoder
from vprkit.cli import main
from vprkit.data.benchmark import Benchmark, open_records
from vprkit.data.positives import Positives
from vprkit.errors import ConfigError, NotAvailable
from vprkit.evaluation.two_stage import Second, forecast
from vprkit.retrieval.pca import PCA, with_pca
from vprkit.retrieval.weighted import WeightedIndex

WORDS = ("a red house", "a green shop with a lamp", "", "two blue doors, one tree")
SIDE = 32


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    return load_text_encoder()


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    return [picture(seed, (SIDE, SIDE), noise=20.0) for seed in range(len(WORDS))]


def fused(mode: str | None = None, **options: Any) -> vprkit.Method:
    return vprkit.load_method("lavpr-fusion", image="thumbnail", mode=mode, **options)


def scores(method: vprkit.Method, photos: list[np.ndarray]) -> torch.Tensor:
    """(N, N) of every pair as query against every pair as database record."""
    texts = list(WORDS) if "text" in method.reads("query") else None
    images = photos if "image" in method.reads("query") else None
    features = method.describe(images, texts=texts)
    return method.index_vectors(features, "query") @ method.index_vectors(features, "database").T


def parts(encoder: TextEncoder, photos: list[np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines of images and of texts, 0 where a text is missing."""
    image = vprkit.load_method("thumbnail").describe(photos).global_
    image = torch.nn.functional.normalize(image, dim=1)
    text = torch.cat([encoder.read([words]).vectors for words in WORDS])
    text = text * torch.tensor([bool(words) for words in WORDS])[:, None]
    return image @ image.T, text @ text.T


@torch.inference_mode()
def test_every_mode_is_its_formula(encoder: TextEncoder, photos: list[np.ndarray]) -> None:
    image, text = parts(encoder, photos)
    told = torch.tensor([bool(words) for words in WORDS])[:, None]
    expected = {
        "image": image,
        "text": text,
        "concat": torch.where(told, (image + text) / 2, image),
        "each": torch.where(told, 0.7 * image + 0.3 * text, image),
    }
    for mode, wanted in expected.items():
        found = scores(fused(mode, alpha=0.7), photos)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_weights_enter_as_published_and_a_missing_text_leaves_the_image(photos: list[np.ndarray]) -> None:
    method = vprkit.load_method("lavpr-fusion", "random:1", image="thumbnail", head="ads")
    features = method.describe(photos, texts=list(WORDS))
    assert features.text is not None and features.weight is not None
    assert features.weight[2].tolist() == [1, 0] and features.text[2].abs().max() == 0
    assert torch.allclose(features.weight.sum(1), torch.ones(4)) and 0 < features.weight[0, 0] < 1
    a, b = features.weight.T
    v, t = (torch.nn.functional.normalize(part, dim=1) for part in (features.global_, features.text))
    wanted = (a[:, None] + a) / 2 * (v @ v.T) + (b[:, None] + b) / 2 * (t @ t.T)
    wanted[2] = v[2] @ v.T  # it asks by its photo alone
    torch.testing.assert_close(scores(method, photos), wanted, rtol=1e-4, atol=1e-5)


@pytest.fixture
def two(tmp_path: Path) -> Benchmark:
    """Two photos look alike, their sentences tell them apart; the third says what is asked but looks different."""
    seen = {"database": ((0, "a church"), (0, "a bakery"), (5, "a bakery")), "queries": ((0, "a bakery"),)}
    for role, rows in seen.items():
        (tmp_path / role).mkdir()
        table = ["path,lat,lon,text"]
        for number, (look, text) in enumerate(rows):
            photo = picture(look, (SIDE, SIDE), noise=1.0, noise_seed=number)
            Image.fromarray(photo).save(tmp_path / role / f"{number}.png")
            table.append(f"{number}.png,{46 + number / 100},7,{text}")
        (tmp_path / role / "images.csv").write_text("\n".join(table) + "\n")
    sides = [open_records(tmp_path / role / "images.csv") for role in seen]
    return Benchmark("two", *sides, positives=Positives.of([[1]]), rule="as drawn")


def test_weighted_scores_are_searched_without_long_vectors(two: Benchmark, tmp_path: Path) -> None:
    method = vprkit.load_method("lavpr-fusion", "random:1", image="thumbnail", head="ads")
    described = [method.describe([side.path(row) for row in range(len(side))], texts=list(side.texts["text"]))
                 for side in (two.queries, two.database)]  # fmt: skip
    vectors = [method.index_vectors(part, role) for part, role in zip(described, ("query", "database"), strict=True)]
    wanted = sorted((vectors[0] @ vectors[1].T)[0].tolist(), reverse=True)
    found = vprkit.evaluate(method, two, ks=(3,)).rankings[0]
    assert found.ranking[0] == 1 and found.scores == pytest.approx(wanted, abs=1e-5)
    built = vprkit.Map.build(two.database, method, out=tmp_path / "streets.map")
    assert isinstance(built.index, WeightedIndex)
    hits = built.locate(two.queries.path(0), text="a bakery")
    assert hits[0].row == 1 and [hit.score for hit in hits] == pytest.approx(wanted, abs=1e-5)


@pytest.fixture(scope="module")
def streets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty photos and as many queries; some have texts."""
    root = tmp_path_factory.mktemp("streets")
    for folder in ("database", "queries"):
        (root / folder).mkdir()
        for number in range(40):
            photo = picture(number % 10, (SIDE, SIDE), noise=80.0, noise_seed=number + 100 * (folder == "queries"))
            Image.fromarray(photo).save(root / folder / f"@{number}@0@.png")
    lines = [f"@{number}@0@.png,{WORDS[number % 2] * (number % 7)}" for number in range(40)]
    (root / "texts.csv").write_text("image_path,description\n" + "\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize("mode", ["fused", "each", "concat"])
def test_a_photo_without_a_text_asks_by_itself_among_records_with_and_without(
    streets: Path, tmp_path: Path, mode: str
) -> None:
    """Records' own shares, and whether they have texts, leave the order of photos alone."""
    database = open_records(streets / "database", texts=streets / "texts.csv")
    assert 0 < list(database.texts["text"]).count("") < len(database)
    photos = [streets / "queries" / f"@{number}@0@.png" for number in range(12)]

    def found(**options: Any) -> list[list[tuple[int, float]]]:
        method = vprkit.load_method("lavpr-fusion", "random:1", image="thumbnail", head="ads", **options)
        built = vprkit.Map.build(database, method, out=tmp_path / f"{options['mode']}.map")
        return [[(hit.row, round(hit.score, 5)) for hit in built.locate(photo, top=40)] for photo in photos]

    assert found(mode=mode) == found(mode="image")


@pytest.mark.parametrize("options", [{"mode": "image"}, {"head": "ads"}])
def test_a_pca_projects_photos_and_leaves_texts_beside_them(streets: Path, options: dict[str, Any]) -> None:
    method = vprkit.load_method("lavpr-fusion", "random:1", image="thumbnail", **options)
    benchmark = vprkit.open_benchmark(streets, texts=streets / "texts.csv")
    described = [method.describe([side.path(row) for row in range(40)], texts=list(side.texts["text"]))
                 if "text" in method.reads() else method.describe([side.path(row) for row in range(40)])
                 for side in (benchmark.queries, benchmark.database)]  # fmt: skip
    pca = PCA.fit(described[1].global_.numpy(), 5)
    small = [dataclasses.replace(part, global_=torch.from_numpy(pca.apply(part.global_.numpy()))) for part in described]
    wanted = method.index_vectors(small[0], "query") @ method.index_vectors(small[1], "database").T
    result = vprkit.evaluate(with_pca(method, pca), benchmark, ks=(3,))
    for row, ranking in enumerate(result.rankings):
        assert ranking.scores == pytest.approx(wanted[row].sort(descending=True).values[:3].tolist(), abs=1e-4)
    assert result.identity["configuration"]["pca"] == 5


def test_a_pca_on_the_command_line(
    streets: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["vpr", "evaluate", *words])
        with pytest.raises(SystemExit) as stop:
            main()
        return int(stop.value.code or 0), "".join(capsys.readouterr())

    own = ("lavpr-fusion", str(streets), "--set", "image=thumbnail", "--pca", "5", "--pca-data")
    told = ("--texts", str(streets / "texts.csv"))
    code, said = run(*own, str(streets / "database"), *told, "--set", "mode=each", "--json", "--recall", "1")
    assert code == 0 and '"recalls"' in said
    code, said = run(*own[:4], "--queries-as", "five_crops", *told)
    assert code and "queries as five_crops are crops, which have no texts of their own" in said
    code, said = run("lavpr-crossmodal", str(streets), "-w", "random", "--set", "layers=1", *own[4:], "none", *told)
    assert code and "asks with text and searches image, which one PCA cannot project alike" in said


@pytest.mark.parametrize("mode", ["each", "concat"])
def test_a_map_opens_without_a_file_of_its_own(two: Benchmark, tmp_path: Path, mode: str) -> None:
    built = vprkit.Map.build(two.database, fused(mode), out=tmp_path / "streets.map")
    photo = two.queries.path(0)
    wanted = [(hit.row, hit.score) for hit in built.locate(photo, text="a bakery")]
    again = vprkit.Map.open(tmp_path / "streets.map")
    assert [(hit.row, hit.score) for hit in again.locate(photo, text="a bakery")] == wanted
    assert wanted[0][0] == 1 and again.method.network.config.compared == mode


def test_the_other_modality_orders_the_shortlist_by_number(two: Benchmark) -> None:
    method = fused("image_then_text")
    first = vprkit.evaluate(method, two, ks=(3,))
    again = vprkit.evaluate(method, two, ks=(3,), rerank=2)
    assert sorted(first.rankings[0].ranking[:2]) == [0, 1] and first.rankings[0].ranking[2] == 2
    assert again.rankings[0].ranking == [1, 0, 2]
    for mode in ("concat", "text", "image"):
        with pytest.raises(NotAvailable, match="'lavpr-fusion' has no second stage"):
            vprkit.evaluate(fused(mode), two, ks=(1,), rerank=2)
    assert forecast(Second(2, dtype="float32"), fused("image_then_text"), 3)


@pytest.mark.parametrize("head", ["mlp", "add"])
def test_joined_heads_make_one_vector(photos: list[np.ndarray], head: str) -> None:
    method = vprkit.load_method("lavpr-fusion", "random:1", image="thumbnail", head=head, width=12)
    features = method.describe(photos, texts=list(WORDS))
    assert features.text is None and features.global_.shape == (4, 12) and method.dimension == 12


def test_texts_ask_for_images_through_projections(photos: list[np.ndarray]) -> None:
    method = vprkit.load_method("lavpr-fusion", "random:1", image="thumbnail", head="projections", width=12)
    assert (method.reads("query"), method.reads("database")) == ({"text"}, {"image"})
    assert method.describe(photos).global_.shape == method.describe(texts=WORDS).global_.shape == (4, 12)


def test_encoders_are_loaded_only_where_the_mode_reads(photos: list[np.ndarray]) -> None:
    image, text = fused("image").network, fused("text").network
    assert image.text_encoder is None and text.vpr_encoder is None
    with pytest.raises(ConfigError, match="reads photos or texts alone"):
        fused("text").describe(photos, texts=list(WORDS))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"mode": "fused"}, "head=none gives nothing to fuse by"),
        ({"mode": "across"}, "mode=across goes with head=projections"),
        ({"text": "minilmm"}, "no text encoder 'minilmm' .did you mean 'minilm'"),
        ({"alpha": 1.5}, "alpha must be between 0 and 1"),
    ],
)
def test_options_that_mean_nothing(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        vprkit.load_method("lavpr-fusion", "random", **{"image": "thumbnail", **options})


def test_sentences_as_sentence_transformers_encodes_them(encoder: TextEncoder) -> None:
    library = pytest.importorskip("sentence_transformers")
    texts = ["A red-brick church beside a petrol station.", "word " * 400, "café"]
    theirs = library.SentenceTransformer(str(minilm_folder()), device="cpu").encode(texts)
    with torch.inference_mode():
        torch.testing.assert_close(encoder.read(texts).vectors, torch.from_numpy(theirs), rtol=1e-4, atol=1e-5)
