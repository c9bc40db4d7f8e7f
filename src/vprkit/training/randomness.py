"""Every draw of a run as a function of seed, epoch and batch: nothing to save, and a resumed run draws the same."""

import random

import numpy as np
import torch


def seed_everything(*key: int) -> None:
    """Set the generators of torch (all devices), NumPy and Python from a key such as (seed, epoch, batch, rank)."""
    first, second = np.random.SeedSequence(key).generate_state(2, np.uint32)
    torch.manual_seed((int(first) << 31) ^ int(second))
    np.random.seed(int(first))
    random.seed(int(first))


def generator_for(*key: int) -> np.random.Generator:
    """A generator of its own for a key."""
    return np.random.default_rng(key)
