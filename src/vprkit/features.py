"""What a method says about a batch of images: global vectors and, where it has them, local features and texts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class LocalFeatures:
    """Local descriptors of N images, a ragged batch padded to the longest.

    Attributes:
        tokens: (N, L, C) descriptors; rows at or beyond `counts` are padding.
        counts: (N,) int64, number of valid tokens per image.
        grid: (h, w) where the tokens are a dense row-major map, else None.
        positions: (N, L, 2) token positions (x, y) in input pixels, or None where the grid says it.
        saliency: (N, L) importance per token, or None.
    """

    tokens: Tensor
    counts: Tensor
    grid: tuple[int, int] | None = None
    positions: Tensor | None = None
    saliency: Tensor | None = None

    def __len__(self) -> int:
        return self.tokens.shape[0]

    def map(self, function: Callable[[Tensor], Tensor]) -> "LocalFeatures":
        """The same with `function` applied to every tensor (indexing, device, ...)."""
        return LocalFeatures(
            function(self.tokens),
            function(self.counts),
            self.grid,
            _maybe(function, self.positions),
            _maybe(function, self.saliency),
        )


@dataclass(frozen=True)
class Features:
    """Features of B records.

    Attributes:
        global_: (B, D) one vector per image, as the method compares them (normalised where it normalises).
        local: local descriptors, or None.
        text: (B, T) text vectors, or None.
        weight: (B, k) fusion weights, or None.
    """

    global_: Tensor
    local: LocalFeatures | None = None
    text: Tensor | None = None
    weight: Tensor | None = None

    def __len__(self) -> int:
        return self.global_.shape[0]

    def map(self, function: Callable[[Tensor], Tensor]) -> "Features":
        """The same with `function` applied to every tensor."""
        return Features(
            function(self.global_),
            None if self.local is None else self.local.map(function),
            _maybe(function, self.text),
            _maybe(function, self.weight),
        )

    def __getitem__(self, rows: slice | Tensor | Sequence[int]) -> "Features":
        index = rows if isinstance(rows, (slice, Tensor)) else torch.as_tensor(list(rows), dtype=torch.long)
        return self.map(lambda tensor: tensor[index])

    def cpu(self) -> "Features":
        return self.map(lambda tensor: tensor.detach().cpu())

    @staticmethod
    def cat(parts: Sequence["Features"]) -> "Features":
        """Join batches; local maps of different lengths are padded to the longest."""
        local = None
        if all(part.local is not None for part in parts):
            local = _cat_local([part.local for part in parts if part.local is not None])
        return Features(
            torch.cat([part.global_ for part in parts]),
            local,
            _cat_optional([part.text for part in parts]),
            _cat_optional([part.weight for part in parts]),
        )


def _maybe(function: Callable[[Tensor], Tensor], tensor: Tensor | None) -> Tensor | None:
    return None if tensor is None else function(tensor)


def _cat_optional(parts: Sequence[Tensor | None]) -> Tensor | None:
    present = [part for part in parts if part is not None]
    return torch.cat(present) if len(present) == len(parts) else None


def _cat_local(parts: Sequence[LocalFeatures]) -> LocalFeatures:
    length = max(part.tokens.shape[1] for part in parts)
    grids = {part.grid for part in parts}

    def pad(tensor: Tensor) -> Tensor:
        if tensor.shape[1] == length:
            return tensor
        extra = tensor.new_zeros(tensor.shape[0], length - tensor.shape[1], *tensor.shape[2:])
        return torch.cat([tensor, extra], dim=1)

    return LocalFeatures(
        torch.cat([pad(part.tokens) for part in parts]),
        torch.cat([part.counts for part in parts]),
        grids.pop() if len(grids) == 1 else None,
        _cat_optional([_maybe(pad, part.positions) for part in parts]),
        _cat_optional([_maybe(pad, part.saliency) for part in parts]),
    )
