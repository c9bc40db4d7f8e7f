"""Metric learning of LaVPR's heads: places whose images have texts, seen by encoders that do not learn."""

import copy
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vprkit.backbones.text_encoder import TextEncoder, encode_texts
from vprkit.data import cache
from vprkit.data.columns import StringColumn
from vprkit.data.places import PlaceSet, join_places
from vprkit.errors import ConfigError, ImageError
from vprkit.losses.fused_similarity import FusedMultiSimilarityLoss
from vprkit.losses.multi_similarity import MultiSimilarityLoss
from vprkit.method import Method
from vprkit.methods.lavpr_fusion.heads import Fused
from vprkit.methods.lavpr_fusion.network import LaVPR
from vprkit.retrieval.build import describe_into
from vprkit.retrieval.describe import Streaming
from vprkit.training.described_places import Photo, texts_sha256
from vprkit.training.gathering import gather_embeddings, gather_labels
from vprkit.training.places import PlaceTask
from vprkit.training.task import Losses
from vprkit.training.text_augmentation import TextAugmentation
from vprkit.weights.fitting import fit
from vprkit.weights.lora import merged
from vprkit.weights.resolving import Choice

_ENCODERS = ("network.vpr_encoder.", "network.text_encoder.")


class FusionBatch(NamedTuple):
    """A rank's share of a batch.

    Attributes:
        images: (B, Dv) vectors described before, or (B, C, H, W) images as loaded.
        texts: (B, Dt) vectors encoded before, or (B, 0).
        ids, mask: (B, T) tokens of the texts, (B, 0) where they were encoded before.
        present: (B,) whether there is a text.
        labels: (B,) places.
    """

    images: Tensor
    texts: Tensor
    ids: Tensor
    mask: Tensor
    present: Tensor
    labels: Tensor


class FusionTask(PlaceTask):
    """Weights of images and texts, such that pairs of one place score above others.

    Args:
        choice: the method, and its options.
        network: its network, with encoders that do not learn.
        sets: training sets with texts.
        settings: the recipe's configuration.
    """

    network: LaVPR
    settings: Any

    def __init__(self, choice: Choice, network: LaVPR, sets: Sequence[PlaceSet], settings: Any) -> None:
        super().__init__(choice, network, join_places(list(sets)), settings)
        self.sets = list(sets)
        self.texts = StringColumn.joined([part.records.texts["text"] for part in sets])
        self.fused_loss = FusedMultiSimilarityLoss()
        self.across_loss = MultiSimilarityLoss(2.0, 40.0, 0.5)
        self._starts = np.cumsum([0, *(len(part) for part in self.sets[:-1])])
        self._vectors: list[tuple[np.ndarray, np.ndarray]] | None = None
        self._texts: Tensor | None = None

    def start_training(self) -> None:
        """Encoders stay in eval mode, so that what they say does not drift (published: it does); adapters drop out."""
        self.train()
        for part in (self.network.vpr_encoder, self.network.text_encoder):
            if part is not None:
                part.eval()
        for name, part in self.network.named_modules():
            if ".lora_dropout" in name:
                part.train()

    def start_epoch(self, epoch: int, device: torch.device) -> None:
        super().start_epoch(epoch, device)
        if self.settings.cached and self._vectors is None:
            self._vectors = [self._described(part, device) for part in self.sets]
            encoder = self.network.text_encoder
            changing = self._adapted or self.settings.text_augmentation != TextAugmentation()
            if self.network.text_pooling is None and encoder is not None and not changing:
                self._texts = encode_texts(encoder, [self._text(row) for row in range(len(self.texts))])

    def read(self, row: int, generator: np.random.Generator) -> Any:
        image = super().read(row, generator) if self._vectors is None else self._vector(row)
        return Photo(image, self.settings.text_augmentation(self._text(row), generator))

    def _vector(self, row: int) -> Tensor:
        """(Dv,) of an image that was described before.

        Raises:
            ImageError: it could not be read then.
        """
        assert self._vectors is not None
        part = int(np.searchsorted(self._starts, row, side="right")) - 1
        vectors, rows = self._vectors[part]
        described = int(rows[row - self._starts[part]])
        if described < 0:
            photo = str(self.places.photo(row))
            raise ImageError(f"{photo}: could not be read, so it has no vector", photo)
        return torch.from_numpy(np.array(vectors[described]))

    def collate(self, rows: np.ndarray, images: Sequence[Any]) -> Any:
        found = [(int(row), photo) for row, photo in zip(rows.ravel(), images, strict=True) if photo is not None]
        if not found:
            raise ConfigError("a batch has no readable image left; `vpr data check` lists what cannot be read")
        rows = np.array([row for row, _ in found])
        said = [photo.text for _, photo in found]
        nothing = torch.zeros(len(rows), 0, dtype=torch.long)
        vectors, ids, mask = nothing.float(), nothing, nothing
        if self._texts is not None:
            vectors = self._texts[torch.from_numpy(rows)]
        elif self.network.text_encoder is not None:
            ids, mask = self.network.text_encoder.tokens(said)
        present = torch.tensor([bool(text.strip()) for text in said])
        labels = torch.from_numpy(np.asarray(self.places.labels[rows], np.int64))
        return FusionBatch(torch.stack([photo.image for _, photo in found]), vectors, ids, mask, present, labels)

    def forward(self, batch: Any) -> Losses:
        network = self.network
        image = batch.images if self._vectors is not None else network.pooled_image(self._prepared(batch.images))
        text = batch.texts
        if not text.shape[1]:
            assert network.text_encoder is not None
            text = network.pooled(*network.text_encoder(batch.ids, batch.mask))
        text = text * batch.present[:, None]
        with torch.autocast(text.device.type, enabled=False):
            fused = network.fuse(image.float(), text.float())
            return self._fused_losses(fused, image.float(), batch.labels)

    def _fused_losses(self, fused: Fused, image: Tensor, labels: Tensor) -> Losses:
        everyone = gather_labels(labels)
        vectors = gather_embeddings(fused.image)
        if fused.text is None:  # one vector of both: plain metric learning
            return self._losses(vectors, everyone)
        texts = gather_embeddings(fused.text)
        assert self.miner is not None
        if fused.weight is None:  # one space: texts ask for images
            mined = self.miner(vectors, everyone, texts, everyone)  # type: ignore[call-arg]
            return {"loss": self.across_loss(vectors, everyone, mined, texts, everyone)}
        weight = gather_embeddings(fused.weight)
        mined = self.miner(gather_embeddings(image), everyone)
        loss = self.fused_loss(vectors, texts, weight, mined)
        return {"loss": loss, "image_share": weight[:, 0].detach().mean()}

    def deployed(self) -> LaVPR:
        """The network, or one that shares all but the text encoder, which has its adapters merged and is kept."""
        if not self._adapted:
            return self.network
        adapted = self.network.text_encoder
        assert isinstance(adapted, TextEncoder)  # others take no adapters
        scaling = self.settings.lora.facts.scaling
        merged_encoder = TextEncoder(adapted.sizes)
        fit(merged_encoder, merged(adapted.state_dict(), lambda rank: scaling), source="the text encoder in training")
        plain = copy.copy(self.network)
        plain._modules = {**self.network._modules, "text_encoder": merged_encoder.to(next(adapted.parameters()).device)}
        plain.kept = {*self.network.kept, "text_encoder"}
        return plain

    def state_dict(self, *arguments: Any, **options: Any) -> dict[str, Any]:  # type: ignore[override]
        """Without the encoders, which do not learn and have files of their own; with adapters."""
        whole: dict[str, Any] = super().state_dict(*arguments, **options)
        return {name: value for name, value in whole.items() if not _frozen(name)}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        frozen = {name: value for name, value in super().state_dict().items() if _frozen(name)}
        return super().load_state_dict({**frozen, **state_dict}, strict, assign)

    def fingerprint(self) -> str:
        return f"{super().fingerprint()} {texts_sha256(self.texts)}"

    def brought(self) -> Mapping[str, str]:
        """The encoders, which the state leaves out."""
        hashes = [bytes(row.tolist()).hex() for row in self.network.made_with()]
        return dict(zip(("image encoder", "text encoder"), hashes, strict=True))

    @property
    def _adapted(self) -> bool:
        return bool(self.settings.text_encoder == "lora")

    def _text(self, row: int) -> str:
        """What is read of an image's text."""
        return self.texts[row][: self.settings.characters]

    def _described(self, part: PlaceSet, device: torch.device) -> tuple[np.ndarray, np.ndarray]:
        """Vectors on disk, and which of them a set's images have (-1: unreadable); a killed run goes on describing."""
        assert self.network.vpr_encoder is not None
        image = Method(
            self.network.vpr_encoder, self.preprocessing, device=device,
            precision=self.settings.running.precision if device.type != "cpu" else "fp32",
            name=self.network.config.image, configuration={"image": self.network.config.image},
        )  # fmt: skip
        told = json.dumps([image.identity(), str(part.records.root.resolve())], sort_keys=True)
        folder = _folder(self.settings.feature_cache) / hashlib.sha256(told.encode()).hexdigest()[:32]
        running = self.settings.running
        streaming = Streaming(self.settings.validation.batch_size, running.workers, running.on_error)
        built = describe_into(folder, image, part.records, streaming)
        return built.store.vectors, built.rows


def _frozen(name: str) -> bool:
    """Whether a parameter of the task is one of an encoder's own."""
    return name.startswith(_ENCODERS) and ".lora_" not in name


def _folder(asked: str) -> Path:
    own = cache.folder()
    if not asked and own is None:
        raise ConfigError("VPRKIT_CACHE=off keeps nothing, so give feature_cache=FOLDER, or set cached=false")
    return Path(asked) if asked or own is None else own.parent / "lavpr-features"
