"""A service as its own process, for the tests and the benchmarks."""

import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import vprkit

PATIENCE = 120
"""Seconds that a start may take."""


@dataclass(frozen=True)
class Served:
    """A running service: its address (without a slash at the end), process and log."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            content: bytes = answer.read()
        return content

    def json(self, path: str):
        return json.loads(self.get(path))

    def metric(self, name: str) -> float:
        """The sum over labels of a metric."""
        lines = self.get("/metrics").decode().splitlines()
        return sum(float(line.split()[-1]) for line in lines if re.match(rf"{name}(\{{|\s)", line))

    def anonymous_megabytes(self) -> float:
        """Memory of the process that no file backs."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"RssAnon:\s+(\d+) kB", status)
        assert found is not None
        return int(found[1]) / 1024


@contextlib.contextmanager
def served(place_map: Path, *options: str) -> Iterator[Served]:
    """`vpr serve` on a free port of this machine until the block ends."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        command = [sys.executable, "-m", "vprkit", "serve", str(place_map), "--port", "0", *options]
        environment = {**os.environ, "PYTHONPATH": str(Path(vprkit.__file__).parents[1]), "OMP_WAIT_POLICY": "PASSIVE"}
        with log.open("wb") as file:
            process = subprocess.Popen(command, stdout=file, stderr=file, env=environment)
        try:
            yield Served(_address(process, log), process, log)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"(http://\S+?)/ ", log.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    raise RuntimeError(f"the service did not start: {log.read_text()}")
