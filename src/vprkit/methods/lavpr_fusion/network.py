"""LaVPR's network: an image encoder and a text encoder beside each other, and a head that joins them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vprkit.aggregators.text_pooling import Beside, ReweightingPooler
from vprkit.aggregators.unit import unit
from vprkit.backbones.text_encoder import ENCODERS, TextEncoder
from vprkit.backbones.vit import ViT
from vprkit.backbones.vit_inside import vit_inside
from vprkit.config import nearest, option
from vprkit.errors import ConfigError
from vprkit.features import Features, LocalFeatures
from vprkit.method import IMAGES, TEXTS, Modality, Role, tensors_sha256
from vprkit.methods.lavpr_fusion.comparing import Mode, index_vectors
from vprkit.methods.lavpr_fusion.heads import HEADS, JOINED, Fused, Head, Projections
from vprkit.methods.lavpr_fusion.towers import OWN, ImageTower, TextTower, Tokens, token_towers

ImagePooling = Literal["none", "patches", "tokens"]

LATER: frozenset[Mode] = frozenset({"image_then_text", "text_then_image"})
"""Modes whose second modality looks at the shortlist of the first."""

TRAINED = ("head", "text_pooling", "image_pooling")
"""Parts that learn beside the encoders."""

MADE_WITH = "made_with"
"""Name in our files of what tells the encoders."""


@dataclass(frozen=True)
class LaVPRConfig:
    """Options of `lavpr-fusion`."""

    image: str = option("mixvpr-512", "the image method or variant")
    image_weights: str | None = option(None, "[free] its weights file; none: the authors' in the weights folder")
    text: str = option(
        "minilm", "the sentence encoder: minilm, bge-large, or own: the text tower of the image method "
        "(lavpr-crossmodal: BLIP, CLIP, SigLIP)",
    )  # fmt: skip
    pooling: Literal["none", "cls", "mean"] = option(
        "none", "what stands for a text: none: the encoder's own vector; cls, mean: LaVPR's re-weighting poolers"
    )
    image_pooling: ImagePooling = option(
        "none", "what stands for a photo beside its text: none: the image method's vector; patches: a re-weighting "
        "pooler over the patch tokens of its DINOv2, the first of which counts as the class token, as "
        "published; tokens: the same with the class token itself first"
    )  # fmt: skip
    head: Head = option("none", "what was trained: ads (dynamic weighting), fixed, mlp, add, projections, or none")
    width: int = option(512, "numbers of what mlp, add and projections make")
    mode: Mode | None = option(
        None,
        "[free] what is compared: fused (as the head says), image, text, concat, each, across (texts ask for images; "
        "head=projections), image_then_text or text_then_image (the second re-ranks); none: what the head is for, "
        "concat without one",
    )
    alpha: float = option(0.9, "[free] share of the image in mode each")
    characters: int = option(1024, "[free] characters that are read of a text")

    def __post_init__(self) -> None:
        if self.text not in (known := (*ENCODERS, OWN)):
            raise ConfigError(f"there is no text encoder '{self.text}'{nearest(self.text, known)}; known are "
                              f"{', '.join(known)}")  # fmt: skip
        if not 0 <= self.alpha <= 1:
            raise ConfigError(f"alpha must be between 0 and 1, got {self.alpha}")
        if self.width < 1 or self.characters < 1:
            raise ConfigError("width and characters must be at least 1")
        if self.image_pooling != "none" and self.head == "none":
            raise ConfigError("image_pooling feeds a head, and here is none; choose head=ads, fixed, mlp, add or "
                              "projections")  # fmt: skip
        if self.compared == "fused" and self.head in ("none", "projections"):
            raise ConfigError(f"head={self.head} gives nothing to fuse by; use mode=concat, each, image or text, or a "
                              "head that was trained")  # fmt: skip
        if (self.compared == "across") != (self.head == "projections"):
            raise ConfigError("mode=across goes with head=projections, and no other mode does")

    @property
    def compared(self) -> Mode:
        """The mode, settled."""
        own: dict[Head, Mode] = {"none": "concat", "projections": "across"}
        return self.mode or own.get(self.head, "fused")

    def described(self, role: Role) -> frozenset[Modality]:
        """What the mode needs of a record."""
        single = {"image": IMAGES, "text": TEXTS, "across": TEXTS if role == "query" else IMAGES}
        return single.get(self.compared, IMAGES | TEXTS)

    @property
    def parts(self) -> frozenset[Modality]:
        """Whose encoders the mode needs."""
        return self.described("query") | self.described("database")

    @property
    def joined(self) -> bool:
        """Whether a record's vectors become one."""
        return self.compared == "fused" and self.head in JOINED


class LaVPR(nn.Module):
    """Images and texts to features: image vectors, text vectors and shares side by side, or one joined vector.

    Args:
        config: the options.
        image: (B, C, H, W) images to `Features` or (B, Dv); None where the mode reads texts alone.
        text: the sentence encoder; None where it reads images alone.
        image_width: Dv.

    Attributes:
        kept: names of the parts that its own file holds; the others have files of their own.
    """

    def __init__(
        self, config: LaVPRConfig, image: nn.Module | None, text: TextEncoder | TextTower | None, image_width: int
    ) -> None:
        super().__init__()
        self.config = config
        self.vpr_encoder, self.text_encoder = image, text
        width = 0 if text is None else text.sizes.width
        beside: dict[str, Beside] = {"cls": "cls", "mean": "mean"}
        pooled = text is not None and config.pooling in beside
        if pooled and isinstance(text, TextTower):
            text.check_tokens()
        self.text_pooling = ReweightingPooler(width, beside[config.pooling]) if pooled else None
        self.kept = set(TRAINED)
        self.image_pooling = None
        if config.image_pooling != "none" and image is not None and text is not None:
            self.image_pooling = ReweightingPooler(image_width, "cls")
            self._check_tokens(image_width)
        self.head = HEADS[config.head if text is not None and image is not None else "none"](
            image_width, width, config.width
        )

    def kept_state(self) -> dict[str, Tensor]:
        """What its own file holds: the trained parts, and which encoders they were trained with."""
        state = {name: value for name, value in self.state_dict().items() if name.partition(".")[0] in self.kept}
        return {**state, MADE_WITH: self.made_with()}

    def made_with(self) -> Tensor:
        """(2, 32) SHA-256 of the image encoder's and of the text encoder's tensors, zeros where one is missing."""
        rows = [bytes(32) if part is None else bytes.fromhex(tensors_sha256(part))
                for part in (self.vpr_encoder, self.text_encoder)]  # fmt: skip
        return torch.tensor([list(row) for row in rows], dtype=torch.uint8)

    def forward(self, images: Tensor | None, texts: Sequence[str] | None) -> Features:
        across = self.head if isinstance(self.head, Projections) else None
        single = images is None or texts is None
        vectors = None if images is None else (self.image_vectors if single else self.pooled_image)(images)
        if texts is None:
            return Features(_given(vectors) if across is None else across.of_image(_given(vectors)))
        said = self.text_vectors(texts)
        if vectors is None:
            return Features(said if across is None else across.of_text(said))
        return self.join(vectors, said)

    def image_vectors(self, images: Tensor) -> Tensor:
        """(B, Dv) as the image method gives them."""
        output = _given(self.vpr_encoder)(images)
        vectors: Tensor = output.global_ if isinstance(output, Features) else output
        return vectors

    def pooled_image(self, images: Tensor) -> Tensor:
        """(B, Dv) of images that go with a text: the pooler's unit vectors where there is one."""
        if self.image_pooling is None:
            return self.image_vectors(images)
        whole, patches = self._tokens(images)
        if self.config.image_pooling == "tokens":
            patches = torch.cat([whole[:, None], patches], 1)
        return unit(self.image_pooling(patches))

    def text_vectors(self, texts: Sequence[str]) -> Tensor:
        """(B, Dt) unit vectors; zeros where a text is empty."""
        encoder: TextEncoder | TextTower = _given(self.text_encoder)
        read = encoder.read([text[: self.config.characters] for text in texts])
        vectors = self.pooled(read.tokens, read.mask, read.vectors)
        present = torch.tensor([bool(text.strip()) for text in texts], device=vectors.device)
        return vectors * present[:, None]

    def pooled(self, tokens: Tensor, mask: Tensor, vectors: Tensor) -> Tensor:
        """(B, Dt) unit vectors: the pooler's where there is one, else the encoder's own."""
        return vectors if self.text_pooling is None else unit(self.text_pooling(tokens, mask))

    def fuse(self, image: Tensor, text: Tensor) -> Fused:
        """What the head makes of (B, Dv) and (B, Dt); a pair without a text counts by its image alone."""
        fused: Fused = self.head(image, text)
        if fused.weight is None:
            return fused
        silent = (text == 0).all(1, keepdim=True)
        alone = torch.tensor([1.0, 0.0], device=fused.weight.device)
        return fused._replace(weight=torch.where(silent, alone, fused.weight))

    def join(self, image: Tensor, text: Tensor) -> Features:
        """Features of pairs, as the mode compares them; what re-ranks is a local feature of one token."""
        mode = self.config.compared
        if mode in LATER:
            first, second = (image, text) if mode == "image_then_text" else (text, image)
            counts = torch.ones(len(image), dtype=torch.long, device=image.device)
            return Features(first, local=LocalFeatures(unit(second)[:, None], counts))
        if not self.config.joined and self.config.head in JOINED:
            return Features(image, text=text)
        fused = self.fuse(image, text)
        return Features(fused.image, text=fused.text, weight=fused.weight)

    def reads(self, role: Role) -> frozenset[Modality]:
        return self.config.described(role)

    def _tokens(self, images: Tensor) -> Tokens:
        """What the image pooler looks at."""
        if isinstance(self.vpr_encoder, ImageTower):
            return self.vpr_encoder.tokens(images)
        tokens = self._vit().features(images).normed
        return Tokens(tokens.class_token, tokens.patch_tokens)

    def _vit(self) -> ViT:
        return vit_inside(_given(self.vpr_encoder), self.config.image, "image_pooling")

    def _check_tokens(self, width: int) -> None:
        if isinstance(self.vpr_encoder, ImageTower):
            token_towers(self.vpr_encoder.network, "image_pooling")
            return
        tokens = self._vit().config.embed_dim
        if tokens != width:
            raise ConfigError(f"image_pooling makes {tokens} numbers of patch tokens, the descriptor of "
                              f"{self.config.image} has {width}; take a method whose descriptor is a token, such as "
                              "dinov2")  # fmt: skip

    @property
    def weighs(self) -> bool:
        """Whether every record has shares of its own."""
        return self.config.compared == "fused" and not self.config.joined

    def index_vectors(self, features: Features, role: Role) -> Tensor:
        return index_vectors(features, self.config.compared, self.config.alpha, role)

    def decides(self, configuration: Mapping[str, Any]) -> Mapping[str, Any]:
        """All but how described records are compared; where the image's weights lie is no part either."""
        own = {key: value for key, value in configuration.items() if key not in ("mode", "alpha", "image_weights")}
        mode = self.config.compared
        later = {"then": mode} if mode in LATER else {}
        return {**own, "described": sorted(self.config.parts), "joined": self.config.joined, **later}


def _given(part: Any) -> Any:
    if part is None:
        raise ConfigError("this mode reads photos or texts alone; give the other one, or load with another mode")
    return part
