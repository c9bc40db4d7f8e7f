"""BLIP's image and text towers with their projections (Li et al., ICML 2022), on transformers' parts.

Parameter names are those of transformers' `BlipForImageTextRetrieval`. The layers of its matching head (cross-attention
and `itm_head`) are there, because files hold them and adapters are made for them, but nothing runs them.
"""

from typing import Any

from torch import Tensor, nn

from vprkit.aggregators.unit import unit
from vprkit.backbones.two_towers import TowerSizes, check_side, with_numbers
from vprkit.extras import require

UNUSED = ("itm_head.", ".crossattention.")
"""Parts of a parameter's name that say that neither tower uses it."""


class Blip(nn.Module):
    """Images and texts to unit vectors of one space: the projected first token of each.

    Args:
        sizes: of both towers.
        image_eps, text_eps: of the layer normalisations.
    """

    def __init__(self, sizes: TowerSizes, image_eps: float = 1e-5, text_eps: float = 1e-12) -> None:
        super().__init__()
        library: Any = require("text", "transformers")
        parts: Any = require("text", "transformers.models.blip.modeling_blip_text")
        vision = library.BlipVisionConfig(
            hidden_size=sizes.width, intermediate_size=sizes.hidden, num_hidden_layers=sizes.layers,
            num_attention_heads=sizes.image_heads, image_size=sizes.image_size, patch_size=sizes.patch,
            layer_norm_eps=image_eps, hidden_act="gelu",
        )  # fmt: skip
        text = library.BlipTextConfig(
            vocab_size=sizes.vocabulary, hidden_size=sizes.text_width, intermediate_size=sizes.text_hidden,
            num_hidden_layers=sizes.text_layers, num_attention_heads=sizes.heads_of_text,
            max_position_embeddings=sizes.positions, encoder_hidden_size=sizes.width, layer_norm_eps=text_eps,
            hidden_act="gelu",
        )  # fmt: skip
        self.image_size = sizes.image_size
        self.vision_model: nn.Module = library.BlipVisionModel(vision)
        self.text_encoder: nn.Module = with_numbers(parts.BlipTextModel(text, add_pooling_layer=False))
        self.vision_proj = nn.Linear(sizes.width, sizes.dim)
        self.text_proj = nn.Linear(sizes.text_width, sizes.dim)
        self.itm_head = nn.Linear(sizes.text_width, 2)

    def image_states(self, images: Tensor) -> Tensor:
        """(B, 1 + N, width) last hidden states of the image tower, the class token first."""
        check_side(images, self.image_size)
        states: Tensor = self.vision_model(pixel_values=images).last_hidden_state
        return states

    def text_states(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T, text_width) last hidden states of the text tower."""
        states: Tensor = self.text_encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return states

    def image_vectors(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) images to (B, dim) unit vectors."""
        return self.in_space(self.vision_proj, self.image_states(images)[:, 0])

    def text_vectors(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T) ids and mask to (B, dim) unit vectors; without mask padding takes part."""
        return self.in_space(self.text_proj, self.text_states(ids, mask)[:, 0])

    def image_tokens(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) images to (B, 1 + N, dim) unit vectors, of the whole image first."""
        return self.in_space(self.vision_proj, self.image_states(images))

    def text_tokens(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T) ids and mask to (B, T, dim) unit vectors, of the whole text first."""
        return self.in_space(self.text_proj, self.text_states(ids, mask))

    @staticmethod
    def in_space(projection: nn.Module, states: Tensor) -> Tensor:
        """Any number of hidden states as unit vectors of the shared space."""
        return unit(projection(states), dim=-1)
