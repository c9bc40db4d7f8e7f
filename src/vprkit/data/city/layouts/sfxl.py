"""The SF-XL layout: panoramas for training, crops for validation and test, path lists.

Field 9 of a panorama is the direction of its centre, of a crop the direction of its leftmost column. Panoramas turn
clockwise from left to right and the field is a compass heading (90 east). The data set's documentation says 90 west,
but the published crop formula (`column_of`) only finds its focal point with compass headings, so these are written.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

from vprkit.data.city.frames import Frame, Source, csv_text
from vprkit.data.city.geo import Site, at_name
from vprkit.data.city.layouts.at import site_of, split_places
from vprkit.data.city.layouts.gsv import random_key
from vprkit.data.city.options import CityOptions
from vprkit.data.city.plan import CityPlan, Place
from vprkit.data.city.randomness import between, generator
from vprkit.data.city.shot import Shot
from vprkit.data.city.surroundings import on_street
from vprkit.data.city.views import moment, photograph

WIDTH, HEIGHT = 3328, 512  # pixels of a panorama; crops are HEIGHT x HEIGHT
_SHARES = (0.6, 0.2, 0.2)  # of places for panoramas, validation and test
_HORIZON = 0.62  # row of the horizon as a share of the height


def column_of(heading: float, from_east: float, from_north: float, to_east: float, to_north: float) -> int:
    """Left column of the 512-pixel crop of a panorama that is centred on a focal point (published formula)."""
    angle = math.degrees(math.atan2(to_east - from_east, to_north - from_north)) % 360
    crop = int((angle / 360 * WIDTH) % WIDTH)
    yaw = int(((180 - heading) % 360) / 360 * WIDTH)
    return (yaw + crop - HEIGHT // 2) % WIDTH


class SfxlLayout:
    """Writes the SF-XL layout."""

    def plan(self, options: CityOptions) -> list[Frame]:
        city, site = CityPlan(options.seed, options.places), site_of(options.seed, 37.7706, -122.4248)
        frames = []
        for split, places in split_places(city.places, _SHARES).items():
            for place in places:
                source = Source(options.seed, options.places, (place.x, place.y), site.rotation)
                if split == "train":
                    frames += _panoramas(place, options, source, site)
                else:
                    frames += _crops(split, place, options, source, site)
        return frames

    def tables(self, frames: Sequence[Frame], texts: Mapping[str, str]) -> dict[str, str]:
        tables = {"all_images_paths.txt": _lines(frame.path for frame in frames)}
        for folder in dict.fromkeys(frame.path.rsplit("/", 1)[0] for frame in frames):
            inside = [frame.path[len(folder) + 1 :] for frame in frames if frame.path.startswith(f"{folder}/")]
            tables[f"{folder}_images_paths.txt"] = _lines(inside)
        described = [(frame.path, texts[frame.path]) for frame in frames]
        tables["descriptions.csv"] = csv_text(("image_path", "description"), described)
        return tables


def _lines(paths: Iterable[str]) -> str:
    return "".join(f"{path}\n" for path in sorted(paths))


def _panoramas(place: Place, options: CityOptions, source: Source, site: Site) -> list[Frame]:
    """Panoramas along the street through a place, by day, one per four views and at least two."""
    frames = []
    for n in range(max(2, options.views // 4)):
        rng = generator(options.seed, "panorama", place.number, n)
        street = place.street
        along = (place.y if street.vertical else place.x) + between(rng, -9, 9)
        x, y = on_street(street, between(rng, -1.5, 1.5), along)
        # Whole degrees: the name holds no more, and crops must point where the name says.
        heading = float(rng.integers(360))
        shot = Shot(
            (place.number, 1000 + n), place.number, x, y, 1.7, heading + site.rotation, "day",
            moment(rng, "day", 2016 + n % 3), horizon=_HORIZON, lens="panorama", size=(HEIGHT, WIDTH), full_width=WIDTH,
        )  # fmt: skip
        position = site.locate(x, y)
        image = random_key(options.seed, *shot.key)
        name = at_name(position, image, None, heading, shot.time[:6])
        frames.append(Frame(f"raw/train/panoramas/{name}", shot, source, position, heading, str(place.number)))
    return frames


def _crops(split: str, place: Place, options: CityOptions, source: Source, site: Site) -> list[Frame]:
    """Database and query crops of one place; each is rendered as the piece of a panorama it stands for."""
    frames = []
    views = photograph(options.seed, place, options.views, options.conditions, HEIGHT)
    for role, shots in (("database", views.database), ("queries", views.queries)):
        for view in shots:
            heading = float(round(site.heading(view.bearing) - 180 * HEIGHT / WIDTH) % 360)
            # The crop starts at the middle column of a panorama that looks along `heading`.
            shot = dataclasses.replace(
                view, lens="crop", size=(HEIGHT, HEIGHT), full_width=WIDTH, column=WIDTH // 2,
                bearing=heading + site.rotation, horizon=_HORIZON,
            )  # fmt: skip
            position = site.locate(shot.x, shot.y)
            image, tile = random_key(options.seed, *shot.key), shot.key[1] % 12
            name = at_name(position, image, tile, heading, shot.time[:8], shot.condition)
            path = f"processed/{split}/{role}/{name}"
            frames.append(Frame(path, shot, source, position, heading, str(place.number)))
    return frames
