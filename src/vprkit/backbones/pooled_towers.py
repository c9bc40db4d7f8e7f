"""CLIP's and SigLIP's towers on transformers' parts, under the names of transformers' files."""

from typing import Any

from torch import Tensor, nn

from vprkit.aggregators.unit import unit
from vprkit.backbones.two_towers import TowerSizes, check_side, with_numbers
from vprkit.extras import require


class PooledTowers(nn.Module):
    """Images and texts to unit vectors of one space: each tower's pooled output, projected where there is a projection.

    Args:
        image_size: side of the images.
        vision_model, text_model: transformers' towers, whose output has a `pooler_output`.
        projections: `visual_projection` and `text_projection`, where the towers do not end in the shared space.
    """

    def __init__(
        self, image_size: int, vision_model: nn.Module, text_model: nn.Module, **projections: nn.Module
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.vision_model = with_numbers(vision_model)
        self.text_model = with_numbers(text_model)
        for name, projection in projections.items():
            self.add_module(name, projection)

    def image_vectors(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) images to (B, dim) unit vectors."""
        check_side(images, self.image_size)
        return self._in_space("visual_projection", self.vision_model(pixel_values=images))

    def text_vectors(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """(B, T) ids and mask to (B, dim) unit vectors; without mask padding takes part."""
        return self._in_space("text_projection", self.text_model(input_ids=ids, attention_mask=mask))

    def _in_space(self, projection: str, output: Any) -> Tensor:
        pooled: Tensor = output.pooler_output
        layer = self._modules.get(projection)
        return unit(pooled if layer is None else layer(pooled), dim=-1)


def clip_towers(sizes: TowerSizes) -> PooledTowers:
    """CLIP (Radford et al., ICML 2021)."""
    library: Any = require("text", "transformers")
    vision, text = _configurations(sizes, hidden_act="quick_gelu", layer_norm_eps=1e-5, projection_dim=sizes.dim)
    model = library.CLIPModel(library.CLIPConfig(vision_config=vision, text_config=text, projection_dim=sizes.dim))
    return PooledTowers(
        sizes.image_size, model.vision_model, model.text_model,
        visual_projection=model.visual_projection, text_projection=model.text_projection,
    )  # fmt: skip


def siglip_towers(sizes: TowerSizes) -> PooledTowers:
    """SigLIP (Zhai et al., ICCV 2023): the image tower's own width is that of the shared space."""
    library: Any = require("text", "transformers")
    vision, text = _configurations(sizes, hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6)
    ends = {"bos_token_id": None, "eos_token_id": None, "pad_token_id": 1}
    config = library.SiglipConfig(vision_config=vision, text_config={**text, **ends, "projection_size": sizes.dim})
    model = library.SiglipModel(config)
    return PooledTowers(sizes.image_size, model.vision_model, model.text_model)


def _configurations(sizes: TowerSizes, **both: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """transformers' words for the sizes of the image and of the text tower."""
    vision = {
        "hidden_size": sizes.width, "intermediate_size": sizes.hidden, "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.image_heads, "image_size": sizes.image_size, "patch_size": sizes.patch, **both,
    }  # fmt: skip
    text = {
        "vocab_size": sizes.vocabulary, "hidden_size": sizes.text_width, "intermediate_size": sizes.text_hidden,
        "num_hidden_layers": sizes.text_layers, "num_attention_heads": sizes.heads_of_text,
        "max_position_embeddings": sizes.positions, **both,
    }  # fmt: skip
    return vision, text
