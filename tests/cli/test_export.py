"""`vpr export pairs` from the command line."""

from tests.cli.test_cli import ok, refused


def test_pairs_of_a_run_of_located_photos_and_of_a_map(shared_set, tmp_path):
    ok("evaluate", "thumbnail", shared_set, "--save", tmp_path / "run.json", "-q")
    out = ok("export", "pairs", tmp_path / "run.json", "--top", 3, "--out", tmp_path / "run.txt")
    lines = (tmp_path / "run.txt").read_text().splitlines()
    assert out.startswith("48 pairs") and len(lines) == 48
    assert all((shared_set / name).is_file() for line in lines for name in line.split())

    ok("map", "build", shared_set / "database", "--out", tmp_path / "m", "-q")
    ok("locate", tmp_path / "m", shared_set / "queries", "--out", tmp_path / "where.json", "-q")
    told = ["--query-root", shared_set / "queries", "--prefix-query", "queries", "--prefix-database", "database"]
    ok("export", "pairs", tmp_path / "where.json", "--top", 2, *told, "--out", tmp_path / "where.txt")
    lines = (tmp_path / "where.txt").read_text().splitlines()
    assert len(lines) == 32 and all((shared_set / name).is_file() for line in lines for name in line.split())

    assert "7 pairs" in ok("export", "pairs", tmp_path / "m", "--near", 60, "--out", tmp_path / "near.txt")
    assert "exists already" in refused("export", "pairs", tmp_path / "m", "--near", 60, "--out", tmp_path / "near.txt")
    assert "--near METRES" in refused("export", "pairs", tmp_path / "m", "--out", tmp_path / "x.txt")
    assert "--turn narrows" in refused("export", "pairs", tmp_path / "m", "--turn", 5, "--out", tmp_path / "x.txt")
    for option in ("--top", "--query-root", "--prefix-query"):
        assert option in refused(
            "export", "pairs", tmp_path / "m", "--near", 60, option, 3, "--out", tmp_path / "x.txt"
        )
