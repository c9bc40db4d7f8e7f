import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import at_name, picture
from vprkit.data.benchmark import open_records
from vprkit.errors import ImageError, StoreError
from vprkit.retrieval.build import describe_into
from vprkit.retrieval.describe import Streaming
from vprkit.retrieval.store import FeatureStore


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != "lock"}


@pytest.fixture
def photos(photo_set):
    return open_records(photo_set / "queries")


def test_what_is_stored_comes_back(tmp_path, photos, hog):
    store = describe_into(tmp_path / "store", hog, photos, block=5).store
    again = FeatureStore.open(tmp_path / "store")
    assert len(again) == len(photos) == 16 and [block.stop for block in again.blocks] == [5, 10, 15, 16]
    expected = hog.describe([photos.path(row) for row in range(16)]).global_.numpy()
    assert np.allclose(again.vectors, expected, atol=1e-6)
    assert list(again.names) == list(photos.names)
    for mine, theirs in zip(again.records(), photos, strict=True):
        assert mine == theirs
    assert again.verify() == []
    assert store.manifest["identity"]["method"] == "hog"


def test_the_same_call_again_describes_nothing(tmp_path, photos, hog, monkeypatch):
    describe_into(tmp_path / "store", hog, photos)
    before = contents(tmp_path / "store")
    monkeypatch.setattr(type(hog), "describe_batch", lambda *_: pytest.fail("described again"))
    describe_into(tmp_path / "store", hog, photos)
    assert contents(tmp_path / "store") == before


def test_new_and_changed_photos_are_appended(tmp_path, photo_set, photos, hog):
    describe_into(tmp_path / "store", hog, photos)
    Image.fromarray(picture(99)).save(photo_set / "queries" / at_name(400_500, 5e6, name="new"))
    changed = photos.path(3)
    Image.fromarray(picture(98, (50, 70))).save(changed)
    again = open_records(photo_set / "queries")
    built = describe_into(tmp_path / "store", hog, again)
    store = built.store
    assert len(store) == 18 and built.described == 2 and store.current.sum() == 17
    row = store.keys[str(changed.resolve())]
    assert row >= 16
    assert np.allclose(store.vectors[row], hog.describe(changed).global_.numpy()[0], atol=1e-6)


def test_features_of_another_method_are_refused(tmp_path, photos, hog, thumbnail):
    describe_into(tmp_path / "store", hog, photos)
    with pytest.raises(StoreError, match="holds features of 'hog', asked for 'thumbnail'; use another folder$"):
        describe_into(tmp_path / "store", thumbnail, photos)
    from vprkit.loading import load_method

    with pytest.raises(StoreError, match="preprocessing"):
        describe_into(tmp_path / "store", load_method("hog", resize="96"), photos)


def test_interrupted_at_any_byte_the_store_ends_up_the_same(tmp_path, photos, hog):
    whole = tmp_path / "whole"
    describe_into(whole, hog, photos, block=4)
    expected = contents(whole)
    rng = np.random.default_rng(0)
    for trial in range(12):
        torn = tmp_path / f"torn{trial}"
        describe_into(torn, hog, photos.take(np.arange(8)), block=4)
        for path in torn.glob("*.bin"):  # a third block in flight: any part of it may be on disk
            data = expected[path.name]
            size = path.stat().st_size
            path.write_bytes(data[: size + int(rng.integers(0, len(data) - size + 1))])
        journal = torn / "journal.jsonl"
        complete = len(journal.read_bytes())
        line = expected["journal.jsonl"][complete:].split(b"\n")[0]
        journal.write_bytes(journal.read_bytes() + line[: int(rng.integers(0, len(line)))])
        assert len(FeatureStore.open(torn)) == 8
        describe_into(torn, hog, photos, block=4)
        assert contents(torn) == expected


def test_killed_for_real_it_goes_on(tmp_path):
    """kill -9 while describing; then the same call, and the result equals an uninterrupted run."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(24):
        Image.fromarray(picture(number)).save(folder / f"{number:03}.png")
    program = (
        "import sys, time\n"
        "from vprkit.data.benchmark import open_records\n"
        "from vprkit.loading import load_method\n"
        "from vprkit.retrieval.build import describe_into\n"
        "def slow(done, total): time.sleep(float(sys.argv[3]))\n"
        "hog, photos = load_method('hog', device='cpu'), open_records(sys.argv[2])\n"
        "describe_into(sys.argv[1], hog, photos, progress=slow, block=4)\n"
    )

    def start(store: Path, pause: float) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": "src", "OMP_NUM_THREADS": "1"}
        return subprocess.Popen([sys.executable, "-c", program, str(store), str(folder), str(pause)], env=environment)

    store = tmp_path / "store"
    journal = store / "journal.jsonl"
    process = start(store, 0.05)
    while process.poll() is None and (not journal.exists() or journal.read_bytes().count(b"\n") < 2):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = len(FeatureStore.open(store))
    assert 8 <= done < 24
    assert start(store, 0).wait() == 0
    assert start(tmp_path / "whole", 0).wait() == 0
    assert contents(store) == contents(tmp_path / "whole")


def test_damage_is_found_and_named(tmp_path, photos, hog):
    folder = tmp_path / "store"
    describe_into(folder, hog, photos, block=4)
    data = bytearray((folder / "global.bin").read_bytes())
    data[100] ^= 1
    (folder / "global.bin").write_bytes(data)
    assert any("global.bin: bytes 0 to" in problem for problem in FeatureStore.open(folder).verify())
    (folder / "global.bin").write_bytes(data[:-1])
    with pytest.raises(StoreError, match="global.bin is .* bytes, its journal says"):
        FeatureStore.open(folder)
    lines = (folder / "journal.jsonl").read_bytes().split(b"\n")
    lines[1] = lines[1].replace(b"8", b"9")
    (folder / "journal.jsonl").write_bytes(b"\n".join(lines))
    with pytest.raises(StoreError, match="journal.jsonl, line 2: damaged"):
        FeatureStore.open(folder)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ("{", "cannot be read"),
        ("{}", "no 'format'"),
        ('{"format": 9, "identity": {}, "dimension": 1}', "store format 9"),
    ],
)
def test_strange_manifests(tmp_path, manifest, message):
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(StoreError, match=message):
        FeatureStore.open(tmp_path)


def test_two_writers_are_kept_apart(tmp_path, photos, hog):
    from vprkit.files import exclusive

    (tmp_path / "store").mkdir()
    with exclusive(tmp_path / "store" / "lock"), pytest.raises(StoreError, match="being written by another process"):
        describe_into(tmp_path / "store", hog, photos)


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    """Stores are refused there, training goes on without the guard."""
    import errno
    import fcntl

    from vprkit.files import NotLockable, exclusive
    from vprkit.training.run_folder import RunFolder

    def no_locks(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(NotLockable, match="without locks"), exclusive(tmp_path / "lock"):
        pass
    with RunFolder(tmp_path / "run").held():
        assert (tmp_path / "run").is_dir()


def test_bad_images_fail_or_are_listed(tmp_path, photos, hog):
    photos.path(2).write_bytes(b"broken")
    with pytest.raises(ImageError, match=photos.names[2]):
        describe_into(tmp_path / "failing", hog, photos)
    built = describe_into(tmp_path / "skipping", hog, photos, Streaming(on_error="skip"), block=4)
    assert len(built.store) == 15 and built.rows[2] == -1
    assert list(built.store.skipped) == [str(photos.path(2).resolve())]
    with pytest.raises(StoreError, match="none of the 1 images"):
        describe_into(tmp_path / "nothing", hog, photos.take(np.array([2])), Streaming(on_error="skip"))


def test_mixed_sizes_give_the_same_as_one_by_one(tmp_path):
    from vprkit.loading import load_method

    method = load_method("hog", resize="none", device="cpu")
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(10):
        Image.fromarray(picture(number, (40 + 8 * (number % 3), 64))).save(folder / f"{number}.png")
    records = open_records(folder)
    store = describe_into(tmp_path / "store", method, records, Streaming(batch_size=3), block=6).store
    for row in range(10):
        assert np.allclose(store.vectors[row], method.describe(records.path(row)).global_.numpy()[0], atol=1e-6)


def test_features_that_are_not_finite_are_refused(tmp_path, photos):
    import torch

    from vprkit.method import Method

    class Broken(torch.nn.Module):
        def forward(self, images):
            return torch.full((len(images), 4), float("nan"))

    with pytest.raises(StoreError, match="not finite"):
        describe_into(tmp_path / "store", Method.from_module(Broken(), device="cpu"), photos)


def test_the_journal_is_readable(tmp_path, photos, hog):
    describe_into(tmp_path / "store", hog, photos, block=8)
    lines = (tmp_path / "store" / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line.split(" ", 1)[1])["start"] for line in lines] == [0, 8]


def bmp(path, seed):
    """A picture whose file size does not depend on what it shows."""
    Image.fromarray(picture(seed)).save(path, format="BMP")


def test_a_change_that_keeps_the_file_size_is_seen(tmp_path, hog):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        bmp(folder / f"{number}.bmp", number)
    records = open_records(folder)
    describe_into(tmp_path / "store", hog, records)
    bmp(folder / "1.bmp", 50)
    os.utime(folder / "2.bmp")  # touched, not changed
    built = describe_into(tmp_path / "store", hog, records)
    assert built.described == 1
    assert np.allclose(built.store.vectors[built.rows[1]], hog.describe(folder / "1.bmp").global_.numpy()[0], atol=1e-6)
    assert built.rows.tolist() == [0, 3, 2]


def test_corrected_positions_keep_the_vector(tmp_path, hog, monkeypatch):
    for number in range(3):
        bmp(tmp_path / f"{number}.bmp", number)
    table = tmp_path / "photos.csv"
    table.write_text("path,lat,lon\n0.bmp,46,7\n1.bmp,46,7\n2.bmp,46,7\n")
    describe_into(tmp_path / "store", hog, open_records(table))
    table.write_text("path,lat,lon,text\n0.bmp,46,7,\n1.bmp,48,11,\n2.bmp,46,7,red\n")
    monkeypatch.setattr(type(hog), "describe_batch", lambda *_: pytest.fail("described again"))
    built = describe_into(tmp_path / "store", hog, open_records(table))
    assert (built.described, built.copied) == (0, 2)
    assert built.store.records(built.rows)[1].latitude == 48
    assert built.store.records(built.rows)[2].text == "red"
    assert np.array_equal(built.store.vectors[built.rows[1]], built.store.vectors[1])
    assert built.store.current.tolist() == [True, False, False, True, True]


def test_a_moved_folder_is_not_described_again(tmp_path, hog, monkeypatch):
    (tmp_path / "old").mkdir()
    for number in range(3):
        bmp(tmp_path / "old" / f"{number}.bmp", number)
    describe_into(tmp_path / "store", hog, open_records(tmp_path / "old"))
    (tmp_path / "old").rename(tmp_path / "new")
    bmp(tmp_path / "new" / "2.bmp", 9)
    built = describe_into(tmp_path / "store", hog, open_records(tmp_path / "new"))
    assert (built.described, built.copied) == (1, 2)
    assert all(built.store.path(int(row)).is_file() for row in built.rows)


def test_photos_that_are_nowhere_are_not_taken_for_moved_ones(tmp_path, hog):
    (tmp_path / "old").mkdir()
    bmp(tmp_path / "old" / "0.bmp", 0)
    describe_into(tmp_path / "store", hog, open_records(tmp_path / "old"))
    (tmp_path / "old" / "0.bmp").unlink()
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "p.csv").write_text("path,lat,lon\n0.bmp,46,7\n")
    with pytest.raises(ImageError, match="new/0.bmp: there is no such file"):
        describe_into(tmp_path / "store", hog, open_records(tmp_path / "new" / "p.csv"))


def test_spellings_of_a_folder_are_one(tmp_path, photos, hog):
    describe_into(tmp_path / "store", hog, photos)
    (tmp_path / "link").symlink_to(photos.root)
    for spelling in (photos.root / ".." / photos.root.name, tmp_path / "link"):
        assert describe_into(tmp_path / "store", hog, open_records(spelling)).described == 0


def test_a_missing_journal_is_damage_not_emptiness(tmp_path, photos, hog):
    describe_into(tmp_path / "store", hog, photos)
    (tmp_path / "store" / "journal.jsonl").unlink()
    with pytest.raises(StoreError, match="journal.jsonl cannot be read"):
        describe_into(tmp_path / "store", hog, photos)
    assert (tmp_path / "store" / "global.bin").stat().st_size > 0


def test_unreadable_images_are_listed_once_and_forgotten_when_mended(tmp_path, photos, hog):
    whole = photos.path(0).read_bytes()
    photos.path(0).write_bytes(b"broken")
    skip = Streaming(on_error="skip")
    for _ in range(3):  # the very first block holds nothing else
        built = describe_into(tmp_path / "store", hog, photos, skip, block=1)
        assert len(built.store.skipped) == 1
    assert sum(len(block.skipped) for block in built.store.blocks) == 1
    photos.path(0).write_bytes(whole)
    built = describe_into(tmp_path / "store", hog, photos, skip, block=1)
    assert built.described == 1 and built.store.skipped == {}


def test_an_image_that_was_readable_is_listed_too_and_struck_off_when_it_is_mended(tmp_path, photos, hog):
    """Its earlier row stays; the same bytes again need no describing, other bytes do."""
    folder, skip = tmp_path / "store", Streaming(on_error="skip")
    first, path = describe_into(folder, hog, photos, skip), photos.path(0)
    whole = path.read_bytes()
    path.write_bytes(b"broken")
    for _ in range(2):
        built = describe_into(folder, hog, photos, skip)
        assert (built.described, built.rows[0], list(built.store.skipped)) == (0, -1, [str(path.resolve())])
        assert built.store.current.all() and len(built.store) == 16
    assert sum(len(block.skipped) for block in built.store.blocks) == 1
    path.write_bytes(whole)
    built = describe_into(folder, hog, photos, skip)
    assert (built.described, built.copied, built.store.skipped) == (0, 1, {})
    assert np.array_equal(built.store.vectors[built.rows], first.store.vectors[first.rows])
    assert describe_into(folder, hog, photos, skip).copied == 0
    path.write_bytes(b"broken again")
    assert len(describe_into(folder, hog, photos, skip).store.skipped) == 1
    path.write_bytes(photos.path(1).read_bytes())
    built = describe_into(folder, hog, photos, skip)
    assert (built.described, built.store.skipped) == (1, {})


def test_vectors_of_different_lengths_are_refused(tmp_path):
    import torch

    from vprkit.errors import VprError
    from vprkit.method import Method
    from vprkit.preprocessing import Preprocessing

    class Flat(torch.nn.Module):
        def forward(self, images):
            return images.flatten(1)

    for number, size in enumerate(((8, 8), (8, 9))):
        Image.fromarray(picture(number, size)).save(tmp_path / f"{number}.png")
    own = Method.from_module(Flat(), Preprocessing(size=None, fit="none"), device="cpu")
    with pytest.raises(VprError, match="vectors of 192, 216 numbers for images of different sizes"):
        describe_into(tmp_path / "store", own, open_records(tmp_path))
