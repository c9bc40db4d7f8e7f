"""CLIP's features of a training set, described once and kept: what prompts are learnt from."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vprkit.data import cache
from vprkit.data.grouped_images import GroupedImages
from vprkit.errors import DataError
from vprkit.files import replacing
from vprkit.method import Method
from vprkit.methods.progeo.clip_files import Clip, image_encoder
from vprkit.preprocessing import Preprocessing
from vprkit.retrieval.describe import Streaming, describe_paths


def feature_folder(asked: str) -> Path | None:
    """Where features are kept: the folder asked for, else vprkit's cache; None where nothing is to be kept."""
    if asked:
        return Path(asked)
    own = cache.folder()
    return None if own is None else own.parent / "progeo-features"


class GroupFeatures:
    """Raw float16 features of the images of every group, as CLIP gives them; each image is described once.

    Args:
        images: the training set.
        clip: its image encoder describes.
        streaming: images per forward pass, threads, and what to do with images that cannot be read.
        broken: receives those that were skipped, name -> why.
        batch_statistics: BatchNorms of a ResNet use each (shuffled) batch's own statistics, as the published program
            does by accident; features then depend on what else is in the batch.
        folder: keeps features under names made of all that decides them; files of others are left alone. None: they
            are held in memory.
    """

    def __init__(
        self,
        images: GroupedImages,
        clip: Clip,
        streaming: Streaming,
        broken: dict[str, str],
        *,
        batch_statistics: bool = False,
        folder: Path | None = None,
    ) -> None:
        self.images, self.clip, self.streaming, self.folder = images, clip, streaming, folder
        self.batch_statistics, self.broken = batch_statistics, broken
        self._held: dict[int, Tensor] = {}

    def of(self, number: int, device: torch.device, precision: str) -> Tensor:
        """(M, dim) features of the images of group `number`, in the order of its rows; NaN where one was skipped.

        Images that an earlier run skipped are tried again.

        Args:
            number: of the group.
            device, precision: CLIP runs on.

        Raises:
            DataError: what is kept has another size, or a feature is not finite.
            ImageError: an image cannot be read, and none is to be skipped.
        """
        rows = self.images.group(number).rows
        kept = self._file(number, precision)
        features = self._held.get(number) if kept is None else _read(kept, (len(rows), self.clip.dim))
        if features is None:
            features = torch.full((len(rows), self.clip.dim), torch.nan, dtype=torch.float16)
        missing = np.flatnonzero(torch.isnan(features[:, 0]).numpy())
        if any(str(self.images.records.path(int(row))) not in self.broken for row in rows[missing]):
            # Batches of a few late images would have other statistics than those of a whole group.
            places = np.arange(len(rows)) if self.batch_statistics else missing
            self._describe(features, rows, places, device, precision)
            self._keep(number, features, kept)
        return features

    def _file(self, number: int, precision: str) -> Path | None:
        if self.folder is None:
            return None
        batch = self.streaming.batch_size if self.batch_statistics else 0
        said = f"{self.images.fingerprint()} {number} {self.clip.sha256} {precision} {batch}"
        return self.folder / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.npy"

    def _keep(self, number: int, features: Tensor, file: Path | None) -> None:
        if file is None:
            self._held[number] = features
            return
        with replacing(file) as temporary, temporary.open("wb") as opened:
            np.save(opened, features.numpy())

    def _describe(
        self, features: Tensor, rows: np.ndarray, places: np.ndarray, device: torch.device, precision: str
    ) -> None:
        """Fill in the features at these places of a group."""
        encoder, side = image_encoder(self.clip)
        # ImageNet's statistics, a bilinear resize of floats with antialias: as published with current libraries.
        preprocessing = Preprocessing(size=(side, side), engine="tensor_antialias", interpolation="bilinear")
        method = Method(encoder, preprocessing, device=device, precision=precision)
        method.network.train(self.batch_statistics)
        order = np.random.default_rng(0).permutation(places) if self.batch_statistics else places
        paths = [self.images.records.path(int(row)) for row in rows[order]]
        for part in describe_paths(method, paths, self.streaming):
            self.broken.update({str(paths[place]): why for place, why in part.skipped})
            if not part.rows:
                continue
            found = part.features.global_.half()
            infinite = np.flatnonzero(~torch.isfinite(found).all(1).numpy())
            if len(infinite):
                raise DataError(f"CLIP's feature of {paths[part.rows[infinite[0]]]} is not finite in {precision}; look "
                                "at the picture, and at the CLIP file")  # fmt: skip
            features[torch.from_numpy(order[part.rows])] = found


def _read(file: Path, shape: tuple[int, int]) -> Tensor | None:
    """What a file holds, None where there is none."""
    if not file.is_file():
        return None
    found = np.load(file, allow_pickle=False)
    if found.shape != shape:
        raise DataError(f"{file} holds features of shape {found.shape}, {shape} is wanted; remove it")
    return torch.from_numpy(found)
