"""ProGEO's second stage (recipe `progeo`): the image encoder, CosPlace's classifiers, the first stage's texts."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import Tensor, nn

from vprkit import config
from vprkit.backbones.clip_resnet import ClipResNet
from vprkit.backbones.clip_vit import ClipViT
from vprkit.config import option
from vprkit.data.grouped_images import GroupedImages
from vprkit.errors import ConfigError
from vprkit.losses.batch_triplet import Mining, batch_triplet, softmax_weighted, weighted
from vprkit.losses.image_text import image_text_loss
from vprkit.methods.progeo.clip_files import PRETRAINED, Clip, find_clip, read_clip, start_backbone
from vprkit.methods.progeo.network import ProGEOConfig
from vprkit.methods.progeo.official_prompts import read_official_prompts
from vprkit.methods.progeo.prompt_files import PromptFile, read_prompts
from vprkit.training.classes import ClassConfig, ClassTask, Term, open_images
from vprkit.training.settings import Validation
from vprkit.training.starting import start_network
from vprkit.weights.reading import sha256_of
from vprkit.weights.resolving import choose_by_name
from vprkit.weights.runs import weights_of
from vprkit.weights.sniffing import FileFormat, sniff

_MININGS: dict[str, Mining] = {"published": weighted, "softmax": softmax_weighted}


@dataclass(frozen=True)
class Freezing:
    """What of CLIP's image encoder does not learn; the head always does."""

    stages: int = option(2, "resnet: stages beside the stem; 4: everything")
    blocks: int = option(6, "vit: first blocks, with patch embedding and first norm")
    everything_learns: bool = option(False, "the whole image encoder learns")
    statistics: bool = option(False, "resnet: BatchNorms of frozen parts keep their statistics; published: they drift")
    embeddings: bool = option(False, "vit: class and position embeddings are frozen too, which saves the backward pass "
                              "through frozen blocks; published: they learn")  # fmt: skip

    def apply(self, backbone: ClipResNet | ClipViT) -> None:
        """Freeze what is to be frozen."""
        if self.everything_learns:
            return
        if isinstance(backbone, ClipViT):
            backbone.freeze(self.blocks, embeddings=self.embeddings)
        else:
            backbone.freeze(self.stages, statistics=self.statistics)


@dataclass(frozen=True)
class ProGEORecipe(ClassConfig):
    """Settings of recipe `progeo`."""

    model: ProGEOConfig = option(factory=ProGEOConfig, help="the image encoder")
    clip: str = option(PRETRAINED, "pretrained: OpenAI's file of the model in the weights folder; or a CLIP file")
    prompts: str | None = option(None, "run folder or file of recipe progeo-prompts; none: train without texts")
    smoothing: float = option(0.1, "label smoothing of the cross-entropy with texts")
    triplet: bool = option(False, "add the batch's soft triplet loss, times the batch size")
    triplet_weights: Literal["published", "softmax"] = option(
        "published", "published: negatives' weights vanish at distances above 10 (a ViT's); softmax: they sum to one"
    )
    freezing: Freezing = option(factory=Freezing, help="what does not learn")
    epochs: int = option(64, "[free] epochs, of one group each")
    validation: Validation = option(factory=partial(Validation, batch_size=64), help="the metric during training")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.smoothing < 1:
            raise ConfigError(f"smoothing must be at least 0 and below 1, got {self.smoothing}")
        if self.model.encoder == "vit" and tuple(self.image_size) != (self.model.image_size,) * 2:
            raise ConfigError(f"image_size is {tuple(self.image_size)}, but the ViT has positions for "
                              f"model.image_size={self.model.image_size}; give both the same")  # fmt: skip


class TextTerm(nn.Module):
    """Cross-entropy of descriptors with the text features of a group's classes, both as they are.

    Args:
        features: (K, D) of each group, constant.
        smoothing: of the labels.
    """

    name = "text"

    def __init__(self, features: list[Tensor], smoothing: float) -> None:
        super().__init__()
        for number, values in enumerate(features):
            self.register_buffer(str(number), values, persistent=False)
        self.smoothing = smoothing

    def forward(self, vectors: Tensor, labels: Tensor, group: int) -> Tensor:
        return image_text_loss(vectors, self.get_buffer(str(group)), labels, self.smoothing)


@dataclass(frozen=True)
class TripletTerm:
    """The batch's soft triplet loss times the configured batch size."""

    batch: int
    mining: Mining
    name: str = "triplet"

    def __call__(self, vectors: Tensor, labels: Tensor, group: int) -> Tensor:
        return self.batch * batch_triplet(vectors, labels, mining=self.mining)


def task(settings: ProGEORecipe, train: Mapping[str, Any]) -> ClassTask:
    """Classification of cells, images with texts.

    Raises:
        ConfigError: the prompts are of another CLIP, width or grouping, or lack classes.
        NotAvailable: CLIP's file or the prompts are not here.
    """
    images = open_images(train, settings)
    choice = choose_by_name("progeo", config.to_dict(settings.model))
    if settings.model.encoder == "vit":
        size = settings.model.image_size
        choice = dataclasses.replace(choice, preprocessing=choice.preprocessing.resized(str(size)))
    network: Any = start_network(choice, settings.initial, settings.seed)
    if settings.initial is None:
        start_backbone(network.backbone, _clip_of(settings, choice.name))
    settings.freezing.apply(network.backbone)
    return ClassTask(choice, network, images, settings, settings.model.dim, _terms(settings, images, choice.name))


def _clip_of(settings: ProGEORecipe, variant: str) -> Clip:
    return read_clip(find_clip(settings.clip, variant))


def _terms(settings: ProGEORecipe, images: GroupedImages, variant: str) -> list[Term]:
    terms: list[Term] = []
    if settings.prompts is not None:
        prompts = _prompts_of(settings, images, variant)
        corners = [images.group(number).classes for number in range(settings.groups)]
        features = [prompts.features_of(number, classes) for number, classes in enumerate(corners)]
        terms.append(TextTerm(features, settings.smoothing))
    if settings.triplet:
        terms.append(TripletTerm(settings.batch, _MININGS[settings.triplet_weights]))
    return terms


def _prompts_of(settings: ProGEORecipe, images: GroupedImages, variant: str) -> PromptFile:
    """Ours with the classes they are of, or the authors', which need CLIP's text tower and the list beside them."""
    path = weights_of(str(settings.prompts))
    if sniff(path) is FileFormat.TORCH_ZIP:
        prompts, clip = read_official_prompts(path, images, _clip_of(settings, variant), settings.groups), None
    else:
        prompts = read_prompts(path)
        clip = sha256_of(find_clip(settings.clip, variant)) if settings.initial is None else None
    prompts.check(clip, settings.model.dim, settings.grouping)
    return prompts
