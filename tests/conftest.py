"""Fixtures: small photo sets made on the spot, and the real ones beside the checkout where they are there."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from vprkit.loading import load_method

DATASETS = Path(__file__).parents[2] / "shared" / "datasets"

torch.set_num_threads(1)
os.environ["VPRKIT_CACHE"] = "off"  # tests leave nothing in the user's cache


def picture(seed: int, size: tuple[int, int] = (48, 64), noise: float = 0.0, noise_seed: int = 0) -> np.ndarray:
    """A smooth random (H, W, 3) uint8 picture; the same seed with noise is the same place on another day."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    image = np.asarray(Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC), np.float64)
    image = image + np.random.default_rng(noise_seed).normal(0, noise, image.shape) if noise else image
    return image.clip(0, 255).astype(np.uint8)


def at_name(east: float, north: float, note: str = "", name: str = "x", zone: str = "32@T") -> str:
    return f"@{east:010.2f}@{north:010.2f}@{zone}@@@{name}@@@@@@@{note}@.jpg"


def write_set(root: Path, places: int = 8, spacing: float = 50.0, notes: tuple[str, ...] = ("day", "night")) -> Path:
    """An `@` data set: one database photo per place, one noisier query per place and note, 3 m away."""
    for role in ("database", "queries"):
        (root / role).mkdir(parents=True)
    for place in range(places):
        east, north = 400_000 + place * spacing, 5_000_000.0
        Image.fromarray(picture(place)).save(root / "database" / at_name(east, north, name=f"d{place}"), quality=95)
        for number, note in enumerate(notes):
            image = picture(place, noise=10.0 + 10 * number, noise_seed=place)
            file = root / "queries" / at_name(east + 3, north, note, f"q{place}_{number}")
            Image.fromarray(image).save(file, quality=95)
    return root


@pytest.fixture
def photo_set(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set")


@pytest.fixture
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder where weights are looked for."""
    path = tmp_path / "weights"
    path.mkdir()
    monkeypatch.setenv("VPRKIT_WEIGHTS", str(path))
    return path


@pytest.fixture(scope="session")
def shared_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Like `photo_set`, made once; tests must not change it."""
    return write_set(tmp_path_factory.mktemp("shared") / "set")


@pytest.fixture(scope="session")
def hog():
    return load_method("hog", device="cpu")


@pytest.fixture(scope="session")
def thumbnail():
    return load_method("thumbnail", device="cpu")


def real_set(name: str) -> Path:
    """A real evaluation set, or a skip that says what is missing."""
    folder = DATASETS / name
    if not folder.is_dir():
        pytest.skip(f"real images are not here: {folder}")
    return folder
