"""What is said where an optional package is missing."""

from pathlib import Path

import pytest

from vprkit import extras
from vprkit.errors import MissingExtra, VprError


def test_the_command_fits_where_vprkit_runs_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = Path(extras.__file__).parents[2]
    assert extras.installing("serve") == f'pip install -e "{clone}[serve]"'
    monkeypatch.setattr(extras, "__file__", str(tmp_path / "site-packages" / "vprkit" / "extras.py"))
    assert extras.installing("serve") == 'pip install "vprkit[serve]"'


def test_a_missing_package_is_named_with_the_command() -> None:
    with pytest.raises(MissingExtra, match=r"'no_such_package', which is not installed. Run: pip install .*\[text\]"):
        extras.require("text", "no_such_package")
    with pytest.raises(VprError, match="no extra named 'txet'; known: train, text"):
        extras.require("txet")
