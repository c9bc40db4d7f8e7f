"""Checking descriptions with scripted fakes: doubtful, unsure, resumed, cached; the lister of nouns; a server."""

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vprkit.cli.app import app
from vprkit.data.quality.checking import check_descriptions, read_checks
from vprkit.data.quality.models import KEY, ChatVerifier, parse_answer
from vprkit.data.quality.noun_phrases import NounPhraseLister, singular
from vprkit.errors import ConfigError, DataError, NotAvailable

TEXTS = {"a.png": "church, tree, fountain, dragon", "b.png": "bridge", "c.png": "church"}


class Commas:
    def list(self, text: str) -> Sequence[str]:
        return text.split(", ")


class Seen:
    """Scores by a table; remembers what it was asked."""

    def __init__(self, **scores: float) -> None:
        self.scores, self.asked = scores, []  # type: ignore[var-annotated]

    def score(self, image: Path, objects: Sequence[str]) -> Sequence[float]:
        self.asked += [(image.name, thing) for thing in objects]
        return [self.scores.get(thing, 0.0) for thing in objects]


class Says:
    def __init__(self, **answers: bool | None) -> None:
        self.answers, self.asked = answers, []  # type: ignore[var-annotated]

    def visible(self, image: Path, objects: Sequence[str]) -> Sequence[bool | None]:
        self.asked += [(image.name, thing) for thing in objects]
        return [self.answers.get(thing) for thing in objects]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number, name in enumerate(("a.png", "b.png")):
        Image.fromarray(np.full((4, 4, 3), 9 * number, np.uint8)).save(folder / name)
    (folder / "c.png").write_bytes((folder / "a.png").read_bytes())  # the same image under another name
    return folder


def test_what_neither_finds_is_doubtful_and_no_answer_is_not_a_no(root: Path, tmp_path: Path) -> None:
    detector, verifier = Seen(church=0.9, tree=0.2, bridge=0.1), Says(fountain=None, dragon=False, bridge=True)
    checks = check_descriptions(TEXTS, root, tmp_path / "out.jsonl", Commas(), detector, verifier)
    first, second, third = checks.lines
    assert (first["doubtful"], first["unsure"]) == (["dragon"], ["fountain"])
    assert first["visible"] == {"fountain": None, "dragon": False} and second["doubtful"] == second["unsure"] == []
    assert ("a.png", "church") in detector.asked and ("c.png", "church") not in detector.asked  # by content, once
    assert third["scores"] == {"church": 0.9}
    assert checks.summary()["doubtful"] == 1 and checks.doubts()[0].objects == ("dragon",)
    alone = check_descriptions(TEXTS, root, tmp_path / "alone.jsonl", Commas(), detector)
    assert alone.lines[0]["doubtful"] == ["fountain", "dragon"] and alone.lines[1]["doubtful"] == ["bridge"]
    listed = check_descriptions(TEXTS, root, tmp_path / "listed.jsonl", Commas())
    assert listed.summary() | {"most often": 0} == {
        "images": 3, "failed": 0, "objects": 6, "doubtful": 0, "unsure": 0, "images with doubts": 0, "most often": 0
    }  # fmt: skip


def test_a_run_that_was_killed_goes_on(root: Path, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole.jsonl", tmp_path / "parts.jsonl"
    check_descriptions(TEXTS, root, whole, Commas(), Seen(church=1.0))
    data = whole.read_bytes()
    for cut in range(0, len(data), 37):
        parts.write_bytes(data[:cut])
        again = Seen(church=1.0)
        check_descriptions(TEXTS, root, parts, Commas(), again)
        assert parts.read_bytes() == data
        done = data[:cut].count(b"\n")
        assert len({image for image, _ in again.asked}) <= 3 - done
    changed = {**TEXTS, "b.png": "tower"}
    lines = check_descriptions(changed, root, parts, Commas(), Seen(church=1.0)).lines
    assert len(lines) == 4 and lines[-1]["objects"] == ["tower"]  # another text is another check


def test_images_that_cannot_be_read_are_said_and_the_rest_goes_on(root: Path, tmp_path: Path) -> None:
    (root / "b.png").unlink()
    checks = check_descriptions(TEXTS, root, tmp_path / "out.jsonl", Commas(), Seen())
    assert checks.summary()["failed"] == 1 and "b.png cannot be read" in checks.lines[1]["error"]
    (tmp_path / "other.jsonl").write_text('{"x": 1}\n{"y": 2}\n')
    with pytest.raises(DataError, match="other.jsonl, line 1: is no check"):
        check_descriptions(TEXTS, root, tmp_path / "other.jsonl", Commas())
    with pytest.raises(ConfigError, match="threshold must be between 0 and 1"):
        check_descriptions(TEXTS, root, tmp_path / "t.jsonl", Commas(), threshold=2)
    with pytest.raises(DataError, match="cannot be read"):
        read_checks(tmp_path)


@pytest.mark.parametrize(
    ("text", "objects"),
    [
        ("A red-brick church beside a petrol station, broad trees and two parked cars.", "church|petrol station|tree"),
        ("Shops with awnings under a cloudy sky; people on benches.", "shop|awning|bench"),
        ("a barber called 'Ivogano' next to a four-storey lilac building", "barber|building"),
        ("", ""),
    ],
)
def test_nouns_without_a_model(text: str, objects: str) -> None:
    assert list(NounPhraseLister().list(text)) == [thing for thing in objects.split("|") if thing]


@pytest.mark.parametrize(("plural", "word"), [("churches", "church"), ("lorries", "lorry"), ("benches", "bench"),
                                              ("glass", "glass"), ("bus", "bus"), ("houses", "house")])  # fmt: skip
def test_singular(plural: str, word: str) -> None:
    assert singular(plural) == word


@pytest.mark.parametrize(
    ("answer", "said"),
    [("Yes.", True), ("A quiet street.\n\nno", False), ("It may be, yes or no", None), ("unclear", None), ("", None)],
)
def test_answers(answer: str, said: bool | None) -> None:
    assert parse_answer(answer) is said


@pytest.fixture
def server() -> Iterator[tuple[str, list[Any]]]:
    """Talks like OpenAI's: yes to churches, garbage about bridges, no to all else."""
    seen: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            seen.append((self.path, self.headers.get("Authorization"), body))
            asked = str(body["messages"][0]["content"])
            said = "Yes" if "church" in asked else "No."
            answer = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
            answer = b"<html>" if "bridge" in asked else answer
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *ignored: Any) -> None: ...

    serving = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{serving.server_port}/v1", seen
    serving.shutdown()
    serving.server_close()


def test_a_server_is_asked(server: tuple[str, list[Any]], root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address, seen = server
    monkeypatch.setenv(KEY, "secret")
    verifier = ChatVerifier(address, "small-vlm")
    verifier.check()
    assert verifier.visible(root / "a.png", ["church", "bridge", "dragon"]) == [True, None, False]
    path, key, body = seen[1]
    assert (path, key, body["model"]) == ("/v1/chat/completions", "Bearer secret", "small-vlm")
    assert body["messages"][0]["content"][1]["image_url"]["url"].startswith("data:image/png;base64,")
    with pytest.raises(ConfigError, match="'localhost:80' is no address"):
        ChatVerifier("localhost:80", "x")
    with pytest.raises(NotAvailable, match="is the server running"):
        ChatVerifier("http://127.0.0.1:9/v1", "x", timeout=2).check()


def test_the_command(
    server: tuple[str, list[Any]], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "texts.csv"
    table.write_text('image_path,description\na.png,"a church and a fountain"\nb.png,a bridge\n')
    with pytest.raises(SystemExit):
        app(["data", "describe-check", str(table), str(root), "-o", str(tmp_path / "o.jsonl"), "--verifier", server[0],
             "--json"])  # fmt: skip
    told = json.loads(capsys.readouterr().out)
    assert told["most often"] == {"fountain": 1} and told["unsure"] == 1
