"""LaVPR's cross-modal network: one space for images and texts, searched with one and holding the other."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from torch import Tensor, nn

from vprkit.backbones.blip import Blip
from vprkit.backbones.pooled_towers import clip_towers, siglip_towers
from vprkit.backbones.tower_tokens import Tokens, tokens_for
from vprkit.backbones.two_towers import Family, Towers, TowerSizes
from vprkit.config import option
from vprkit.errors import ConfigError, VprError
from vprkit.features import Features
from vprkit.method import IMAGES, TEXTS, Modality, Role

Direction = Literal["text_to_image", "image_to_text"]

READ: Mapping[Direction, Mapping[Role, frozenset[Modality]]] = {
    "text_to_image": {"query": TEXTS, "database": IMAGES},
    "image_to_text": {"query": IMAGES, "database": TEXTS},
}


@dataclass(frozen=True)
class CrossModalConfig(TowerSizes):
    """Options of `lavpr-crossmodal`; the defaults are the released BLIP's."""

    direction: Direction = option("text_to_image", "[free] what asks for what: text_to_image, or image_to_text")
    mask: bool = option(
        True, "padding is left out of texts; the published zero-shot baseline lets it in, so that a text's vector "
        "depends on the others of its batch"
    )  # fmt: skip
    characters: int = option(1024, "[free] texts are cut to so many characters before they are read; 0: they are not")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.characters < 0:
            raise ConfigError(f"characters must be at least 0 (no limit), got {self.characters}")


_TOWERS: Mapping[Family, Callable[[TowerSizes], Any]] = {"blip": Blip, "clip": clip_towers, "siglip": siglip_towers}


class CrossModal(nn.Module):
    """Images or texts to (B, dim) unit vectors whose inner products say how well they fit.

    Args:
        config: towers, direction and how texts are read.
    """

    def __init__(self, config: CrossModalConfig) -> None:
        super().__init__()
        self.config = config
        self.towers: Any = _TOWERS[config.family](config)

    def reads(self, role: Role) -> frozenset[Modality]:
        """Images of one role, texts of the other."""
        return READ[self.config.direction][role]

    def forward(self, images: Tensor | None, texts: Sequence[str] | None) -> Features:
        """(B, 3, S, S) images or B texts to features; of both, the texts' vectors are beside the images'."""
        said = None if texts is None else self.text_vectors(texts)
        if images is None:
            if said is None:
                raise VprError("neither images nor texts were given")
            return Features(said)
        seen: Towers = self.towers
        return Features(seen.image_vectors(images), text=said)

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """(B, dim) unit vectors of B texts."""
        ids, mask = self.read(texts)
        device = next(self.parameters()).device
        towers: Towers = self.towers
        return towers.text_vectors(ids.to(device), mask.to(device) if self.config.mask else None)

    def read(self, texts: Sequence[str]) -> tuple[Tensor, Tensor]:
        """(B, T) ids and mask of B texts, cut to the limits of characters and of positions."""
        limit = self.config.characters or None
        return self._tokens([text[:limit] for text in texts])

    def index_vectors(self, features: Features, role: Role) -> Tensor:
        """The vectors as they are."""
        return features.global_

    def decides(self, configuration: Mapping[str, Any]) -> Mapping[str, Any]:
        """All of it: the direction says what is described."""
        return configuration

    @cached_property
    def _tokens(self) -> Tokens:
        # A vocabulary is needed where texts are, not where networks are built.
        return tokens_for(self.config)


def build(config: CrossModalConfig) -> CrossModal:
    """The network with initial values."""
    return CrossModal(config)
