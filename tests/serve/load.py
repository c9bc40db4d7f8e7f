"""Many clients of a service at once; for the tests and `benchmarks/serve_load.py`."""

import http.client
import json
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.serve.malformed import END, FORM, part

PATIENCE = 60


class Asked(NamedTuple):
    """A photo, and what the name of the first hit must hold."""

    photo: bytes
    expected: str


@dataclass
class Load:
    """What clients met: seconds of every answer, sizes of the batches, sentences about failures."""

    seconds: list[float] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    wrong: int = 0
    took: float = 0.0

    def quantile(self, share: float) -> float:
        """Milliseconds within which a share of the answers came."""
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def load(port: int, photos: Sequence[Asked], clients: int, seconds: float) -> Load:
    """Clients that ask one photo after the other, each on its own connection, for some seconds."""
    found = Load()
    lock = threading.Lock()
    start = time.perf_counter()
    bodies = [part(b"image", one.photo) + END for one in photos]

    def client(number: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        place = number
        while time.perf_counter() - start < seconds:
            place = (place + clients) % len(photos)
            begun = time.perf_counter()
            try:
                line.request("POST", "/locate", bodies[place], {"Content-Type": FORM.decode()})
                answer = line.getresponse()
                told = json.loads(answer.read())
            except (OSError, ValueError, http.client.HTTPException) as error:
                with lock:
                    found.failures.append(repr(error))
                line.close()
                continue
            with lock:
                if answer.status != 200:
                    found.failures.append(f"{answer.status}: {told}")
                    continue
                found.seconds.append(time.perf_counter() - begun)
                found.batches.append(told["timing"]["batch"])
                found.wrong += photos[place].expected not in told["hits"][0]["name"]
        line.close()

    threads = [threading.Thread(target=client, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found.took = time.perf_counter() - start
    return found
