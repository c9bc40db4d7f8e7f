"""How an image vector and a text vector become what is compared: LaVPR's trained heads (arXiv 2602.03253)."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from vprkit.aggregators.unit import unit

Head = Literal["none", "ads", "fixed", "mlp", "add", "projections"]


class Fused(NamedTuple):
    """What a head makes of B pairs.

    Attributes:
        image: (B, Dv) image vectors, or (B, De) joined ones.
        text: (B, Dt) text vectors, None where they are in the others.
        weight: (B, 2) shares of image and text in a score, None where nothing weighs.
    """

    image: Tensor
    text: Tensor | None
    weight: Tensor | None = None


class NoHead(nn.Module):
    """Both vectors as they are."""

    def forward(self, image: Tensor, text: Tensor) -> Fused:
        return Fused(image, text)


class DynamicWeighting(nn.Module):
    """ADS: a small network looks at both vectors of a pair and says how much each counts.

    Args:
        image, text: widths.
    """

    def __init__(self, image: int, text: int, width: int = 0) -> None:
        super().__init__()
        self.fusion = nn.Sequential(nn.Linear(image + text, image + text), nn.ReLU(), nn.Linear(image + text, 2))
        _kaiming(self)

    def forward(self, image: Tensor, text: Tensor) -> Fused:
        logits: Tensor = self.fusion(torch.cat([image, text], 1))
        return Fused(image, text, logits.float().softmax(1))


class FixedWeighting(nn.Module):
    """One learnt share of the image for everything, kept between 0 and 1; the text has the rest."""

    def __init__(self, image: int = 0, text: int = 0, width: int = 0) -> None:
        super().__init__()
        self.w_alpha = nn.Parameter(torch.full((1,), 0.5))

    @property
    def share(self) -> Tensor:
        """(1,) of the image."""
        return self.w_alpha.clamp(0, 1)

    def forward(self, image: Tensor, text: Tensor) -> Fused:
        both = torch.stack([self.share, 1 - self.share], 1)
        return Fused(image, text, both.expand(len(image), 2))


class MlpFusion(nn.Module):
    """Both vectors through a small network into one unit vector."""

    def __init__(self, image: int, text: int, width: int) -> None:
        super().__init__()
        self.fusion = nn.Sequential(nn.Linear(image + text, image + text), nn.ReLU(), nn.Linear(image + text, width))
        _kaiming(self)

    def forward(self, image: Tensor, text: Tensor) -> Fused:
        return Fused(unit(self.fusion(torch.cat([image, text], 1))), None)


class AddFusion(nn.Module):
    """Both vectors projected to one width and added, as one unit vector."""

    def __init__(self, image: int, text: int, width: int) -> None:
        super().__init__()
        self.vpr_proj, self.text_proj = nn.Linear(image, width), nn.Linear(text, width)
        _kaiming(self)

    def forward(self, image: Tensor, text: Tensor) -> Fused:
        return Fused(unit(self.vpr_proj(image) + self.text_proj(text)), None)


class Projections(nn.Module):
    """Both vectors projected into one space, apart: texts can then ask for images (`cross_modal=3`)."""

    def __init__(self, image: int, text: int, width: int) -> None:
        super().__init__()
        self.vpr_proj, self.text_proj = nn.Linear(image, width), nn.Linear(text, width)
        _kaiming(self)

    def forward(self, image: Tensor, text: Tensor) -> Fused:
        return Fused(self.of_image(image), self.of_text(text))

    def of_image(self, image: Tensor) -> Tensor:
        """(B, De) unit vectors of images alone."""
        return unit(self.vpr_proj(image))

    def of_text(self, text: Tensor) -> Tensor:
        """(B, De) unit vectors of texts alone; zeros where there is none."""
        present = (text != 0).any(1, keepdim=True)
        return unit(self.text_proj(text)) * present


def _kaiming(head: nn.Module) -> None:
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
            nn.init.zeros_(module.bias)


HEADS: dict[Head, Callable[[int, int, int], nn.Module]] = {
    "none": lambda image, text, width: NoHead(),
    "ads": DynamicWeighting,
    "fixed": FixedWeighting,
    "mlp": MlpFusion,
    "add": AddFusion,
    "projections": Projections,
}

JOINED: frozenset[Head] = frozenset({"mlp", "add"})
"""Heads that make one vector of both."""
