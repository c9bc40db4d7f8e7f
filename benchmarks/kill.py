"""Kill -9 campaign: a map is killed at random moments until it completes; it must equal an undisturbed one."""

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import table
from PIL import Image

PROGRAM = "from vprkit.cli import main; main()"


def start(photos: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", PROGRAM, "map", "build", str(photos), "--out", str(out), "-q", "--resize", "256"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if not path.name.endswith(".tmp")}


def main(campaigns: int, photos: int, seed: int) -> None:
    draw = random.Random(seed)
    kills = survived = 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "photos"
        folder.mkdir()
        for number in range(photos):
            coarse = np.random.default_rng(number).integers(0, 256, (30, 40, 3), np.uint8)
            Image.fromarray(coarse).resize((640, 480)).save(folder / f"{number:05}.jpg")
        before = time.perf_counter()
        assert start(folder, Path(scratch) / "quiet").wait() == 0
        whole = time.perf_counter() - before
        expected = contents(Path(scratch) / "quiet")
        for campaign in range(campaigns):
            out = Path(scratch) / "killed"
            shutil.rmtree(out, ignore_errors=True)
            for attempt in range(100):
                process = start(folder, out)
                try:
                    process.wait(draw.uniform(0.2, 0.9) * whole if attempt < 4 else None)
                    assert process.returncode == 0, f"campaign {campaign}: a repeated build failed"
                    break
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    kills += 1
            assert contents(out) == expected, f"campaign {campaign}: the map differs from an uninterrupted one"
            survived += 1
    table(
        f"Map of {photos} photos, killed at random moments",
        ("campaigns", "kills", "equal to a quiet build"),
        [(str(campaigns), str(kills), str(survived))],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--campaigns", type=int, default=10)
    parser.add_argument("--photos", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    main(given.campaigns, given.photos, given.seed)
