"""Published figures belong to known protocols; a measurement is put beside them and says when it must not be."""

import dataclasses

import numpy as np

from vprkit.data.benchmark import Benchmark
from vprkit.data.positives import Positives
from vprkit.data.protocols import find_protocol
from vprkit.data.records import Records
from vprkit.evaluation.evaluate import evaluate_descriptors
from vprkit.evaluation.published import FIGURES, candidates_of, figures_of
from vprkit.evaluation.reproduce import Reproduction
from vprkit.registry import list_methods


def result(database: int, queries: int):
    def records(role: str, count: int) -> Records:
        return Records.from_rows("/", [{"name": f"{role}/{number}.jpg"} for number in range(count)])

    positives = Positives.of([[number % database] for number in range(queries)])
    name = "cosplace-vgg16-512"
    benchmark = Benchmark("set", records("database", database), records("queries", queries), positives, "listed")
    vectors = np.random.default_rng(0).normal(size=(database, 8)).astype(np.float32)
    return evaluate_descriptors(vectors[np.arange(queries) % database], vectors, benchmark, metric="l2", name=name)


def test_every_figure_has_a_protocol():
    for figure in FIGURES:
        assert find_protocol(figure.protocol).name == figure.protocol
        assert all(0 < value <= 100 for value in figure.recalls.values()) and figure.source
        assert figure.stage in ("global", "re-ranked")
    assert len(figures_of(("selavpr",), "pitts30k-test")) == 2
    assert not figures_of(("hog",), "pitts30k-test")


def test_measured_beside_published():
    protocol = dataclasses.replace(find_protocol("pitts30k-test"), database=40, queries=30)
    reproduction = Reproduction.of(result(40, 30), protocol, "cosplace-vgg16-512")
    text = reproduction.table()
    assert reproduction.comparable and "NOT COMPARABLE" not in text
    assert "88.5" in text and "+11.5" in text and "given by the author" in text
    data = reproduction.to_dict()
    assert data["published"][0]["differences"]["1"] == 100 - 88.5 and data["measured"]["1"] == 100
    assert data["lists"]["queries"] in text


def test_stages_are_compared_with_their_own_figures():
    protocol = dataclasses.replace(find_protocol("pitts30k-test"), database=40, queries=30)
    plain = Reproduction.of(dataclasses.replace(result(40, 30), method="selavpr"), protocol, "selavpr-pitts30k")
    reranked, unranked = (
        next(each for each in plain.figures if each.stage == stage) for stage in ("re-ranked", "global")
    )
    assert plain.differences(reranked) == {} and plain.differences(unranked)[1] == 100 - 90.2
    assert "pass --rerank to measure this" in plain.table()
    twice = dataclasses.replace(plain.result, reranked=100, first_stage={1: 80.0, 5: 90.0})
    both = dataclasses.replace(plain, result=twice)
    assert both.differences(reranked)[1] == 100 - 92.8 and both.differences(unranked)[1] == 80 - 90.2
    assert "measured, 100 re-ranked" in both.table() and "published, 100 re-ranked" in both.table()
    assert candidates_of(plain.figures, True) == 100 and candidates_of(plain.figures, False) == 0
    assert not figures_of(("selavpr-reg4-msls",), "msls-val-740")


def test_other_counts_are_not_comparable():
    reproduction = Reproduction.of(result(40, 30), find_protocol("pitts30k-test"), "cosplace-vgg16-512")
    assert not reproduction.comparable
    assert "NOT COMPARABLE: protocol pitts30k-test has 10,000 / 6,816, but here are 40 database" in reproduction.table()


def test_what_is_not_published_is_said():
    other = Reproduction.of(result(5, 5), find_protocol("sped"), "cosplace-vgg16-512")
    assert "no published figure is known for cosplace-vgg16-512 under sped" in other.table()


def test_figures_of_variants_are_their_own():
    """The name that was asked for tells the variant; a network's other variants keep their figures to themselves."""
    assert figures_of(("mixvpr-512",), "pitts30k-test")[0].recalls == {1: 90.7, 5: 95.5, 10: 96.3}
    assert not figures_of(("mixvpr",), "pitts30k-test")
    assert {each.protocol for each in FIGURES if each.methods == ("salad",)} == {
        "msls-challenge", "msls-val-740", "nordland-2760-w1",
    }  # fmt: skip
    known = set(list_methods())
    for figure in FIGURES:
        planned = figure.methods[0].startswith(("progeo", "rerankvpr"))
        assert planned or set(figure.methods) <= known, figure.methods
