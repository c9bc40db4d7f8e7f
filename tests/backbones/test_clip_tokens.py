"""CLIP's tokens with a merge list of the right length that is not CLIP's: the steps around the encoder, and errors."""

import gzip
import itertools
from pathlib import Path

import pytest

from vprkit.backbones import clip_tokens
from vprkit.backbones.clip_text import CONTEXT, END
from vprkit.backbones.clip_tokens import FILE, START, ClipTokens, find_vocabulary
from vprkit.errors import NotAvailable, VprError, WeightsError

MERGES = 48894


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> ClipTokens:
    """`s t</w>` is merged first; all other merges are of characters that no text here has."""
    path = tmp_path_factory.mktemp("vocabulary") / FILE
    letters = [chr(number) for number in (*range(161, 173), *range(174, 320))]
    pairs = itertools.product(letters, [*letters, *(f"{letter}</w>" for letter in letters)])
    merges = ["s t</w>", *(f"{first} {second}" for first, second in itertools.islice(pairs, MERGES - 1))]
    path.write_bytes(gzip.compress("\n".join(["#version", *merges]).encode()))
    return ClipTokens(path)


def word(text: str) -> list[int]:
    """Ids of letters whose last one ends the word."""
    return [ord(letter) - 33 for letter in text[:-1]] + [256 + ord(text[-1]) - 33]


def test_texts_become_ids(tokens: ClipTokens) -> None:
    ids = tokens(["A st ab", "  X\n\ty&amp;lt; ", ""]).tolist()
    assert ids[0][:7] == [START, *word("a"), 512, *word("ab"), END, 0]
    assert ids[1][:6] == [START, *word("x"), *word("y"), *word("<"), END, 0]
    assert ids[2] == [START, END] + [0] * (CONTEXT - 2)


def test_long_texts_are_refused_or_cut(tokens: ClipTokens) -> None:
    text = " ".join(["b"] * 100)
    with pytest.raises(VprError, match="text 1 has 102 tokens, CLIP reads 77"):
        tokens(["b", text])
    assert tokens([text], truncate=True)[0].tolist() == [START, *(word("b") * 75), END]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["#version", "a b", ""], "line 3: '' is no merge of two pieces"),
        (["#version", "a b", "c d"], "has 2 merges, CLIP has 48894"),
        (["#version", "a b c"], "line 2: 'a b c' is no merge"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, lines: list[str], words: str) -> None:
    (tmp_path / FILE).write_bytes(gzip.compress("\n".join(lines).encode()))
    with pytest.raises(WeightsError, match=words):
        ClipTokens(tmp_path / FILE)


def test_what_is_not_compressed_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no gzip")
    with pytest.raises(WeightsError, match="not CLIP's merge list"):
        ClipTokens(tmp_path / FILE)


def test_the_vocabulary_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VPRKIT_WEIGHTS", str(tmp_path))
    monkeypatch.setattr(clip_tokens.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(NotAvailable, match=f"{FILE} is not here.*open_clip_torch"):
        find_vocabulary()
    (tmp_path / FILE).write_bytes(b"x")
    assert find_vocabulary() == tmp_path / FILE
