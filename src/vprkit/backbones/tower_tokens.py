"""Texts to the token ids that each family of two towers reads."""

import string
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from vprkit.backbones import bert_tokens, clip_tokens
from vprkit.backbones.two_towers import Family, TowerSizes
from vprkit.errors import NotAvailable, WeightsError
from vprkit.extras import require
from vprkit.weights.fetching import directory, find

Tokens = Callable[[Sequence[str]], tuple[Tensor, Tensor]]
"""B texts to (B, T) int64 ids and their mask, 1 where a token counts; what is too long is cut."""

SIGLIP_FILE = "siglip-tokenizer.json"
_PAD = 1


def tokens_for(sizes: TowerSizes) -> Tokens:
    """The tokeniser of a family, with its vocabulary.

    Raises:
        NotAvailable: the vocabulary is not here; the message says which file to put where.
    """
    return _TOKENS[sizes.family](sizes)


def _bert(sizes: TowerSizes) -> Tokens:
    tokens = bert_tokens.BertTokens(bert_tokens.find_vocabulary())
    return lambda texts: tokens(texts, sizes.positions)


def _clip(sizes: TowerSizes) -> Tokens:
    tokens = clip_tokens.ClipTokens(clip_tokens.find_vocabulary())

    def read(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        ids = tokens(texts, truncate=True)
        ends = ids.argmax(1)  # the end of a text has the greatest id
        width = int(ends.max()) + 1
        return ids[:, :width], (torch.arange(width) <= ends[:, None]).long()

    return read


def _siglip(sizes: TowerSizes) -> Tokens:
    """SigLIP was trained on texts padded to their full length without a mask: its last position stands for the text."""
    try:
        path = find(SIGLIP_FILE)
    except NotAvailable as error:
        raise NotAvailable(f"SigLIP's tokeniser is not here: put the tokenizer.json of google/siglip-base-patch16-224 "
                           f"into {directory()} as {SIGLIP_FILE}") from error  # fmt: skip
    try:
        tokens: Any = require("text", "tokenizers").Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exceptions
        raise WeightsError(f"{path} is no tokenizer.json ({error}); copy it again") from error
    tokens.enable_truncation(sizes.positions)
    tokens.enable_padding(length=sizes.positions, pad_id=_PAD)
    unmarked = str.maketrans("", "", string.punctuation)

    def read(texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        plain = [" ".join(text.translate(unmarked).lower().split()) for text in texts]
        ids = torch.tensor([encoding.ids for encoding in tokens.encode_batch(plain)], dtype=torch.long)
        return ids, torch.ones_like(ids)

    return read


_TOKENS: dict[Family, Callable[[TowerSizes], Tokens]] = {"blip": _bert, "clip": _clip, "siglip": _siglip}
