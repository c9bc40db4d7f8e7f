"""Pair-VPR's first stage (recipe `pairvpr-pretrain`): fill in one image of a place with the help of another.

Place-aware Siamese masked image modelling: nine of ten patches of the first image are hidden from the encoder; the
decoder predicts them from what is left and from the second image, which shows the same place. Pairs come from panoramas
of SF-XL, from Google Landmarks v2, from GSV-Cities, or from any set of places.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vprkit import config
from vprkit.config import option
from vprkit.data import images as pictures
from vprkit.data.decoding import decode
from vprkit.data.grouped_images import GroupedImages
from vprkit.data.groups import PAIR_VPR, CosPlaceGrouping
from vprkit.data.pairs import JoinedPairs, PairSource, PlacePairs
from vprkit.data.panorama_pairs import PairViews, PanoramaPairs
from vprkit.data.places import open_places
from vprkit.errors import ConfigError
from vprkit.losses.masked_mse import masked_mse, masked_mse_by_group, standardised
from vprkit.method import Method
from vprkit.methods.pairvpr.cells import open_cells, panorama_folder
from vprkit.methods.pairvpr.layer_decay import layer_groups
from vprkit.methods.pairvpr.masking import draw_mask, patches_of
from vprkit.methods.pairvpr.network import PairVPR, PairVPRConfig
from vprkit.methods.pairvpr.starting import start_pairvpr
from vprkit.training.augmentation import Augmentation, batch_transform, photo_transform
from vprkit.training.gathering import check_shared
from vprkit.training.places import sized
from vprkit.training.randomness import generator_for
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser, Running, TrainingConfig
from vprkit.training.starting import PRETRAINED
from vprkit.training.task import Losses, ParameterGroup, Task
from vprkit.training.warps import draw_crops
from vprkit.weights.own import save
from vprkit.weights.resolving import Choice, choose_by_name

_RATE = 3e-4 * (512 / 1024) ** 0.5


@dataclass(frozen=True)
class PairVPRPretrainRecipe(TrainingConfig):
    """Settings of recipe `pairvpr-pretrain`; defaults are the authors' for ViT-B (two GPUs with 256 pairs each)."""

    model: PairVPRConfig = option(
        factory=partial(PairVPRConfig, class_token=False, image_size=224),
        help="the network; L: trainable_blocks=12, g: 20",
    )
    foundation: str = option(PRETRAINED, "the DINOv2 to start from: pretrained (in the weights folder), random, a file")
    random_blocks: bool = option(
        False, "new values for the DINOv2's linear layers and norms (the authors' train.random)"
    )
    epochs: int = option(500, "passes over all classes, one pair of each; L and g: 1000")
    batch: int = option(512, "pairs of an optimiser step, of all devices together")
    mask_ratio: float = option(0.9, "share of the first image's patches that is hidden")
    normalise_patches: bool = option(True, "predict patches of mean 0 and variance 1; false: pixels as they are")
    min_images: int = option(4, "places with fewer images are left out")
    grouping: CosPlaceGrouping = option(default=PAIR_VPR, help="how panoramas become cells")
    cells: str | None = option(
        None, "file with the panoramas' cells: of vpr data group pair-vpr, or the authors' sfxl_M15_N1_mipc5.torch; "
        "none: made from their names"
    )  # fmt: skip
    views: PairViews = option(factory=PairViews, help="where the two panoramas of a pair look")
    layer_decay: float = option(0.9, "factor on the learning rate from one layer to the one below; L and g: 0.95")
    patch_embed_rate: float = option(0.2, "further factor of the patch embedding")
    augmentation: Augmentation = option(
        factory=partial(Augmentation, brightness=0.4, contrast=0.4, saturation=0.4, crop_area=0.7),
        help="how images are changed in training; a crop comes first, while decoding",
    )
    optimiser: Optimiser = option(
        factory=partial(Optimiser, "adamw", _RATE, weight_decay=0.04, weight_decay_end=0.4),
        help="how weights follow gradients; the authors' rate is 3e-4 sqrt(batch / 1024)",
    )
    schedule: Schedule = option(
        factory=partial(Schedule, "half_cosine", warmup_epochs=10, end=1e-6, first_index=1),
        help="how learning rate and weight decay change; the authors' first step has index 1",
    )
    running: Running = option(
        factory=partial(Running, on_error="skip", keep_every=10), help="devices, memory, logs; L and g: keep_every=20"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.batch < 1 or not 0 < self.mask_ratio < 1 or not 0 < self.layer_decay <= 1 or self.patch_embed_rate <= 0:
            raise ConfigError(
                "batch must be at least 1, mask_ratio between 0 and 1, layer_decay above 0 and at most 1, "
                f"patch_embed_rate positive; got {self.batch}, {self.mask_ratio}, {self.layer_decay}, "
                f"{self.patch_embed_rate}"
            )
        if self.running.chunk is not None:
            raise ConfigError("recipe pairvpr-pretrain has no gradient caching; lower batch, or use running.accumulate")


class PairBatch(NamedTuple):
    """A rank's share: (B, 3, H, W) first and second images as loaded, (B,) number of each pair's source."""

    first: Tensor
    second: Tensor
    sources: Tensor


class PretrainTask(Task):
    """Masked images, filled in with the help of another image of the place.

    Args:
        choice: the method with the recipe's options.
        network: with initial weights.
        pairs: the training sets.
        settings: the recipe's configuration.
    """

    network: PairVPR

    def __init__(self, choice: Choice, network: PairVPR, pairs: JoinedPairs, settings: PairVPRPretrainRecipe) -> None:
        super().__init__(network)
        self.choice, self.pairs, self.settings = choice, pairs, settings
        self.patch = settings.model.encoder().patch_size
        side = (settings.model.image_size,) * 2
        self.preprocessing = sized(choice.preprocessing, side)
        self.change_photo = photo_transform(settings.augmentation)
        # The crop is taken while decoding, from the whole photo; the rest changes the batch.
        self.change_batch = batch_transform(dataclasses.replace(settings.augmentation, crop_area=1.0))

    def batches(self, epoch: int) -> Sequence[np.ndarray]:
        """(batch, 2) views: a pair of every class in random order; a last incomplete batch is left out."""
        draws, size = generator_for(self.settings.seed, epoch), self.settings.batch
        pairs = draws.permutation(self.pairs.draw(draws))
        return [pairs[start : start + size] for start in range(0, len(pairs) - size + 1, size)]

    def read(self, row: int, generator: np.random.Generator) -> Tensor:
        photo, change = decode(self.pairs.photo(row)), self.change_photo
        if self.settings.augmentation.crop_area < 1:
            seeded = torch.Generator().manual_seed(int(generator.integers(2**63)))
            size = (photo.height, photo.width)
            box = draw_crops(1, size, self.settings.augmentation.crop_area, seeded)
            top, left, height, width = box[0].tolist()
            photo = photo.crop((left, top, left + width, top + height))
        transform = None if change is None else (lambda picture: change(picture, generator))
        return pictures.load(photo, self.preprocessing, transform=transform)

    def replacement(self, row: int, generator: np.random.Generator) -> int:
        return self.pairs.another(row, generator)

    def collate(self, rows: np.ndarray, images: Sequence[Tensor | None]) -> PairBatch:
        sources = self.pairs.source_of(rows[:, 0])
        kept = [
            (first, second, int(source))
            for first, second, source in zip(images[::2], images[1::2], sources, strict=True)
            if first is not None and second is not None
        ]
        if not kept:
            raise ConfigError("a batch has no pair whose images can both be read; run `vpr data check`")
        first, second, numbers = zip(*kept, strict=True)
        return PairBatch(torch.stack(first), torch.stack(second), torch.tensor(numbers))

    def forward(self, batch: PairBatch) -> Losses:
        first, second = self._prepared(batch.first), self._prepared(batch.second)
        patches = (first.shape[-2] // self.patch) * (first.shape[-1] // self.patch)
        mask = draw_mask(len(first), patches, self.settings.mask_ratio).to(first.device)
        predicted = reconstruct(self.network, first, second, mask)
        with torch.autocast(first.device.type, enabled=False):
            target = patches_of(first, self.patch)
            target = standardised(target) if self.settings.normalise_patches else target
            loss = masked_mse(predicted.float(), target, mask)
            parts = self._by_source(predicted.detach().float(), target, mask, batch.sources)
            return {"loss": loss, **parts}

    def parameter_groups(self) -> list[ParameterGroup]:
        model, settings = self.settings.model, self.settings
        named = self.network.named_parameters()
        depths = (len(self.network.encoder.blocks), model.decoder_depth)
        return layer_groups(named, *depths, settings.layer_decay, settings.patch_embed_rate)

    def fingerprint(self) -> str:
        return self.pairs.fingerprint()

    def method(self, device: torch.device, precision: str, epoch: int) -> Method:
        raise ConfigError("recipe pairvpr-pretrain fills in images and describes none, so there is nothing to validate "
                          "or test; leave val and test out here and give them to recipe pairvpr")  # fmt: skip

    def write(self, path: Path, method: Callable[[], Method], notes: Mapping[str, Any]) -> None:
        save(path, self.network.state_dict(), self.choice.header(**notes), overwrite=True)

    def _by_source(self, predicted: Tensor, target: Tensor, mask: Tensor, sources: Tensor) -> dict[str, Tensor]:
        """The loss of every source where there are several, for the log; NaN of one that the batch has no pair of."""
        names = [f"loss_{source.name.removeprefix('train.')}" for source in self.pairs.sources]
        if len(names) == 1:
            return {}
        parts = masked_mse_by_group(predicted, target, mask, sources, len(names))
        return dict(zip(names, parts, strict=True))

    def _prepared(self, images: Tensor) -> Tensor:
        with torch.autocast(images.device.type, enabled=False):
            if self.change_batch is None:
                return pictures.finish(images, self.preprocessing)
            return pictures.normalise(self.change_batch(pictures.unit(images)), self.preprocessing)


def reconstruct(network: PairVPR, first: Tensor, second: Tensor, mask: Tensor) -> Tensor:
    """(B, N, 3 p p) patches of the first images, of which the network sees those not masked, and the second images."""
    return network.reconstruct(network.encode(first, mask)[0], network.encode(second)[0])


def open_pairs(name: str, source: Any, settings: PairVPRPretrainRecipe) -> PairSource:
    """Pairs of one training set.

    Args:
        name: what logs call it.
        source: a folder (SF-XL's or its panoramas', GSV-Cities, Google Landmarks, any set of places), `GroupedImages`
            of panoramas, or `Places`.
        settings: the recipe's configuration.

    Raises:
        DataError: it cannot be opened.
    """
    if isinstance(source, GroupedImages):
        return PanoramaPairs(name, source, settings.views)
    if not isinstance(source, Path):
        return PlacePairs(name, source)
    folder = panorama_folder(source)
    if folder is not None:
        return PanoramaPairs(name, open_cells(folder, settings.cells, settings.grouping), settings.views)
    return PlacePairs(name, open_places(source, min_images=settings.min_images))


def task(settings: PairVPRPretrainRecipe, train: Mapping[str, Any]) -> PretrainTask:
    """Pairs of one or several training sets.

    Raises:
        ConfigError: the model has a decoder class token, all sets together have fewer classes than a batch, or a batch
            fewer pairs than there are processes.
    """
    check_shared(settings.batch)
    if settings.model.class_token:
        raise ConfigError("the first stage has no decoder class token; give model.class_token=false")
    choice = choose_by_name("pairvpr", config.to_dict(settings.model))
    pairs = JoinedPairs([open_pairs(name, source, settings) for name, source in train.items()])
    if len(pairs) < settings.batch:
        raise ConfigError(
            f"a batch takes {settings.batch} classes, but {pairs.name} has only {len(pairs)}; lower batch"
        )
    network = start_pairvpr(choice, settings.initial, settings.foundation, settings.random_blocks, settings.seed)
    return PretrainTask(choice, network, pairs, settings)
