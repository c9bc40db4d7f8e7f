"""Images per second of the procedural city, with JPEG writing and start-up."""

import argparse
import tempfile
import time

from common import table

from vprkit.data.city import make_city


def main(places: int, views: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        images = make_city(f"{scratch}/city", places, views, 1).images
        seconds = time.perf_counter() - start
    table(
        "Procedural city, 224 x 224",
        ("images", "seconds", "images/s"),
        [(str(images), f"{seconds:.1f}", f"{images / seconds:.0f}")],
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--places", type=int, default=60)
    parser.add_argument("--views", type=int, default=12)
    given = parser.parse_args()
    main(given.places, given.views)
