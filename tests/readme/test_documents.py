"""The README and the docs do what they say: their Python and `vpr` blocks run, in order, beside a small city."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import pytest

from vprkit.cli import main
from vprkit.data.city import make_city

ROOT = Path(__file__).parents[2]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"(?P<skip><!-- not run: .+? -->\n)?```(?P<language>python|bash)\n(?P<code>.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
def city(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents") / "city"
    make_city(folder, 8, 6, 7, workers=1)
    return folder


def blocks(document: Path) -> list[tuple[str, str]]:
    found = BLOCK.finditer(document.read_text(encoding="utf-8"))
    return [(match["language"], match["code"]) for match in found if not match["skip"]]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_blocks_run(document, city, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if not any("make-city city " in code for _, code in blocks(document)):
        (tmp_path / "city").symlink_to(city)
    names: dict[str, object] = {}
    for language, code in blocks(document):
        if language == "python":
            exec(compile(code, str(document), "exec"), names)
        else:
            for line in code.replace("\\\n", " ").splitlines():
                run(line.partition("#")[0].strip(), monkeypatch)


def run(line: str, monkeypatch) -> None:
    """One `vpr` command of a bash block; `make` and `pip` lines are what the continuous test itself does."""
    if not line.startswith("vpr "):
        assert line == "" or line.split()[0] in ("make", "pip", "git", "cd"), f"nobody runs this line: {line}"
        return
    monkeypatch.setattr("sys.argv", shlex.split(line))
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            main()
        except SystemExit as stop:
            assert not stop.code, f"{line} failed"


MADE = re.compile(
    r"(?:make-city |make_city\(['\"]|--(?:out|save|report|gps-copies|submission|predictions) |out=['\"]|save\(['\"]"
    r"|write_(?:report|submission)\(.*, ['\"])([\w./-]+)"
)
"""What a line makes."""


def test_no_two_documents_make_different_things_of_one_name():
    makers: dict[str, set[tuple[Path, str]]] = {}
    for document in DOCUMENTS:
        for _, code in blocks(document):
            for line in code.replace("\\\n", " ").splitlines():
                for name in MADE.findall(line):
                    makers.setdefault(name, set()).add((document, line.strip()))
    assert {"city", "captions.map", "fit-city.json", "sequence-city", "own-located"} <= makers.keys()
    for name, lines in makers.items():
        one = len({document for document, _ in lines}) == 1 or len({line for _, line in lines}) == 1
        assert one, f"{name} is made by {sorted(str(document.relative_to(ROOT)) for document, _ in lines)}"


def test_links_lead_somewhere():
    for document in DOCUMENTS:
        for target in re.findall(r"\]\(([^)#:]+)\)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name} points to {target}"
