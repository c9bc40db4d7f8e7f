"""Cross-modal learning on places: images and descriptions of one place together, others apart."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from vprkit.data.columns import StringColumn
from vprkit.data.places import PlaceSet, join_places
from vprkit.errors import ConfigError
from vprkit.method import Method
from vprkit.methods.lavpr_crossmodal.network import CrossModal
from vprkit.training.adapters import adapter_state
from vprkit.training.described_places import Photo, texts_sha256
from vprkit.training.gathering import gather_embeddings, gather_labels
from vprkit.training.gradient_cache import embed_in_chunks
from vprkit.training.places import PlaceTask
from vprkit.training.task import Losses
from vprkit.weights import own
from vprkit.weights.fitting import fit, on_meta
from vprkit.weights.lora import NOTE, merged
from vprkit.weights.resolving import Choice


class Base(NamedTuple):
    """The file that training starts from, and its SHA-256; empty for initial values."""

    path: str = ""
    sha256: str = ""


class CrossModalBatch(NamedTuple):
    """A rank's share of a batch: (B, C, H, W) images, (B, 2, T) ids above masks of their texts, (B,) places."""

    images: Tensor
    tokens: Tensor
    labels: Tensor


class ImageTower(nn.Module):
    """(B, C, H, W) images to (B, D) unit vectors."""

    def __init__(self, network: CrossModal) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.network.towers.image_vectors(images)
        return vectors


class TextTower(nn.Module):
    """(B, 2, T) ids above their masks to (B, D) unit vectors: one tensor, so that chunks cut both alike."""

    def __init__(self, network: CrossModal) -> None:
        super().__init__()
        self.network = network

    def forward(self, tokens: Tensor) -> Tensor:
        mask = tokens[:, 1] if self.network.config.mask else None
        vectors: Tensor = self.network.towers.text_vectors(tokens[:, 0], mask)
        return vectors


class CrossModalTask(PlaceTask):
    """A space where photos lie near what is said of their place.

    Args:
        choice: the method, and its options.
        network: its network, with initial weights; adapters are put in here.
        sets: training sets with texts.
        settings: the recipe's configuration.
        base: where the weights are from.
    """

    network: CrossModal
    settings: Any

    def __init__(self, choice: Choice, network: nn.Module, sets: Sequence[PlaceSet], settings: Any, base: Base) -> None:
        super().__init__(choice, network, join_places(list(sets)), settings)
        self.texts = StringColumn.joined([part.records.texts["text"] for part in sets])
        self.base = base

    def read(self, row: int, generator: np.random.Generator) -> Any:
        image = super().read(row, generator)
        return Photo(image, self.settings.text_augmentation(self.texts[row][: self.settings.characters], generator))

    def collate(self, rows: np.ndarray, images: Sequence[Any]) -> Any:
        found = [(int(row), photo) for row, photo in zip(rows.ravel(), images, strict=True) if photo is not None]
        if not found:
            raise ConfigError("a batch has no readable image left; `vpr data check` lists what cannot be read")
        ids, mask = self.network.read([photo.text for _, photo in found])
        labels = torch.tensor([int(self.places.labels[row]) for row, _ in found])
        return CrossModalBatch(torch.stack([photo.image for _, photo in found]), torch.stack([ids, mask], 1), labels)

    def forward(self, batch: Any) -> Losses:
        chunk = self.settings.running.chunk
        images = embed_in_chunks(ImageTower(self.network), self._prepared(batch.images), chunk)
        texts = embed_in_chunks(TextTower(self.network), batch.tokens, chunk)
        criterion: Callable[..., Tensor] = self.loss
        with torch.autocast(images.device.type, enabled=False):
            everyone = gather_labels(batch.labels)
            return {"loss": criterion(gather_embeddings(images.float()), gather_embeddings(texts.float()), everyone)}

    def deployed(self) -> nn.Module:
        """The network, or a copy with the adapters merged."""
        if self.settings.train == "all":
            return self.network
        plain = on_meta(self.choice.build)
        scaling = self.settings.lora.facts.scaling
        fit(plain, merged(self.network.state_dict(), lambda rank: scaling), source="the network in training")
        return plain

    def write(self, path: Path, method: Callable[[], Method], notes: Mapping[str, Any]) -> None:
        """Whole weights, or the adapters alone."""
        if self.settings.write == "merged":
            super().write(path, method, notes)
            return
        made = dataclasses.replace(self.settings.lora.facts, base=self.base.path, base_sha256=self.base.sha256)
        facts = dataclasses.asdict(made)
        state = adapter_state(self.network, lambda name: name.removeprefix("towers."))
        choice = dataclasses.replace(self.choice, preprocessing=self.deployed_preprocessing())
        own.save(path, state, choice.header(**notes, **{NOTE: facts}), overwrite=True)

    def state_dict(self, *arguments: Any, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        """Without the frozen towers, which the file that training started from has."""
        whole: dict[str, Any] = super().state_dict(*arguments, **options)
        frozen = self._frozen()
        return {name: value for name, value in whole.items() if name not in frozen}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        frozen = self._frozen()
        rest = {name: value for name, value in super().state_dict().items() if name in frozen}
        return super().load_state_dict({**rest, **state_dict}, strict, assign)

    def fingerprint(self) -> str:
        return f"{super().fingerprint()} {texts_sha256(self.texts)} {self.base.sha256}"

    def _frozen(self) -> set[str]:
        """What a run need not save: it comes from a file whose SHA-256 is part of the fingerprint."""
        if not self.base.sha256:
            return set()
        return {name for name, parameter in self.named_parameters() if not parameter.requires_grad}
