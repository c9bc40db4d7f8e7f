"""Guided re-ranking with patches of any method's ViT."""

import json

import pytest
import torch

import vprkit
from vprkit.backbones.patch_features import PatchConfig, clipped, describe_patches, min_max
from vprkit.backbones.vit import Facet
from vprkit.cli import main
from vprkit.errors import ConfigError, NotAvailable
from vprkit.evaluation.two_stage import Second
from vprkit.rerank.guided_matches import GuidedMatches
from vprkit.rerank.with_patches import with_patches

SMALL = {"size": "S", "depth": 2, "table_size": 56, "resize": 56, "device": "cpu"}


@pytest.fixture(scope="module")
def dinov2():
    return vprkit.load_method("dinov2", "random:1", registers=4, **SMALL)


def test_global_vectors_stay_and_patches_come_from_the_same_pass(dinov2):
    guided, images = with_patches(dinov2), torch.rand(2, 3, 56, 70)
    features = guided.describe_batch(images)
    assert torch.equal(features.global_, dinov2.describe_batch(images).global_)
    local = features.local
    assert local.tokens.shape == (2, 20, 384) and local.grid == (4, 5) and local.counts.tolist() == [20, 20]
    assert torch.allclose(local.tokens.norm(dim=-1), torch.ones(2, 20), atol=1e-4)
    with torch.no_grad():
        _, (value, attention) = dinov2.network.backbone.facets(images, [(0, Facet.VALUE), (1, Facet.CLASS_ATTENTION)])
    flat = torch.nn.functional.normalize(value.permute(0, 2, 3, 1).flatten(2)[:, 5:], dim=-1)
    assert torch.allclose(local.tokens, flat, atol=1e-5)  # class token and registers are no patches
    logits = attention.mean(1)[:, 5:]
    assert local.saliency.min() == 0 and local.saliency.max() == 1
    assert torch.equal(local.saliency.argsort(1), logits.argsort(1))
    assert guided.identity() != dinov2.identity()


def test_what_is_read_can_be_chosen(dinov2):
    images = torch.rand(1, 3, 56, 56)
    for facet in ("key", "query", "token"):
        other = with_patches(dinov2, PatchConfig(layer=-1, facet=facet)).describe_batch(images)
        assert other.local.tokens.shape == (1, 16, 384)
    binned = with_patches(dinov2, PatchConfig(bins=1)).describe_batch(images)
    assert binned.local.tokens.shape == (1, 16, 9 * 384)
    with torch.no_grad():
        _, (attention,) = dinov2.network.backbone.facets(images, [(0, Facet.CLASS_ATTENTION)])
    shares = attention.softmax(-1)[:, :, 5:].mean(1)  # of all tokens, registers and the class token too
    soft = with_patches(dinov2, PatchConfig(saliency_layer=0, layer=-1, saliency="softmax")).describe_batch(images)
    assert torch.allclose(soft.local.saliency, (shares - shares.min()) / (shares.max() - shares.min()), atol=1e-5)
    with pytest.raises(ConfigError, match="block 7 does not exist"):
        with_patches(dinov2, PatchConfig(layer=7)).describe_batch(images)
    with pytest.raises(ConfigError, match="levels of log-binning"):
        PatchConfig(bins=-1)


@pytest.mark.parametrize("outlier", [6.0, -6.0, 40.0])
def test_an_outlier_moves_what_is_salient_unless_it_is_clipped(outlier):
    logits = torch.randn(1, 529, generator=torch.Generator().manual_seed(6))
    moved = logits.clone()
    moved[0, 17] = outlier

    def changed(stretched):
        before, after = (stretched(values)[0] > 0.5 for values in (logits, moved))
        return float((before != after).float().mean())

    assert changed(min_max) > 0.2 and changed(clipped) < 0.03
    shares = clipped(moved)
    assert shares.min() == 0 and shares.max() == 1
    assert not (clipped(torch.zeros(1, 9)) > 0).any()  # equal values: nothing is salient


def test_every_network_with_one_vit_can(shared_set):
    method = vprkit.load_method("selavpr", "random:1", local_mid_channels=8, local_channels=8, **SMALL)
    guided = with_patches(method, second=GuidedMatches(0.1, 0.2))
    benchmark = vprkit.open_benchmark(shared_set)
    result = vprkit.evaluate(guided, benchmark, rerank=Second(4))
    assert result.first_stage == vprkit.evaluate(method, benchmark).recalls
    assert result.second_stage["reranker"] == "GuidedMatches" and result.second_stage["saliency"] == 0.1
    assert any(row.scores[0] > 0 for row in result.rankings)


def test_networks_without_a_vit_are_refused(hog):
    with pytest.raises(NotAvailable, match="'hog' has none; choose a method on one"):
        with_patches(hog)


def test_a_block_that_does_not_run_is_named(dinov2):
    with pytest.raises(ConfigError, match="does not run block 1"), torch.no_grad():
        trunk = dinov2.network.backbone
        describe_patches(trunk, torch.rand(1, 3, 56, 56), PatchConfig(), lambda images: trunk.intermediate(images, [0]))


def test_the_grid_is_that_of_what_the_vit_sees(dinov2):
    def halved(images):
        return dinov2.network(torch.nn.functional.interpolate(images, scale_factor=0.5))

    with torch.no_grad():
        local = describe_patches(dinov2.network.backbone, torch.rand(1, 3, 112, 56), PatchConfig(bins=1), halved).local
    assert local.grid == (4, 2) and local.tokens.shape == (1, 8, 9 * 384)


def test_a_map_keeps_patches_and_opens_with_them_again(photo_set, tmp_path, capsys, monkeypatch):
    photos, small = photo_set / "database", ["-s", "size=S", "-s", "depth=2", "-s", "table_size=56", "--resize", "56"]
    words = ["vpr", "map", "build", str(photos), "--method", "dinov2", "--out", str(tmp_path / "map")]
    run(
        monkeypatch,
        [*words, "-w", "random:1", *small, "--guided", "--patches", "facet=key", "--local", "float16", "-q"],
    )
    opened = vprkit.Map.open(tmp_path / "map")
    assert opened.method.network.patches.facet == "key" and opened.store.local.salient
    photo = sorted(photos.glob("*.*"))[0]
    capsys.readouterr()
    run(monkeypatch, ["vpr", "locate", str(tmp_path / "map"), str(photo), "--rerank", "4", "--json", "-q"])
    first = json.loads(capsys.readouterr().out)
    changed = ["--rerank-set", "saliency=0.9", "--rerank-set", "similarity=0.99"]
    run(monkeypatch, ["vpr", "locate", str(tmp_path / "map"), str(photo), "--rerank", "4", "--json", "-q", *changed])
    scores = [json.loads(capsys.readouterr().out), first]
    assert scores[0] != scores[1]


def run(monkeypatch, words):
    monkeypatch.setattr("sys.argv", words)
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
