from concurrent.futures import ThreadPoolExecutor

import torch
from safetensors.torch import load_file

from tests.training.small import OPTIONS, Drawn
from vprkit.training.kept_images import KeptImages
from vprkit.training.train import train


def test_images_are_decoded_once_while_there_is_room():
    kept, decoded = KeptImages(2.5 * 300 / 1e9), []

    def decode(row):
        decoded.append(row)
        return torch.full((3, 10, 10), row, dtype=torch.uint8)

    for _ in range(3):
        for row in range(4):
            assert kept.get(row, lambda row=row: decode(row))[0, 0, 0] == row
    assert len(kept) == 2
    assert [decoded.count(row) for row in range(4)] == [1, 1, 3, 3]


def test_threads_do_not_count_an_image_twice():
    kept = KeptImages(1000 * 300 / 1e9)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda row: kept.get(row % 50, lambda: torch.zeros(300, dtype=torch.uint8)), range(2000)))
    assert len(kept) == 50 and kept.free == 950 * 300


class Counted(Drawn):
    """Counts how often each photo is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def photo(self, row):
        self.asked.append(row)
        return super().photo(row)


def test_kept_images_train_the_same_network(tmp_path):
    files = {}
    for gigabytes, times in ((0.0, 2), (1.0, 1)):
        places = Counted()
        options = {**OPTIONS, "keep_gb": gigabytes, "augmentation.brightness": 0.5}
        run = train("mixvpr", {"train": places}, out=tmp_path / str(gigabytes), options=options)
        assert max(places.asked.count(row) for row in range(len(places))) == times
        files[gigabytes] = run.weights
    first, second = (load_file(path) for path in files.values())
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
