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


def group_features(
    images: GroupedImages,
    number: int,
    clip: Clip,
    device: torch.device,
    precision: str,
    batch: int,
    *,
    batch_statistics: bool = False,
    folder: Path | None = None,
) -> Tensor:
    """(M, dim) float16 features of a group's images in the order of its rows, raw as CLIP gives them.

    Args:
        images: the training set.
        number: of the group.
        clip: its image encoder describes.
        device, precision: it runs on.
        batch: images per forward pass.
        batch_statistics: BatchNorms of a ResNet use each (shuffled) batch's own statistics, as the published program
            does by accident; features then depend on what else is in the batch.
        folder: keeps features under a name made of all that decides them; files of others are left alone.

    Raises:
        DataError: what is kept under this name has another size.
    """
    rows = images.group(number).rows
    said = f"{images.fingerprint()} {number} {clip.sha256} {precision} {batch if batch_statistics else 0}"
    kept = None if folder is None else folder / f"{hashlib.sha256(said.encode()).hexdigest()[:32]}.npy"
    if kept is not None and kept.is_file():
        found = np.load(kept, allow_pickle=False)
        if len(found) != len(rows):
            raise DataError(f"{kept} holds {len(found)} features, {len(rows)} are wanted; remove it")
        return torch.from_numpy(found)
    features = _described(images, rows, clip, device, precision, batch, batch_statistics).half()
    if kept is not None:
        with replacing(kept) as temporary, temporary.open("wb") as file:
            np.save(file, features.numpy())
    return features


def _described(
    images: GroupedImages,
    rows: np.ndarray,
    clip: Clip,
    device: torch.device,
    precision: str,
    batch: int,
    batch_statistics: bool,
) -> Tensor:
    encoder, side = image_encoder(clip)
    # ImageNet's statistics, a bilinear resize of floats with antialias: as published with current libraries.
    preprocessing = Preprocessing(size=(side, side), engine="tensor_antialias", interpolation="bilinear")
    method = Method(encoder, preprocessing, device=device, precision=precision)
    order = np.random.default_rng(0).permutation(len(rows)) if batch_statistics else np.arange(len(rows))
    method.network.train(batch_statistics)
    paths = [images.records.path(int(row)) for row in rows[order]]
    parts = [part.features.global_.float().cpu() for part in describe_paths(method, paths, Streaming(batch))]
    features = torch.empty(len(rows), parts[0].shape[1])
    features[torch.from_numpy(order)] = torch.cat(parts)
    return features
