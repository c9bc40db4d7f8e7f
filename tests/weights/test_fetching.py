"""Fetching the authors' files, without a network."""

import hashlib
import io
import urllib.error
from pathlib import Path
from typing import Any

import pytest
import torch

from vprkit.errors import NotAvailable, WeightsError
from vprkit.registry import Released
from vprkit.weights import directory, fetch, fetching, find


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("VPRKIT_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture(scope="module")
def content() -> bytes:
    buffer = io.BytesIO()
    torch.save({"a": torch.zeros(300_000)}, buffer)
    return buffer.getvalue()


class Answer(io.BytesIO):
    def __init__(self, data: bytes, length: int | None) -> None:
        super().__init__(data)
        self.headers = {} if length is None else {"Content-Length": str(length)}


def served(monkeypatch: pytest.MonkeyPatch, data: bytes | Exception, length: int | None = -1) -> None:
    def answer(url: str, timeout: float) -> Any:
        if isinstance(data, Exception):
            raise data
        return Answer(data, len(data) if length == -1 else length)

    monkeypatch.setattr(fetching, "_open", answer)


def released(data: bytes = b"", **changes: Any) -> Released:
    digest = hashlib.sha256(data).hexdigest() if data else None
    values = {"file": "net.pth", "url": "https://example.org/net.pth", "licence": "MIT", "sha256": digest} | changes
    return Released(**values)


def test_a_file_is_fetched_checked_and_named(folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    served(monkeypatch, content)
    seen: list[tuple[int, int | None]] = []
    path = fetch(released(content), progress=lambda done, total: seen.append((done, total)))
    assert path == folder / "net.pth" and path.read_bytes() == content
    assert seen[-1] == (len(content), len(content)) and len(seen) == 2
    assert [p.name for p in folder.iterdir()] == ["net.pth"]


def test_a_file_that_is_there_is_not_fetched_again(
    folder: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    served(monkeypatch, content)
    fetch(released(content))
    served(monkeypatch, urllib.error.URLError("no network"))
    assert fetch(released(content)) == folder / "net.pth"
    with pytest.raises(NotAvailable):
        fetch(released(content), overwrite=True)
    (folder / "net.pth").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match="SHA-256"):
        fetch(released(content))


@pytest.mark.parametrize(
    ("data", "length", "changes", "words"),
    [
        (b"<html>Sign in</html>", -1, {"sha256": None}, r"what https://example.org/net.pth sent is a web page"),
        (b"other", -1, {"sha256": "0" * 64}, "has the SHA-256"),
        (b"short", 100, {"sha256": None}, "cut off after 5 of 100 bytes"),
        (b"x" * 50, -1, {"limit": 10}, "larger than 10 bytes"),
        (b"x" * 50, None, {"limit": 10}, "larger than 10 bytes"),
    ],
)
def test_what_comes_wrong_is_not_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch, data: bytes, length: int | None, changes: dict[str, Any], words: str
) -> None:
    served(monkeypatch, data, length)
    options = {key: changes.pop(key) for key in ("limit",) if key in changes}
    with pytest.raises(WeightsError, match=words):
        fetch(released(**changes), **options)
    assert not list(folder.iterdir())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, r"cannot be reached \(no network\)"),
        ({"browser_only": True}, "needs a browser"),
        ({"url": "http://example.org/net.pth"}, "not an https address"),
        ({"url": "file:///etc/passwd"}, "not an https address"),
    ],
)
def test_what_cannot_be_had_says_what_to_put_where(
    folder: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], words: str
) -> None:
    served(monkeypatch, urllib.error.URLError("no network"))
    with pytest.raises(NotAvailable, match=words) as caught:
        fetch(released(**changes))
    assert "net.pth" in str(caught.value) and str(folder) in str(caught.value)


def test_redirects_stay_on_https() -> None:
    handler = fetching._HttpsOnly()
    with pytest.raises(urllib.error.URLError, match="not https"):
        handler.redirect_request(None, None, 302, "", {}, "http://example.org")


def test_files_are_found_by_path_and_in_the_folder(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    (folder / "a.pth").write_bytes(b"x")
    (tmp_path / "b.pth").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    assert find("a.pth") == folder / "a.pth"
    assert find("b.pth") == Path("b.pth")
    with pytest.raises(NotAvailable, match=str(folder)):
        find("c.pth")


def test_the_weights_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VPRKIT_WEIGHTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert directory() == Path("/cache/vprkit/weights")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert directory() == Path.home() / ".cache/vprkit/weights"
