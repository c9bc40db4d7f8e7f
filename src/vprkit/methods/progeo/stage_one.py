"""ProGEO's first stage: prompts of every class, learnt from CLIP's features of its images (recipe `progeo-prompts`)."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vprkit import config
from vprkit.config import option
from vprkit.data.grouped_images import GroupedImages
from vprkit.data.groups import CosPlaceGrouping
from vprkit.errors import ConfigError
from vprkit.losses.image_text import supervised_contrast
from vprkit.method import Method
from vprkit.methods.progeo.clip_files import PRETRAINED, Clip, find_clip, read_clip, text_tower
from vprkit.methods.progeo.image_features import GroupFeatures, feature_folder
from vprkit.methods.progeo.network import ProGEOConfig
from vprkit.methods.progeo.prompt_files import PromptFacts, PromptFile, class_tensor
from vprkit.methods.progeo.prompts import Prompts, sentence_vectors
from vprkit.retrieval.describe import Streaming
from vprkit.training.classes import open_images
from vprkit.training.randomness import generator_for
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser, Running, TrainingConfig
from vprkit.training.task import Losses, Task
from vprkit.weights.resolving import choose_by_name


@dataclass(frozen=True)
class ProGEOPromptsRecipe(TrainingConfig):
    """Settings of recipe `progeo-prompts`."""

    model: ProGEOConfig = option(factory=ProGEOConfig, help="the image encoder that the prompts are for")
    clip: str = option(PRETRAINED, "pretrained: OpenAI's file of the model in the weights folder; or a CLIP file")
    grouping: CosPlaceGrouping = option(factory=CosPlaceGrouping, help="how images become classes")
    groups: int = option(8, "groups used, the first ones; epoch e learns prompts of group e mod groups")
    epochs: int = option(480, "epochs of all groups together; the rate of each falls to 0 over its own")
    batch: int = option(512, "images of a batch, and per forward pass of CLIP")
    batch_statistics: bool = option(
        False, "BatchNorms of a ResNet use each batch's statistics for CLIP's features, as the published program does"
    )
    feature_cache: str = option("", "[free] folder that keeps CLIP's features; empty: vprkit's cache")
    save_every: int = option(
        8,
        "[free] epochs between last.safetensors and last.ckpt, which hold the prompts of all groups; the last epoch "
        "writes both in any case",
    )
    optimiser: Optimiser = option(factory=partial(Optimiser, "adam", 1e-2), help="how prompts follow gradients")
    running: Running = option(factory=partial(Running, checkpoint_every=0), help="devices, memory, logs")

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.groups, self.batch, self.save_every) < 1:
            raise ConfigError("groups, batch and save_every must be at least 1")
        if 0 < self.epochs < self.groups:
            raise ConfigError(f"epochs={self.epochs} is less than groups={self.groups}: some group would learn nothing")
        if self.running.devices != 1 or self.running.nodes != 1:
            raise ConfigError("prompts are learnt by one process; leave running.devices and running.nodes at 1")


class FeatureBatch(NamedTuple):
    """(B, dim) image features, (B,) classes of the epoch's group."""

    features: Tensor
    labels: Tensor


def prompt_loss(prompts: Prompts, tower: nn.Module, features: Tensor, labels: Tensor) -> Tensor:
    """Supervised contrast of images with texts and of texts with images.

    A class that occurs several times in the batch is encoded once: the same numbers for less work.

    Args:
        prompts: of the group.
        tower: CLIP's text tower.
        features: (B, dim) image features.
        labels: (B,) classes.
    """
    classes, place = torch.unique(labels, return_inverse=True)
    texts = prompts.features(tower, classes)[place]  # type: ignore[arg-type]
    with torch.autocast(features.device.type, enabled=False):
        images, texts = features.float(), texts.float()
        return supervised_contrast(images, texts, labels, labels) + supervised_contrast(texts, images, labels, labels)


def prompt_rate(epoch: int, epochs: int, groups: int, base: float) -> float:
    """The learning rate of an epoch: cosine to 0 over the epochs // groups epochs of a group."""
    return Schedule("cosine", epochs=max(1, epochs // groups)).rate(epoch // groups, base, 1)


class PromptTask(Task):
    """Prompts of the classes of every group, from features that are described beforehand.

    Args:
        images: the training set.
        clip: the frozen CLIP.
        settings: the recipe's configuration.
    """

    reads_images = False

    def __init__(self, images: GroupedImages, clip: Clip, settings: ProGEOPromptsRecipe) -> None:
        sentence = sentence_vectors(clip.table)
        groups = [images.group(number) for number in range(settings.groups)]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(settings.seed)
            super().__init__(nn.ModuleList(Prompts(len(group.classes), sentence) for group in groups))
        self.images, self.clip, self.settings, self.groups = images, clip, settings, groups
        # Frozen, so it is neither saved with the run nor given to the optimiser: no sub-module.
        self._tower = [text_tower(clip)]
        self._described = GroupFeatures(
            images, clip, Streaming(settings.batch, settings.running.workers, settings.running.on_error), self.broken,
            batch_statistics=settings.batch_statistics, folder=feature_folder(settings.feature_cache),
        )  # fmt: skip
        self._texts: dict[int, Tensor] = {}  # features of the groups that have not learnt since they were encoded
        self.number, self.features = 0, torch.empty(0)

    def start_epoch(self, epoch: int, device: torch.device) -> None:
        self.number = epoch % len(self.groups)
        self._tower[0].to(device)
        self._texts.pop(self.number, None)
        self.features = self._described.of(self.number, device, "fp32" if device.type == "cpu" else "fp16")

    def batches(self, epoch: int) -> Sequence[np.ndarray]:
        """Places among the group's images, all of them in random order; the last batch may be smaller.

        Images that could not be read are missing from their batch; the others are drawn as if none were.
        """
        count, batch = len(self.groups[epoch % len(self.groups)].rows), self.settings.batch
        order = generator_for(self.settings.seed, epoch).permutation(count)
        there = torch.isfinite(self.features[:, 0]).numpy()
        whole = (order[start : start + batch] for start in range(0, count, batch))
        return [places[there[places]] for places in whole if there[places].any()]

    def saves(self, epoch: int) -> bool:
        return epoch % self.settings.save_every == 0

    def collate(self, rows: np.ndarray, images: Sequence[Any]) -> FeatureBatch:
        labels = torch.from_numpy(self.groups[self.number].labels[rows])
        return FeatureBatch(self.features[torch.from_numpy(rows)], labels)

    def forward(self, batch: FeatureBatch) -> Losses:
        prompts = self.network.get_submodule(str(self.number))
        return {"loss": prompt_loss(prompts, self._tower[0], batch.features, batch.labels)}  # type: ignore[arg-type]

    def rate(self, epoch: int, base: float) -> float:
        return prompt_rate(epoch, self.settings.epochs, len(self.groups), base)

    def fingerprint(self) -> str:
        return f"{self.images.fingerprint()} {self.clip.sha256}"

    def method(self, device: torch.device, precision: str, epoch: int) -> Method:
        raise ConfigError("recipe progeo-prompts learns texts, so there is nothing to validate or test; leave val and "
                          "test out here and give them to recipe progeo")  # fmt: skip

    def write(self, path: Path, method: Callable[[], Method], notes: Mapping[str, Any]) -> None:
        learnt: list[Any] = list(self.network.children())
        grouping, list_hash = self.settings.grouping, self.images.fingerprint()
        PromptFile(
            PromptFacts(self.clip.sha256, self.clip.dim, grouping, list_hash, dict(notes)),
            [prompts.cls_ctx for prompts in learnt],
            [self._text_features(number, prompts) for number, prompts in enumerate(learnt)],
            [class_tensor(group.classes) for group in self.groups],
        ).write(path)

    def _text_features(self, number: int, prompts: Prompts) -> Tensor:
        """(K, dim) float32 text features of a group on the CPU, encoded anew only where it has learnt."""
        if number not in self._texts:
            tower = self._tower[0].to(prompts.cls_ctx.device)
            self._texts[number] = prompts.all_features(tower).float().cpu()
        return self._texts[number]


def task(settings: ProGEOPromptsRecipe, train: Mapping[str, Any]) -> PromptTask:
    """Prompts for CLIP on one training set.

    Raises:
        ConfigError: the model's width is not CLIP's joint width.
        NotAvailable: the CLIP file is not here.
    """
    choice = choose_by_name("progeo", config.to_dict(settings.model))
    clip = read_clip(find_clip(settings.clip, choice.name))
    if clip.dim != settings.model.dim:
        raise ConfigError(f"model.dim is {settings.model.dim}, but {clip.path.name} has a joint width of {clip.dim}; "
                          f"give model.dim={clip.dim}")  # fmt: skip
    return PromptTask(open_images(train, settings), clip, settings)
