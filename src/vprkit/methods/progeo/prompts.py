"""ProGEO's prompts: the sentence "A photo of a X X X X street." whose X's are four learnt vectors per class."""

import torch
from torch import Tensor, nn

from vprkit.backbones.clip_text import CONTEXT, END, VOCABULARY, ClipText
from vprkit.errors import ConfigError, WeightsError

SENTENCE = (49406, 320, 1125, 539, 320, 343, 343, 343, 343, 2012, 269, END)
"""CLIP's ids of the sentence with start and end; ids 343 stand where learnt vectors go, zeros fill up to 77."""

LEARNT = slice(5, 9)
"""Positions of the learnt vectors in it."""


class Prompts(nn.Module):
    """The prompts of one group of classes, keys as published (`cls_ctx`, `token_prefix`, `token_suffix`).

    Args:
        classes: K.
        sentence: (1, L, width) word vectors of the whole sentence, filled up to its last position.
        end: position of the end-of-text token; what lies behind it reaches no feature.
        learnt: positions of the learnt vectors.

    Raises:
        ConfigError: no class.
    """

    token_prefix: Tensor
    token_suffix: Tensor

    def __init__(self, classes: int, sentence: Tensor, end: int = len(SENTENCE) - 1, learnt: slice = LEARNT) -> None:
        super().__init__()
        if classes < 1:
            raise ConfigError("prompts need at least one class; lower min_images or the number of groups")
        self.end, self.behind = end, learnt.stop
        words = learnt.stop - learnt.start
        self.cls_ctx = nn.Parameter(0.02 * torch.randn(classes, words, sentence.shape[-1]))
        self.register_buffer("token_prefix", sentence[:, : learnt.start].clone())
        self.register_buffer("token_suffix", sentence[:, learnt.stop :].clone())

    def forward(self, labels: Tensor) -> Tensor:
        """(B,) class numbers -> (B, L, width) word vectors of all positions."""
        return self._joined(labels, self.token_suffix)

    def features(self, tower: ClipText, labels: Tensor) -> Tensor:
        """(B,) class numbers -> (B, dim) text features.

        Only the positions up to the end are computed: attention is causal, so the others change nothing. Give each
        class once; a repeated one costs as much as another.
        """
        return tower(self._joined(labels, self.token_suffix[:, : self.end + 1 - self.behind]))  # type: ignore[no-any-return]

    @torch.no_grad()
    def all_features(self, tower: ClipText, chunk: int = 1024) -> Tensor:
        """(K, dim) text features of all classes, in chunks of so many."""
        labels = torch.arange(len(self.cls_ctx), device=self.cls_ctx.device)
        return torch.cat([self.features(tower, part) for part in torch.split(labels, chunk)])

    def _joined(self, labels: Tensor, suffix: Tensor) -> Tensor:
        count = len(labels)
        parts = [self.token_prefix.expand(count, -1, -1), self.cls_ctx[labels], suffix.expand(count, -1, -1)]
        return torch.cat(parts, 1)


def sentence_vectors(table: Tensor) -> Tensor:
    """(1, 77, width) word vectors of the sentence from CLIP's (49408, width) table.

    Raises:
        WeightsError: the table is not CLIP's.
    """
    if table.shape[0] != VOCABULARY:
        raise WeightsError(f"a table of {table.shape[0]} word vectors is not CLIP's, which has {VOCABULARY}")
    ids = torch.zeros(CONTEXT, dtype=torch.long)
    ids[: len(SENTENCE)] = torch.tensor(SENTENCE)
    return table[ids][None].float()
