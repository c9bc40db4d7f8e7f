"""A method ready to use: preprocessing, network and metric together, on a device."""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from vprkit import device as devices
from vprkit.data import images as pictures
from vprkit.data.decoding import Photo
from vprkit.errors import ConfigError, VprError
from vprkit.features import Features
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Metric, check_metric

Role = Literal["query", "database"]
Modality = Literal["image", "text"]

IMAGES: frozenset[Modality] = frozenset({"image"})
TEXTS: frozenset[Modality] = frozenset({"text"})


@runtime_checkable
class Multimodal(Protocol):
    """A network that reads texts too. Without texts, or without images, it gets None in their place."""

    def __call__(self, images: Tensor | None, texts: Sequence[str] | None) -> Features:
        """(B, C, H, W) images and B texts, empty where there is none, to features; `global_` where only one is read."""

    def reads(self, role: Role) -> frozenset[Modality]:
        """What it wants of a query or of a database record."""

    def index_vectors(self, features: Features, role: Role) -> Tensor:
        """(B, E) vectors whose inner products are the scores."""

    def decides(self, configuration: Mapping[str, Any]) -> Mapping[str, Any]:
        """The part of the configuration that decides the features; the rest only says how they are compared."""


@runtime_checkable
class Weighing(Protocol):
    """A `Multimodal` network that may give every record shares of its own for image and text."""

    @property
    def weighs(self) -> bool:
        """Whether scores are (a_q + a_d) / 2 <v_q, v_d> + (b_q + b_d) / 2 <t_q, t_d> of what is kept of a record."""


@dataclass(frozen=True)
class WeightsSource:
    """Where a network's numbers come from: a file and its SHA-256, or `random` and a seed; an adapter merged in."""

    path: str
    sha256: str
    licence: str = ""
    adapter: str = ""


class Method:
    """A place-recognition system ready to describe images.

    Args:
        network: maps (B, C, H, W) float32 images to `Features`, or to a (B, D) tensor of global vectors; or a
            `Multimodal` one.
        preprocessing: how photos become those images.
        name: what manifests and results call it.
        metric: `ip` or `l2`, how its index vectors are compared.
        configuration: the options it was built with.
        weights: where its numbers come from, None for a training-free method.
        device: `auto`, `cpu`, ... (see `vprkit.device`).
        precision: `auto`, `fp32`, `bf16` or `fp16` of the network.
        reranker: its second stage (`vprkit.rerank.reranker.Reranker`), None where it has none.
    """

    def __init__(
        self,
        network: nn.Module,
        preprocessing: Preprocessing,
        *,
        name: str = "custom",
        metric: Metric = "ip",
        configuration: Mapping[str, Any] | None = None,
        weights: WeightsSource | None = None,
        device: str | torch.device = "auto",
        precision: str = "auto",
        reranker: Any = None,
    ) -> None:
        check_metric(metric)
        self.name = name
        self.metric: Metric = metric
        self.preprocessing = preprocessing
        self.configuration = dict(configuration or {})
        self.weights = weights
        self.reranker = reranker
        self.device = devices.resolve_device(device)
        self.precision = devices.resolve_precision(precision, self.device)
        if self.device.type == "cpu":
            devices.enable_fast_fp32()
        self.network = network.eval().to(self.device)

    @classmethod
    def from_module(cls, network: nn.Module, preprocessing: Preprocessing | None = None, **options: Any) -> "Method":
        """Any module as a method, e.g. one from `torch.hub`; options as of `Method`.

        Args:
            network: (B, C, H, W) -> (B, D) tensor or `Features`.
            preprocessing: default 224 x 224, 8-bit bilinear, ImageNet mean and std.

        What its parts are and how they are set is part of its identity, as the options of a known method are; what a
        `forward` does is not, unless its source lies outside of installed packages.
        """
        options.setdefault("name", type(network).__name__.lower())
        options["configuration"] = {**(options.get("configuration") or {}), "module": build_sha256(network)}
        return cls(network, preprocessing or Preprocessing(), **options)

    def reads(self, role: Role = "database") -> frozenset[Modality]:
        """Whether photos, texts or both are described."""
        return self.network.reads(role) if isinstance(self.network, Multimodal) else IMAGES

    def describe_batch(self, batch: Tensor | None, texts: Sequence[str] | None = None) -> Features:
        """The network alone: (B, C, H, W) preprocessed images to `Features` in float32 on the method's device.

        Args:
            batch: images, None where only texts are described.
            texts: B texts for a method that reads them, empty where there is none.

        Raises:
            ConfigError: the method does not read what it was given.
        """
        images = None if batch is None else batch.to(self.device, non_blocking=True)
        both = isinstance(self.network, Multimodal)
        if not both and (images is None or texts is not None):
            raise ConfigError(f"method '{self.name}' describes photos, not texts; take one that reads texts, such as "
                              "lavpr-fusion or lavpr-crossmodal")  # fmt: skip
        with devices.inference(self.device, self.precision):
            output = self.network(images, texts) if both else self.network(images)
        features = output if isinstance(output, Features) else Features(_as_vectors(output, self.name))
        return features.map(lambda tensor: tensor.float() if tensor.is_floating_point() else tensor)

    def describe(
        self,
        images: Photo | Sequence[Photo | Tensor] | Tensor | None = None,
        batch_size: int = 32,
        texts: Sequence[str] | None = None,
    ) -> Features:
        """Describe photos (paths, PIL images, uint8 arrays) or ready tensors; results in input order.

        Photos that end up with different sizes are described in buckets of equal size, so the result does not depend on
        which photos are described together (to rounding).

        Args:
            images: the photos, (C, H, W) tensors of prepared ones, or a (B, C, H, W) tensor of them; None where only
                texts are described.
            batch_size: images or texts per forward pass.
            texts: one of each photo, for a method that reads them.
        """
        if images is None:
            wanted = list(texts or ())
            parts = [wanted[start : start + batch_size] for start in range(0, len(wanted), batch_size)]
            if not parts:
                raise VprError("describe was given neither images nor texts")
            return Features.cat([self.describe_batch(None, part) for part in parts])
        if isinstance(images, Tensor):
            tensors = list(images)
        else:
            photos = [images] if isinstance(images, (str, Path, bytes, Image.Image, np.ndarray)) else list(images)
            tensors = [
                photo if isinstance(photo, Tensor) else pictures.prepare(photo, self.preprocessing) for photo in photos
            ]
        if not tensors:
            raise VprError("describe was given no images")
        if texts is not None and len(texts) != len(tensors):
            raise VprError(f"describe was given {len(tensors)} images and {len(texts)} texts; give one text per image")
        buckets = list(pictures.buckets([tensor.shape for tensor in tensors], batch_size))
        parts_of = [
            self.describe_batch(
                torch.stack([tensors[i] for i in bucket]), None if texts is None else [texts[i] for i in bucket]
            )
            for bucket in buckets
        ]
        order = torch.argsort(torch.tensor([i for bucket in buckets for i in bucket]))
        return Features.cat(parts_of)[order.to(self.device)]

    def index_vectors(self, features: Features, role: Role = "database") -> Tensor:
        """The (B, E) vectors that are searched; methods that fuse modalities give other ones for queries."""
        return self.network.index_vectors(features, role) if isinstance(self.network, Multimodal) else features.global_

    @cached_property
    def dimension(self) -> int:
        """D of the index vectors, told by describing an empty record."""
        return int(self.index_vectors(self.describe_blank()).shape[1])

    def describe_blank(self) -> Features:
        """Features of one empty image of the method's size (224 px if it has none), and of an empty text."""
        height, width = self.preprocessing.fixed_size or (224, 224)
        read = self.reads()
        blank = torch.zeros(1, self.preprocessing.channels, height, width) if "image" in read else None
        return self.describe_batch(blank, [""] if "text" in read else None)

    @cached_property
    def tensors_sha256(self) -> str:
        """SHA-256 over the network's named tensors: equal for equal numbers, whatever file they came from."""
        return tensors_sha256(self.network)

    def identity(self) -> dict[str, Any]:
        """What decides the features: equal identities give comparable vectors. Device and precision are left out."""
        own = self.configuration
        return {
            "method": self.name,
            "configuration": dict(self.network.decides(own)) if isinstance(self.network, Multimodal) else own,
            "preprocessing": self.preprocessing.to_dict(),
            "metric": self.metric,
            "tensors_sha256": self.tensors_sha256,
        }

    def __repr__(self) -> str:
        return f"Method({self.name}, {self.metric}, {self.device.type}, {self.precision})"


def tensors_sha256(network: nn.Module) -> str:
    """SHA-256 over a network's named tensors."""
    return named_sha256(network.state_dict())


def named_sha256(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over named tensors."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content: Any = tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy()
        digest.update(content)
    return digest.hexdigest()


def build_sha256(network: nn.Module) -> str:
    """SHA-256 over what a network is made of, but for its numbers: classes, plain settings, source of one's own."""
    digest = hashlib.sha256()
    own: set[type] = set()
    for name, part in network.named_modules():
        settings = {key: value for key, value in sorted(vars(part).items())
                    if key != "training" and not key.startswith("_") and _is_plain(value)}  # fmt: skip
        digest.update(f"{name} {type(part).__qualname__} {settings!r}\n".encode())
        own.add(type(part))
    for kind in sorted(own, key=lambda kind: kind.__qualname__):
        digest.update(_own_source(kind).encode())
    return digest.hexdigest()


def _is_plain(value: Any) -> bool:
    """A number, a word, nothing, or several of these."""
    if isinstance(value, (tuple, list)):
        return all(map(_is_plain, value))
    return isinstance(value, (int, float, str, type(None)))


def _own_source(kind: type) -> str:
    """Source of a class that no package installed; nothing of one that was typed in."""
    try:
        if "site-packages" in Path(inspect.getfile(kind)).parts:
            return ""
        return inspect.getsource(kind)
    except (OSError, TypeError):
        return ""


def _as_vectors(output: Any, name: str) -> Tensor:
    if not isinstance(output, Tensor) or output.dim() != 2:
        found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise VprError(f"the network of '{name}' must give Features or a (B, D) tensor, it gave {found}")
    return output
