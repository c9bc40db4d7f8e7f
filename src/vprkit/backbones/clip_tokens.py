"""CLIP's tokens: transformers' byte-pair encoder with the merge list that OpenAI published."""

import gzip
import html
import importlib.util
import re
import zlib
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vprkit.backbones.clip_text import CONTEXT, END, VOCABULARY
from vprkit.errors import NotAvailable, VprError, WeightsError
from vprkit.extras import require
from vprkit.weights.fetching import directory, find

FILE = "bpe_simple_vocab_16e6.txt.gz"
START = END - 1
"""Id of the start-of-text token."""

_BYTES = 256
_MERGES = VOCABULARY - 2 * _BYTES - 2
_LARGEST = 2**24


def find_vocabulary() -> Path:
    """CLIP's merge list, from the weights folder or beside an installed open_clip_torch, which is not imported.

    Raises:
        NotAvailable: it is in neither place.
    """
    try:
        return find(FILE)
    except NotAvailable as error:
        package = importlib.util.find_spec("open_clip")
        beside = Path(package.origin).parent / FILE if package is not None and package.origin else None
        if beside is not None and beside.is_file():
            return beside
        raise NotAvailable(
            f"CLIP's vocabulary {FILE} is not here. It is in OpenAI's repository CLIP and in the wheel of "
            f"open_clip_torch: put it into {directory()}"
        ) from error


def _symbols() -> list[str]:
    """The character that stands for every byte, in the order of their ids: printable ones first."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(_BYTES) if byte not in own]
    return [*map(chr, own), *(chr(_BYTES + number) for number in range(len(others)))]


class ClipTokens:
    """Texts to ids.

    Args:
        path: the merge list, gzip-compressed; see `find_vocabulary`.

    Raises:
        WeightsError: it is no such list.
        MissingExtra: transformers or ftfy is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fix: Any = require("text", "ftfy")
        self._encoder  # noqa: B018 - refuses a wrong file now

    def __call__(self, texts: Sequence[str], *, truncate: bool = False) -> Tensor:
        """(N, 77) int64 ids: start, text, end, zeros.

        Args:
            texts: mojibake is mended, HTML un-escaped twice, white space collapsed, letters lowered.
            truncate: cut long texts; their last id is the end.

        Raises:
            VprError: a text is longer, and it was not to be cut.
        """
        ids = torch.zeros(len(texts), CONTEXT, dtype=torch.long)
        for row, text in enumerate(texts):
            found: list[int] = self._encoder(self._cleaned(text), add_special_tokens=True)["input_ids"]
            if len(found) > CONTEXT and not truncate:
                raise VprError(
                    f"text {row} has {len(found)} tokens, CLIP reads {CONTEXT}: '{text[:60]}...'; shorten it, or have "
                    "it cut"
                )
            kept = found if len(found) <= CONTEXT else [*found[: CONTEXT - 1], END]
            ids[row, : len(kept)] = torch.tensor(kept)
        return ids

    def _cleaned(self, text: str) -> str:
        plain = html.unescape(html.unescape(self._fix.fix_text(text))).strip()
        return re.sub(r"\s+", " ", plain).strip().lower()

    @cached_property
    def _encoder(self) -> Any:
        merges = list(self._merges())
        symbols = _symbols()
        pieces = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *("".join(pair) for pair in merges)]
        pieces += ["<|startoftext|>", "<|endoftext|>"]
        vocabulary = {piece: number for number, piece in enumerate(pieces)}
        encoder: Any = require("text", "transformers").CLIPTokenizer
        return encoder(vocab=vocabulary, merges=merges)

    def _merges(self) -> Iterator[tuple[str, str]]:
        try:
            with gzip.open(self._path) as file:
                lines = file.read(_LARGEST).decode("utf-8").split("\n")[1 : 1 + _MERGES]
        except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
            raise WeightsError(f"{self._path} is not CLIP's merge list ({error}); copy {FILE} again") from error
        for number, line in enumerate(lines, 2):
            first, _, second = line.partition(" ")
            if not first or not second or " " in second:
                raise WeightsError(f"{self._path}, line {number}: '{line[:40]}' is no merge of two pieces")
            yield first, second
        if len(lines) < _MERGES:
            raise WeightsError(f"{self._path} has {len(lines)} merges, CLIP has {_MERGES}; copy {FILE} again")
