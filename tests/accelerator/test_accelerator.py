"""The library beside an accelerator, on a device that only pretends to be one: see `elsewhere.py`.

In processes of their own, because torch takes one such device for good.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("what", sorted(path.name for path in Path(__file__).parent.glob("check_*.py")))
def test_on_a_device_that_is_not_the_cpu(what: str) -> None:
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", "-W", "ignore"]
    done = subprocess.run(
        [*command, f"tests/accelerator/{what}"], cwd=root, capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
