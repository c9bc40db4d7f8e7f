"""Sentence encoders: a BERT and how its tokens become one vector."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from vprkit.aggregators.unit import unit
from vprkit.backbones.bert_tokens import BertTokens, find_vocabulary, minilm_folder
from vprkit.config import option
from vprkit.errors import NotAvailable
from vprkit.extras import require
from vprkit.weights.fetching import directory, find
from vprkit.weights.fitting import fit
from vprkit.weights.reading import read

Pool = Literal["cls", "mean"]


@dataclass(frozen=True)
class BertSizes:
    """A BERT and its pooling; the named encoders are `MINILM` and `BGE_LARGE`."""

    layers: int = option(6, "blocks")
    width: int = option(384, "numbers of a token, and of a text")
    heads: int = option(12, "of every attention")
    hidden: int = option(1536, "width inside the feed-forward layers")
    vocabulary: int = option(30522, "tokens")
    positions: int = option(512, "tokens of the longest text")
    limit: int = option(256, "tokens that are read of a text, [CLS] and [SEP] included")
    pool: Pool = option("mean", "cls: the first token stands for the text; mean: all tokens do")


MINILM = BertSizes()
BGE_LARGE = BertSizes(24, 1024, 16, 4096, limit=512, pool="cls")
ENCODERS: Mapping[str, BertSizes] = {"minilm": MINILM, "bge-large": BGE_LARGE}
"""Sentence encoders by name: all-MiniLM-L6-v2 (Wang et al., NeurIPS 2020) and bge-large-en-v1.5 (Xiao et al., 2023)."""

_FILES = {"bge-large": ("bge-large-en-v1.5.safetensors", "https://huggingface.co/BAAI/bge-large-en-v1.5")}


class Read(NamedTuple):
    """What a BERT made of B texts of at most T tokens.

    Attributes:
        tokens: (B, T, width) last hidden states.
        mask: (B, T) 1 where there is a token.
        vectors: (B, width) unit vectors of the texts.
    """

    tokens: Tensor
    mask: Tensor
    vectors: Tensor


class Wide(Protocol):
    """Sizes of what reads texts."""

    @property
    def width(self) -> int:
        """Numbers of a text's vector."""


class ReadsTexts(Protocol):
    """What makes vectors of texts."""

    @property
    def sizes(self) -> Wide: ...

    def read(self, texts: Sequence[str]) -> Read:
        """What it makes of B texts."""


class TextEncoder(nn.Module):
    """Texts to unit vectors.

    Args:
        sizes: of the BERT, and its pooling.
        attention: transformers' kernel; `sdpa` or `eager`.
    """

    def __init__(self, sizes: BertSizes, attention: str = "sdpa") -> None:
        super().__init__()
        self.sizes = sizes
        library: Any = require("text", "transformers")
        config = library.BertConfig(
            vocab_size=sizes.vocabulary, hidden_size=sizes.width, num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.heads, intermediate_size=sizes.hidden, max_position_embeddings=sizes.positions,
            layer_norm_eps=1e-12, hidden_act="gelu", attn_implementation=attention,
        )  # fmt: skip
        self.bert: nn.Module = library.BertModel(config, add_pooling_layer=False)
        self._tokens: BertTokens | None = None

    def forward(self, ids: Tensor, mask: Tensor) -> Read:
        """(B, T) ids and mask to tokens and unit vectors."""
        tokens: Tensor = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        return Read(tokens, mask, unit(self._pooled(tokens, mask)))

    def tokens(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(B, T) ids and mask of B sentences, cut to the encoder's limit of tokens."""
        if self._tokens is None:  # a vocabulary is needed where texts are, not where networks are built
            self._tokens = BertTokens(find_vocabulary())
        return self._tokens(texts, self.sizes.limit)

    def read(self, texts: Sequence[str]) -> Read:
        """What it makes of B sentences."""
        ids, mask = self.tokens(texts)
        device = next(self.bert.parameters()).device
        found: Read = self(ids.to(device), mask.to(device))
        return found

    def _pooled(self, tokens: Tensor, mask: Tensor) -> Tensor:
        if self.sizes.pool == "cls":
            return tokens[:, 0]
        kept = mask[..., None].to(tokens)
        return (tokens * kept).sum(1) / kept.sum(1).clamp(min=1e-9)


def load_text_encoder(name: str = "minilm", weights: str | None = None) -> TextEncoder:
    """A named encoder with its weights.

    Args:
        name: one of `ENCODERS`.
        weights: a file; None: MiniLM's from the installed package, BGE's from the weights folder.

    Raises:
        NotAvailable: the file is not here; the message says which one is wanted.
    """
    path = find(weights) if weights is not None else encoder_file(name)
    encoder = TextEncoder(ENCODERS[name])
    fill_encoder(encoder, read(path).state, f"{path} does not fit the text encoder {name}")
    return encoder.eval()


def encoder_file(name: str) -> Path:
    """Where the weights of a named encoder are.

    Raises:
        NotAvailable: nowhere; the message says which file to put where.
    """
    if name not in _FILES:
        return minilm_folder() / "model.safetensors"
    file, page = _FILES[name]
    try:
        return find(file)
    except NotAvailable as error:
        raise NotAvailable(f"the text encoder {name} is not here: download model.safetensors from {page} and put it "
                           f"into {directory()} as {file}, or give minilm") from error  # fmt: skip


def fill_encoder(encoder: TextEncoder, state: Mapping[str, Tensor], source: str) -> None:
    """Give the BERT a file's weights; its pooler and its stored position numbers are not used.

    Raises:
        WeightsError: they do not fit.
    """
    unused = ("pooler.", "embeddings.position_ids", "embeddings.token_type_ids")
    kept = {name.removeprefix("bert."): value for name, value in state.items()}
    fit(encoder.bert, {n: v for n, v in kept.items() if not n.startswith(unused)}, source=source)


@torch.inference_mode()
def encode_texts(encoder: ReadsTexts, texts: Sequence[str], batch_size: int = 64) -> Tensor:
    """(N, width) unit vectors of texts on the CPU, zeros where a text is empty; each distinct text is read once."""
    distinct = sorted({text for text in texts if text}, key=len)  # of like length together: less padding
    vectors = torch.zeros(len(distinct) + 1, encoder.sizes.width)
    for start in range(0, len(distinct), batch_size):
        part = distinct[start : start + batch_size]
        vectors[start : start + len(part)] = encoder.read(part).vectors.float().cpu()
    place = {text: row for row, text in enumerate(distinct)}
    return vectors[torch.tensor([place.get(text, len(distinct)) for text in texts], dtype=torch.long)]
