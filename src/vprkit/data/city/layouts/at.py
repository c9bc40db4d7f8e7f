"""The `@` layout: `images/{train,val,test}/{database,queries}/@...@.jpg`, with tables that carry the texts."""

from collections.abc import Mapping, Sequence

from vprkit.data.city.frames import Frame, Source, csv_text
from vprkit.data.city.geo import Site, at_name
from vprkit.data.city.options import CityOptions
from vprkit.data.city.plan import CityPlan, Place
from vprkit.data.city.randomness import between, generator
from vprkit.data.city.shot import Shot
from vprkit.data.city.views import photograph

SPLITS = ("train", "val", "test")
COLUMNS = ("path", "lat", "lon", "east", "north", "zone", "heading", "time", "condition", "place", "text")


def site_of(seed: int, latitude: float = 46.2331, longitude: float = 7.3606) -> Site:
    """Where the city of a seed lies: near the given spot, with its grid turned by a random angle."""
    rng = generator(seed, "site")
    return Site(latitude, longitude, between(rng, -38, 38))


def split_places(places: Sequence[Place], shares: tuple[float, float, float]) -> dict[str, list[Place]]:
    """Neighbouring places go to the same split, so that splits share views at their borders only."""
    total, limits = 0.0, []
    for share in shares[:2]:
        total += share
        limits.append(round(total * len(places)))
    first, second = limits
    return dict(zip(SPLITS, (list(places[:first]), list(places[first:second]), list(places[second:])), strict=True))


class AtLayout:
    """Writes the `@` layout."""

    def plan(self, options: CityOptions) -> list[Frame]:
        city, site = CityPlan(options.seed, options.places), site_of(options.seed)
        frames = []
        for split, places in split_places(city.places, options.splits).items():
            for place in places:
                source = Source(options.seed, options.places, (place.x, place.y), site.rotation)
                views = photograph(options.seed, place, options.views, options.conditions, options.size)
                for role, shots in (("database", views.database), ("queries", views.queries)):
                    frames += [_frame(split, role, shot, source, site) for shot in shots]
        return frames

    def tables(self, frames: Sequence[Frame], texts: Mapping[str, str]) -> dict[str, str]:
        tables: dict[str, str] = {}
        for split in SPLITS:
            chosen = [frame for frame in frames if frame.tags["split"] == split]
            if not chosen:
                continue
            folder = f"images/{split}"
            tables |= {f"{folder}/{role}.csv": _table(chosen, role, texts) for role in ("database", "queries")}
            rows = sorted((_below(frame), texts[frame.path]) for frame in chosen)
            tables[f"{folder}/descriptions.csv"] = csv_text(("image_path", "description"), rows)
        return tables


def _frame(split: str, role: str, shot: Shot, source: Source, site: Site) -> Frame:
    position, heading = site.locate(shot.x, shot.y), round(site.heading(shot.bearing), 1) % 360
    image = f"p{shot.place:05d}v{shot.key[1]:03d}"
    name = at_name(position, image, shot.key[1] % 100, heading, shot.time, shot.condition)
    tags = {"split": split, "role": role}
    return Frame(f"images/{split}/{role}/{name}", shot, source, position, heading, str(shot.place), tags)


def _below(frame: Frame) -> str:
    """Path relative to the split's folder."""
    return frame.path.split("/", 2)[2]


def _table(frames: Sequence[Frame], role: str, texts: Mapping[str, str]) -> str:
    rows = [
        (
            _below(frame),
            f"{frame.position.latitude:.5f}",
            f"{frame.position.longitude:.5f}",
            f"{frame.position.east:.2f}",
            f"{frame.position.north:.2f}",
            frame.position.zone_name,
            f"{frame.heading:.1f}",
            frame.shot.time,
            frame.shot.condition,
            frame.place,
            texts[frame.path],
        )
        for frame in frames
        if frame.tags["role"] == role
    ]
    return csv_text(COLUMNS, sorted(rows))
