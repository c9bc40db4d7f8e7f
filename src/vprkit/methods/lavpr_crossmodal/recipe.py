"""How LaVPR's cross-modal half is trained: GSV-Cities with descriptions, adapters of BLIP's linear layers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from torch import nn

from vprkit import config
from vprkit.backbones.blip import UNUSED
from vprkit.config import nearest, option
from vprkit.errors import ConfigError
from vprkit.losses.cross_modal import CrossModalMultiSimilarity, SymmetricContrast
from vprkit.methods.lavpr_crossmodal.network import CrossModal, CrossModalConfig
from vprkit.methods.lavpr_crossmodal.task import Base, CrossModalTask
from vprkit.registry import find_declaration
from vprkit.training.adapters import LoraSettings, put_adapters
from vprkit.training.augmentation import Augmentation
from vprkit.training.described_places import TABLES, open_described
from vprkit.training.losses import Criterion
from vprkit.training.places import PlaceConfig
from vprkit.training.schedules import Schedule
from vprkit.training.settings import Optimiser, Validation
from vprkit.training.starting import PRETRAINED, start_network
from vprkit.training.text_augmentation import TextAugmentation
from vprkit.weights.reading import sha256_of
from vprkit.weights.resolving import choose_by_name
from vprkit.weights.runs import weights_of


@dataclass(frozen=True)
class Similarity:
    """Multi-similarity of images with texts; the defaults are the published ones."""

    alpha: float = option(2.0, "steepness for positives")
    beta: float = option(40.0, "steepness for negatives")
    base: float = option(0.5, "similarity that pairs are measured from; 0 in LaVPR's sibling programs")
    epsilon: float = option(0.1, "how far beyond the hardest a mined pair may be")
    both: bool = option(False, "texts are anchors too; published: images alone")


@dataclass(frozen=True)
class CrossModalRecipe(PlaceConfig):
    """Settings of recipe `lavpr-crossmodal`."""

    model: CrossModalConfig = option(factory=CrossModalConfig, help="the network")
    initial: str | None = option(
        PRETRAINED, "weights to start from: pretrained (blip-itm-base-coco in the weights folder), a file, the folder "
        "of an earlier run (its best), or none for initial values"
    )  # fmt: skip
    train: Literal["lora", "all"] = option("lora", "what learns: adapters beside frozen towers, or the towers")
    lora: LoraSettings = option(factory=LoraSettings, help="the adapters")
    write: Literal["merged", "adapter"] = option(
        "merged", "weights that the run leaves: whole ones, or the adapters with the SHA-256 of what they are for"
    )
    texts: str | None = option(None, f"CSV of descriptions; none: {' or '.join(TABLES)} in the training set's folder")
    characters: int = option(256, "characters that are read of a text in training")
    text_augmentation: TextAugmentation = option(factory=TextAugmentation, help="how texts are changed in training")
    loss: str = option("multi_similarity", "multi_similarity of images with texts, or contrastive (temperature learns)")
    similarity: Similarity = option(factory=Similarity, help="settings of loss=multi_similarity, its miner's included")
    same_place: bool = option(
        False, "loss=contrastive: texts of other photos of a place are right too; published: they are wrong"
    )
    image_size: tuple[int, int] = option((384, 384), "(height, width) of images, which positions are made for")
    augmentation: Augmentation = option(
        factory=partial(Augmentation, rand_augment=3, rand_augment_magnitude=9),
        help="how images are changed in training",
    )
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
        if tuple(self.image_size) != (self.model.image_size, self.model.image_size):
            raise ConfigError(f"image_size is {tuple(self.image_size)}, the towers have positions for "
                              f"{self.model.image_size}x{self.model.image_size}; give both the same")  # fmt: skip
        if self.loss not in _LOSSES:
            raise ConfigError(f"loss '{self.loss}' is unknown{nearest(self.loss, _LOSSES)}")
        if self.memory.size:
            raise ConfigError("this recipe has no memory of earlier batches; leave memory out")
        if self.write == "adapter" and (self.train != "lora" or self.initial is None):
            raise ConfigError("write=adapter needs train=lora and weights to start from (initial); write merged ones")

    def criterion(self) -> Criterion:
        """The loss of images, texts and labels; it mines by itself."""
        return Criterion(_LOSSES[self.loss](self), None)

    def freeze(self, network: CrossModal) -> None:
        """Adapters into frozen towers, or all of them to learn but what nothing runs."""
        if self.train == "lora":
            put_adapters(network, self.lora, self.seed, UNUSED)
            return
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(not any(part in f".{name}" for part in UNUSED))


_LOSSES: Mapping[str, Callable[[CrossModalRecipe], Any]] = {
    "multi_similarity": lambda settings: CrossModalMultiSimilarity(**vars(settings.similarity)),
    "contrastive": lambda settings: SymmetricContrast(places=settings.same_place),
}


def task(settings: CrossModalRecipe, train: Mapping[str, Any]) -> CrossModalTask:
    """Images and texts of a place together, others apart.

    Raises:
        ConfigError: a training set has no texts, or the weights have other sizes than the recipe's model.
        NotAvailable: the weights to start from are not here.
    """
    choice = choose_by_name("lavpr-crossmodal", config.to_dict(settings.model))
    sets = [open_described(source, settings, settings.texts) for source in train.values()]
    start = find_declaration(choice.name).released[0].file if settings.initial == PRETRAINED else settings.initial
    network: nn.Module = start_network(choice, start, settings.seed)
    path = None if start is None else weights_of(start)
    base = Base() if path is None else Base(str(path.absolute()), sha256_of(path))
    return CrossModalTask(choice, network, sets, settings, base)
