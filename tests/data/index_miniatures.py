"""Miniatures whose images are listed in index files."""

from pathlib import Path

import numpy as np

from tests.data.writing import near, photos


def msls_val_index(root: Path) -> list[list[int]]:
    names = {"db": [f"train_val/cph/database/images/{n}-key.jpg" for n in range(4)],
             "q": [f"train_val/cph/query/images/_{n}key.jpg" for n in range(3)]}  # fmt: skip
    for each in names.values():
        photos(root, each)
    np.save(root / "msls_val_dbImages.npy", np.array([f"/home/you/data/msls/{name}" for name in names["db"]]))
    np.save(root / "msls_val_qImages.npy", np.array(names["q"], dtype=object), allow_pickle=True)
    np.save(root / "msls_val_qIdx.npy", np.array([0, 2]))
    positives = np.empty(2, dtype=object)
    positives[0], positives[1] = np.array([1, 0]), np.array([3])
    np.save(root / "msls_val_pIdx.npy", positives, allow_pickle=True)
    return [[0, 1], [3]]


def patch_netvlad(root: Path) -> list[list[int]]:
    for season in ("summer", "winter"):
        photos(root, [f"{season}/images-{n:05d}.png" for n in range(12)])
    lists = root / "lists"
    lists.mkdir()
    for word, season in (("index", "summer"), ("query", "winter")):
        text = "".join(f"{season}/images-{n:05d}.png\n" for n in range(12))
        (lists / f"nordland_imageNames_{word}.txt").write_text(text)
    numbers = np.arange(12.0)
    points = np.stack([numbers, numbers], 1)
    np.savez(lists / "nordland.npz", utmQ=points, utmDb=points, posDistThr=10.0)
    return near(range(12), 7, 12)
