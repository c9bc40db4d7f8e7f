"""Malformed requests to the service: some 360 kinds, many times, several at once, with sound ones in between.

    python benchmarks/serve_malformed.py [--rounds 20] [--clients 4]

Each must be answered with a 4xx; the sound ones must be answered rightly; memory must stay.
"""

import argparse
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "src")]

from common import table  # noqa: E402
from tests.serve.load import Asked, Load, load  # noqa: E402
from tests.serve.malformed import Wrong, status_of, wrongs  # noqa: E402
from tests.serve.process import Served, served  # noqa: E402

from vprkit.data.benchmark import open_records  # noqa: E402
from vprkit.data.city import make_city  # noqa: E402
from vprkit.loading import load_method  # noqa: E402
from vprkit.retrieval.map import Map  # noqa: E402

SOUND_SECONDS = 0.5


def one_round(service: Served, kinds: list[Wrong], sound: Asked, clients: int) -> tuple[Counter[str], Load]:
    """Every kind once, by several clients, while another sends sound photos."""
    with ThreadPoolExecutor(clients + 1) as pool:
        good = pool.submit(load, service.port, [sound], 1, SOUND_SECONDS)
        answers = list(pool.map(lambda wrong: status_of(service.port, wrong), kinds))
    for status, wrong in zip(answers, kinds, strict=True):
        if not 400 <= status < 500:
            print(f"{status}: {wrong.name}")
    return Counter(f"{status // 100}xx" for status in answers), good.result()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--clients", type=int, default=4)
    asked = parser.parse_args()
    kinds = list(wrongs())
    with tempfile.TemporaryDirectory() as scratch:
        make_city(Path(scratch) / "city", 8, 6, seed=7, workers=1)
        records = open_records(Path(scratch) / "city" / "images" / "test" / "database")
        built = Map.build(records, load_method("hog", device="cpu"), Path(scratch) / "city.map")
        sound = Asked(built.store.path(0).read_bytes(), built.store.names[0])
        rows = []
        with served(built.folder, "--device", "cpu") as service:
            for number in range(1, asked.rounds + 1):
                answers, good = one_round(service, kinds, sound, asked.clients)
                refused = ", ".join(f"{count} {status}" for status, count in sorted(answers.items()))
                fine = f"{len(good.seconds)}, {len(good.failures)}, {good.wrong}"
                rows.append([str(number), refused, fine, f"{service.anonymous_megabytes():.0f}"])
            tracebacks = service.log.read_text().count("Traceback")
    shown = [row for row in rows if int(row[0]) in {1, 2, 3, 5, 10, asked.rounds}]
    table(f"{len(kinds)} kinds", ("round", "answers", "sound: right or not, failed, wrong", "anonymous MB"), shown)
    print(f"\n{len(kinds) * asked.rounds} malformed requests; {tracebacks} tracebacks in the service's log")


if __name__ == "__main__":
    main()
