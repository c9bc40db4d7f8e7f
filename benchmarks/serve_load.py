"""The service under load: clients that ask without a pause, 10,000 drawn photos, the server as its own process.

    python benchmarks/serve_load.py [--cities FOLDER] [--seconds 60] [--clients 16] [--method hog]

The city is drawn and mapped into `--cities` (minutes, once). Every photo that is sent is one of the map's, 1 in 25 of
them, so each answer can be checked: its first hit is that very photo.
"""

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "src")]

from common import table  # noqa: E402
from tests.serve.load import Asked, Load, load  # noqa: E402
from tests.serve.process import Served, served  # noqa: E402

from vprkit.data.benchmark import open_records  # noqa: E402
from vprkit.data.city import make_city  # noqa: E402
from vprkit.loading import load_method  # noqa: E402
from vprkit.retrieval.map import Map  # noqa: E402

EVERY = 25
"""One of so many photos of the map is asked about."""


def drawn_map(folder: Path, places: int, views: int, size: int, method: str, weights: str | None) -> Map:
    """The map of a drawn city; what is there already is kept."""
    if not (folder / "city" / "city.json").exists():
        make_city(folder / "city", places, views, seed=17, size=size)
    records = open_records(folder / "city" / "images" / "test")
    print(f"{len(records)} photos of {size} px", flush=True)
    return Map.build(records, load_method(method, weights, device="cpu"), folder / f"{method}.map")


def questions(place_map: Map) -> list[Asked]:
    rows = range(0, len(place_map.store), EVERY)
    return [Asked(place_map.store.path(row).read_bytes(), place_map.store.names[row]) for row in rows]


def told(service: Served, found: Load, before: float, clients: int) -> list[str]:
    count, batches = service.metric("vprkit_batch_size_sum"), service.metric("vprkit_batch_size_count")
    return [
        str(clients), str(len(found.seconds)), str(len(found.failures)), str(found.wrong),
        *(f"{found.quantile(share):.0f}" for share in (0.5, 0.95, 0.99)), f"{len(found.seconds) / found.took:.1f}",
        f"{count / batches:.1f}", str(max(found.batches)), f"{before:.0f} -> {service.anonymous_megabytes():.0f}",
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cities", type=Path, default=Path("cities"))
    parser.add_argument("--places", type=int, default=1250)
    parser.add_argument("--views", type=int, default=8)
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--method", default="hog")
    parser.add_argument("--weights")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--warm", type=float, default=3.0, help="seconds that are not counted")
    asked = parser.parse_args()
    place_map = drawn_map(asked.cities, asked.places, asked.views, asked.size, asked.method, asked.weights)
    photos = questions(place_map)
    with served(place_map.folder, "--device", "cpu") as service:
        load(service.port, photos, asked.clients, asked.warm)
        before = service.anonymous_megabytes()
        found = load(service.port, photos, asked.clients, asked.seconds)
        row = told(service, found, before, asked.clients)
    header = (
        "clients", "answers", "failures", "wrong", "p50 ms", "p95 ms", "p99 ms", "per second", "mean batch",
        "largest batch", "MB",
    )  # fmt: skip
    table(f"{len(place_map)} photos, {asked.method}, {found.took:.0f} s", header, [row])
    print(*found.failures[:5], sep="\n")


if __name__ == "__main__":
    main()
