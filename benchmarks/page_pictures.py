"""Pictures of the service's page for the docs: a drawn city, a calibration from another one, headless Chromium.

python benchmarks/page_pictures.py --out docs/images
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "src")]

from tests.serve.browser import browser, hosted  # noqa: E402

import vprkit  # noqa: E402
from vprkit.data.benchmark import open_records  # noqa: E402
from vprkit.data.city import make_city  # noqa: E402
from vprkit.evaluation.confidence import fit_confidence  # noqa: E402
from vprkit.retrieval.map import Map  # noqa: E402

REJECT = 0.5
WIDE, PHONE = {"width": 1280, "height": 860}, {"width": 390, "height": 844}
QUALITY = 82


def calibrated_map(folder: Path) -> tuple[Map, Path]:
    """A map of drawn streets with captions that knows how sure it is; and the folder of its queries."""
    hog = vprkit.load_method("hog", device="cpu")
    make_city(folder / "other", 60, 8, seed=6)
    confidence = fit_confidence([vprkit.evaluate(hog, vprkit.open_benchmark(folder / "other"))])
    make_city(folder / "city", 40, 6, seed=5)
    streets = folder / "city" / "images" / "test"
    built = Map.build(
        open_records(streets / "database", texts=streets / "descriptions.csv"), hog, folder / "streets.map"
    )
    built.calibrate(confidence)
    return built, streets / "queries"


def shoot(url: str, photo: Path, out: Path, *, dark: bool = False, phone: bool = False, compare: bool = False) -> None:
    """Ask about a photo and take a picture of what is seen then."""
    with browser(viewport=PHONE if phone else WIDE, color_scheme="dark" if dark else "light", reduced_motion="reduce",
                 device_scale_factor=1) as context:  # fmt: skip
        page = context.new_page()
        page.goto(url)
        page.wait_for_selector("body[data-ready]")
        page.set_input_files("#photo", {"name": "street.jpg", "mimeType": "image/jpeg", "buffer": photo.read_bytes()})
        for place in range(5):
            page.wait_for_selector(f"#hits .hit >> nth={place} >> img")
        if compare:
            page.click("#hits .hit >> nth=0")
            page.wait_for_selector("#compare-pictures img >> nth=1")
        page.wait_for_timeout(500)
        page.screenshot(path=out, type="jpeg", quality=QUALITY, full_page=phone)
    print(f"{out}: {out.stat().st_size / 1000:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("docs/images"))
    out = parser.parse_args().out
    with tempfile.TemporaryDirectory() as scratch:
        place_map, queries = calibrated_map(Path(scratch))
        photos = sorted(queries.glob("*.jpg"))
        located = place_map.locate_many(photos)
        order = sorted(range(len(photos)), key=lambda number: located[number].confidence or 0.0)
        several = [number for number in order if located[number].estimate.hits > 1]  # type: ignore[union-attr]
        with hosted(place_map, reject=REJECT) as url:
            shoot(url, photos[several[-1]], out / "page.jpg")
            shoot(url, photos[several[-1]], out / "page-compare.jpg", dark=True, compare=True)
            shoot(url, photos[order[0]], out / "page-unknown.jpg", phone=True)


if __name__ == "__main__":
    main()
