"""A map through a random life: photos come, change and go, positions are corrected, the folder moves; it always answers
from what is there now. A plain dictionary says what that is."""

import random
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import picture
from vprkit.data.benchmark import open_records
from vprkit.errors import VprError
from vprkit.retrieval.map import Map


class Life:
    """Photos, a table of their positions, a map, and what it should hold: name -> (picture, latitude)."""

    def __init__(self, folder: Path, method, seed: int) -> None:
        self.draw = random.Random(seed)
        self.photos, self.out, self.method = folder / "photos", folder / "m", method
        self.photos.mkdir()
        self.now: dict[str, tuple[int, float]] = {}
        self.known: dict[str, tuple[int, float]] = {}
        self.removed: set[str] = set()
        self.pictures = 0
        for _ in range(6):
            self.take_photo()
        self.build()

    def take_photo(self) -> None:
        self.write(f"{len(self.now)}.bmp", round(self.draw.uniform(40, 50), 3))

    def write(self, name: str, latitude: float) -> None:
        Image.fromarray(picture(self.pictures)).save(self.photos / name)  # BMP: every file has the same size
        self.now[name] = (self.pictures, latitude)
        self.pictures += 1

    def change_photo(self) -> None:
        name = self.draw.choice(list(self.now))
        self.write(name, self.now[name][1])

    def correct_position(self) -> None:
        name = self.draw.choice(list(self.now))
        self.now[name] = (self.now[name][0], round(self.draw.uniform(40, 50), 3))

    def move_folder(self) -> None:
        self.build()  # a photo that changed and moved at once would be a new one, and the old one lost
        self.photos = self.photos.rename(self.photos.with_name(f"photos{self.draw.random()}"))
        self.build()

    def table(self):
        rows = [f"{name},{latitude},7" for name, (_, latitude) in self.now.items()]
        (self.photos / "photos.csv").write_text("path,lat,lon\n" + "\n".join(rows) + "\n")
        return open_records(self.photos / "photos.csv")

    def build(self) -> None:
        Map.build(self.table(), self.method, self.out)
        self.known = dict(self.now)

    def add(self) -> None:
        Map.open(self.out).add(self.table())
        self.known, self.removed = dict(self.now), set()

    def remove(self) -> None:
        name = self.draw.choice(list(self.known))
        if name in self.removed:
            with pytest.raises(VprError, match="fits no image"):
                Map.open(self.out).remove([name])
        elif len(self.known) - len(self.removed) > 2:
            assert Map.open(self.out).remove([name]) == 1
            self.removed.add(name)

    def check(self) -> None:
        opened = Map.open(self.out)
        expected = {name: value for name, value in self.known.items() if name not in self.removed}
        assert len(opened) == len(expected)
        for name, (number, latitude) in expected.items():
            best = opened.locate(picture(number), top=1)[0]
            assert (best.name, best.latitude, round(best.score, 4)) == (name, latitude, 1.0)
        assert opened.store.verify() == []


@pytest.mark.parametrize("seed", range(6))
def test_a_map_answers_from_what_is_there_now(tmp_path, thumbnail, seed):
    life = Life(tmp_path, thumbnail, seed)
    steps = [life.take_photo, life.change_photo, life.correct_position, life.move_folder, life.build, life.add]
    steps += [life.remove] * 2
    for _ in range(25):
        life.draw.choice(steps)()
        life.check()
