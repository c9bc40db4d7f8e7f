"""What notebooks show of data: one short line each."""

import dataclasses

from vprkit.data.benchmark import open_benchmark
from vprkit.data.columns import StringColumn
from vprkit.data.positives import Positives
from vprkit.data.records import Records


def test_a_column_shows_its_first_strings():
    assert repr(StringColumn.of([])) == "StringColumn([], length 0)"
    assert repr(StringColumn.of(["a", "b\n"])) == "StringColumn(['a', 'b\\n'], length 2)"
    many = StringColumn.of(["x" * 10_000] * 1000)
    assert repr(many).startswith("StringColumn(['xxx") and repr(many).endswith("…', …], length 1000)")
    assert len(repr(many)) < 170


def test_positives_show_their_counts():
    assert repr(Positives.of([[1, 2], [], [3]])) == "Positives(queries: 3, positives: 3, queries without: 1)"


def test_records_and_benchmarks_show_counts_root_and_kind_of_truth(shared_set):
    benchmark = open_benchmark(shared_set)
    assert repr(benchmark) == f"Benchmark('set', database images: 8, queries: 16, truth: {benchmark.rule})"
    assert (
        repr(benchmark.queries)
        == f"Records(images: 16, root: {shared_set}, known: positions, {', '.join(benchmark.queries.texts)})"
    )
    assert repr(Records.from_rows("photos", [{"name": "a.jpg"}])) == "Records(images: 1, root: photos, known: names)"
    assert "truth: unlabelled" in repr(dataclasses.replace(benchmark, positives=None, rule="unlabelled"))
    for shown in map(repr, (benchmark, benchmark.database, benchmark.positives, benchmark.database.names)):
        assert "\n" not in shown and len(shown) < 400
