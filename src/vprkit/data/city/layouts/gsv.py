"""The GSV-Cities layout: `Dataframes/<City>.csv` and `Images/<City>/<name>.jpg`, four images per place or more."""

import base64
from collections.abc import Mapping, Sequence

from vprkit.data.city.frames import Frame, Source, csv_text
from vprkit.data.city.geo import Site
from vprkit.data.city.layouts.at import site_of
from vprkit.data.city.options import CityOptions
from vprkit.data.city.plan import CityPlan
from vprkit.data.city.randomness import generator
from vprkit.data.city.shot import Shot
from vprkit.data.city.views import photograph

CITIES: dict[str, tuple[float, float]] = {
    "Novaport": (46.2331, 7.3606),
    "Ostermark": (59.3104, 18.0246),
    "Castelro": (41.1496, -8.6110),
    "Velbo": (-33.4489, -70.6693),
}
COLUMNS = ("place_id", "year", "month", "northdeg", "city_id", "lat", "lon", "panoid")


def city_seed(seed: int, number: int) -> int:
    """The seed of one of several cities; the first is the city of the seed itself."""
    return seed if number == 0 else int(generator(seed, "city", number).integers(1 << 62))


def random_key(seed: int, *parts: int | str) -> str:
    """22 characters as street-view services use them for image ids."""
    return base64.urlsafe_b64encode(generator(seed, "key", *parts).bytes(16)).decode().rstrip("=")


def share(total: int, parts: int) -> list[int]:
    """How many of `total` each part gets; parts that would get fewer than 2 are dropped."""
    parts = max(1, min(parts, total // 2))
    return [total // parts + (number < total % parts) for number in range(parts)]


class GsvLayout:
    """Writes the GSV-Cities layout."""

    def plan(self, options: CityOptions) -> list[Frame]:
        frames = []
        for number, places in enumerate(share(options.places, len(CITIES))):
            name, spot = list(CITIES.items())[number]
            seed = city_seed(options.seed, number)
            city, site = CityPlan(seed, places), site_of(seed, *spot)
            for place in city.places:
                source = Source(seed, places, (place.x, place.y), site.rotation)
                # One direction per place: images that share a label must share what they show.
                views = photograph(seed, place, options.views, options.conditions, options.size, one_way=True)
                shots = (*views.database, *views.queries)
                frames += [_frame(seed, name, shot, source, site) for shot in shots]
        return frames

    def tables(self, frames: Sequence[Frame], texts: Mapping[str, str]) -> dict[str, str]:
        tables = {}
        for name in sorted({frame.tags["city_id"] for frame in frames}):
            rows = [[frame.tags[column] for column in COLUMNS] for frame in frames if frame.tags["city_id"] == name]
            tables[f"Dataframes/{name}.csv"] = csv_text(COLUMNS, rows)
        described = sorted((frame.path, texts[frame.path]) for frame in frames)
        return {**tables, "descriptions.csv": csv_text(("image_path", "description"), described)}


def _frame(seed: int, city: str, shot: Shot, source: Source, site: Site) -> Frame:
    position, heading = site.locate(shot.x, shot.y), site.heading(shot.bearing)
    tags = {
        "place_id": str(shot.place),
        "year": str(int(shot.time[:4])),
        "month": str(int(shot.time[4:6])),
        "northdeg": str(int(heading)),
        "city_id": city,
        "lat": repr(position.latitude),
        "lon": repr(position.longitude),
        "panoid": random_key(seed, *shot.key),
    }
    name = "_".join(
        (
            city,
            f"{shot.place:07d}",
            f"{int(tags['year']):04d}",
            f"{int(tags['month']):02d}",
            f"{int(heading):03d}",
            tags["lat"],
            tags["lon"],
            tags["panoid"],
        )
    )
    return Frame(f"Images/{city}/{name}.jpg", shot, source, position, heading, tags["place_id"], tags)
