from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from vprkit import config
from vprkit.config import option
from vprkit.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    rate: float = option(1e-3, "learning rate")
    kind: Literal["a", "b"] = option("a", "which")


@dataclass(frozen=True)
class Outer:
    batch_size: int = option(32, "images per step")
    name: str | None = option(None, "a name")
    sizes: tuple[int, ...] = option((1, 2), "some sizes")
    pair: tuple[int, float] = option((1, 2.0), "two numbers")
    folder: Path = option(Path("x"), "where")
    flags: dict[str, bool] = option(factory=dict, help="switches")
    inner: Inner = option(factory=Inner, help="nested")


def test_round_trips(tmp_path):
    changed = config.override(Outer(), ["batch_size=8", "inner.rate=1e-4", "sizes=[3]", "name=x", "flags={a: true}"])
    assert changed == Outer(8, "x", (3,), (1, 2.0), Path("x"), {"a": True}, Inner(1e-4))
    assert config.from_dict(Outer, config.to_dict(changed)) == changed
    path = tmp_path / "c.yaml"
    path.write_text(config.to_yaml(changed))
    assert config.from_yaml(Outer, path) == changed
    assert "# learning rate" in path.read_text()


def test_only_near_names_are_suggested_and_few_are_listed():
    assert config.nearest("netvald", ["netvlad", "hog"]) == " (did you mean 'netvlad'?)"
    assert config.nearest("nomethod", ["netvlad", "hog"]) == " (known: hog, netvlad)"
    assert config.nearest("nomethod", [f"x{number}" for number in range(100)]) == ""


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("batchsize=4", r"unknown key 'batchsize' \(did you mean 'batch_size'\?\)"),
        ("inner.rat=4", r"unknown key 'inner.rat' \(did you mean 'rate'\?\)"),
        ("iner.rate=4", "unknown key 'iner'"),
        ("batch_size=many", "'batch_size' must be a whole number, got 'many'"),
        ("batch_size=true", "'batch_size' must be a whole number, got True"),
        ("batch_size=1.5", "'batch_size' must be a whole number"),
        ("inner.rate=.nan", "'inner.rate' must be a finite number, got nan"),
        ("pair=[1, .inf]", r"'pair\[1\]' must be a finite number, got inf"),
        ("batch_size=.inf", "'batch_size' must be a finite number, got inf"),
        ("inner.kind=c", "'inner.kind' must be one of 'a', 'b', got 'c'"),
        ("pair=[1]", "'pair' must have 2 items, got 1"),
        ("sizes=3", "'sizes' must be a list"),
        ("sizes=[x]", r"'sizes\[0\]' must be a whole number"),
        ("inner=3", "expected keys and values"),
        ("batch_size", "is not an assignment"),
        ("name=[1]", "'name' must be text or none"),
    ],
)
def test_mistakes_name_the_key(assignment, message):
    with pytest.raises(ConfigError, match=message):
        config.override(Outer(), [assignment])


def test_missing_keys_and_files(tmp_path):
    @dataclass(frozen=True)
    class Needs:
        path: str

    with pytest.raises(ConfigError, match="missing key 'path' of Needs"):
        config.from_dict(Needs, {})
    with pytest.raises(ConfigError, match="none.yaml"):
        config.from_yaml(Outer, tmp_path / "none.yaml")


def test_texts_that_look_like_numbers_only_at_second_glance():
    assert config.parse_value("1e-4") == 1e-4
    assert config.parse_value("nan") == "nan"
    assert config.parse_value("inf") == "inf"
