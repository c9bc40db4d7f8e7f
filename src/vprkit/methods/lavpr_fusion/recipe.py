"""How LaVPR's fusion is trained: GSV-Cities with descriptions, frozen encoders, a small head."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch

from vprkit import config
from vprkit.config import option
from vprkit.errors import ConfigError
from vprkit.methods.lavpr_fusion.heads import JOINED
from vprkit.methods.lavpr_fusion.network import LaVPR, LaVPRConfig
from vprkit.methods.lavpr_fusion.task import FusionTask
from vprkit.methods.lavpr_fusion.towers import OWN
from vprkit.training.adapters import PUBLISHED, LoraSettings, put_adapters
from vprkit.training.augmentation import Augmentation
from vprkit.training.described_places import TABLES, open_described
from vprkit.training.places import PlaceConfig
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser, Validation
from vprkit.training.text_augmentation import TextAugmentation
from vprkit.weights.reading import read
from vprkit.weights.resolving import choose_by_name, choose_for_file
from vprkit.weights.runs import weights_of


@dataclass(frozen=True)
class FusionRecipe(PlaceConfig):
    """Settings of recipe `lavpr-fusion`."""

    model: LaVPRConfig = option(
        factory=partial(LaVPRConfig, text="bge-large", pooling="cls", head="ads"), help="encoders and head"
    )
    texts: str | None = option(None, f"CSV of descriptions; none: {' or '.join(TABLES)} in the training set's folder")
    characters: int = option(256, "characters that are read of a text in training")
    text_augmentation: TextAugmentation = option(factory=TextAugmentation, help="how texts are changed in training")
    text_encoder: Literal["frozen", "lora"] = option(
        "frozen", "lora: adapters of the text encoder learn too, and the run's weights hold the merged encoder"
    )
    lora: LoraSettings = option(
        factory=partial(LoraSettings, targets=PUBLISHED), help="the adapters of text_encoder=lora"
    )
    cached: bool = option(True, "describe every image once and train on its vector; false: decode and augment it every "
                          "time, as published (augmentation.rand_augment=3)")  # fmt: skip
    feature_cache: str = option("", "[free] folder that keeps image vectors; empty: vprkit's cache")
    epochs: int = option(10, "[free] passes over the training set")
    seed: int = option(190223, "decides initial weights and every draw")
    optimiser: Optimiser = option(factory=partial(Optimiser, "sgd", 0.05, 1e-3), help="how weights follow gradients")
    schedule: Schedule = option(
        factory=partial(Schedule, "multi_step", warmup_steps=650, milestones=(2, 4, 6, 8), factor=0.3),
        help="how the learning rate changes",
    )
    validation: Validation = option(
        factory=partial(Validation, recalls=(1, 5, 10, 15, 20, 50, 100)), help="the deployed metric during training"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.head == "none":
            raise ConfigError("model.head is none, so there is nothing to train; choose ads, fixed, mlp, add or "
                              "projections")  # fmt: skip
        if self.text_encoder == "lora" and self.model.text == OWN:
            raise ConfigError("text_encoder=lora changes a sentence encoder; towers of an image method learn in recipe "
                              "lavpr-crossmodal, whose file goes into model.image_weights")  # fmt: skip
        if self.model.mode is not None:
            raise ConfigError("model.mode is a choice of evaluation; leave it out of training")
        if self.cached and self.model.image_pooling != "none":
            raise ConfigError("image_pooling reads patch tokens, of which nothing is kept; set cached=false")
        if self.cached and self.augmentation != Augmentation():
            raise ConfigError("images that are described once cannot be augmented; set cached=false, or leave "
                              "augmentation out")  # fmt: skip
        if self.cached and (self.running.devices != 1 or self.running.nodes != 1):
            raise ConfigError("image vectors are described by one process; leave running.devices and running.nodes at "
                              "1, or set cached=false")  # fmt: skip
        if self.running.chunk is not None or self.memory.size:
            raise ConfigError("this recipe has neither gradient caching nor a memory: its head is small; leave "
                              "running.chunk and memory out")  # fmt: skip
        if self.loss != "multi_similarity" and self.model.head not in JOINED:
            raise ConfigError(f"loss={self.loss} compares single vectors; with head={self.model.head} only "
                              "multi_similarity does what the scores do")  # fmt: skip

    def freeze(self, network: LaVPR) -> None:
        for part in (network.vpr_encoder, network.text_encoder):
            if part is not None:
                part.requires_grad_(False)
        if self.text_encoder == "lora" and network.text_encoder is not None:
            put_adapters(network.text_encoder, self.lora, self.seed)


def task(settings: FusionRecipe, train: Mapping[str, Any]) -> FusionTask:
    """Weights of images and texts.

    Raises:
        ConfigError: a training set is no folder, or its images have no texts.
        NotAvailable: an encoder's file is not here.
    """
    choice = choose_by_name("lavpr-fusion", config.to_dict(settings.model))
    sets = [open_described(source, settings, settings.texts) for source in train.values()]
    if settings.initial is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            network: Any = choice.assembled(None)
    else:
        checkpoint = read(weights_of(settings.initial))
        network = choose_for_file(checkpoint, "lavpr-fusion", config.to_dict(settings.model)).fill(checkpoint)
    return FusionTask(choice, network, sets, settings)
