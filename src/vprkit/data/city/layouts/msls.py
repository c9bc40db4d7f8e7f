"""The raw MSLS layout: `train_val/<city>/{query,database}` and `test/<city>/...` with images, tables and sequences."""

from collections.abc import Mapping, Sequence

from vprkit.data.city.frames import Frame, Source, csv_text
from vprkit.data.city.geo import Site
from vprkit.data.city.layouts.at import site_of
from vprkit.data.city.layouts.gsv import city_seed, random_key, share
from vprkit.data.city.options import CityOptions
from vprkit.data.city.plan import CityPlan, Place
from vprkit.data.city.randomness import between, generator
from vprkit.data.city.shot import Condition, Shot
from vprkit.data.city.surroundings import on_street
from vprkit.data.city.views import moment

# Real names, so that readers with a fixed list of cities find them; the streets are invented.
CITIES: dict[str, tuple[str, float, float]] = {
    "cph": ("train_val", 55.6805, 12.5505),
    "sf": ("train_val", 37.7700, -122.4300),
    "trondheim": ("train_val", 63.4300, 10.3902),
    "miami": ("test", 25.7743, -80.1937),
}
_STEP = 5.0  # metres between frames
_PANORAMA = 9  # every how many frames of the database one is a panorama
_TABLES: dict[str, tuple[str, ...]] = {
    "raw": ("key", "lon", "lat", "ca", "captured_at", "pano"),
    "postprocessed": ("key", "easting", "northing", "unique_cluster", "control_panel", "night", "view_direction"),
    "seq_info": ("key", "sequence_key", "frame_number"),
    "subtask_index": ("key", "all", "s2w", "w2s", "o2n", "n2o", "d2n", "n2d"),
}


class MslsLayout:
    """Writes the raw MSLS layout: one sequence of database frames and one of queries per place."""

    def plan(self, options: CityOptions) -> list[Frame]:
        frames = []
        for number, places in enumerate(share(options.places, len(CITIES))):
            name, (_, latitude, longitude) = list(CITIES.items())[number]
            seed = city_seed(options.seed, number)
            city, site = CityPlan(seed, places), site_of(seed, latitude, longitude)
            for place in city.places:
                source = Source(seed, places, (place.x, place.y), site.rotation)
                count = (options.views + 1) // 2
                frames += _sequence(name, "database", place, range(count), options, source, site)
                frames += _sequence(name, "query", place, range(count, options.views), options, source, site)
        return frames

    def tables(self, frames: Sequence[Frame], texts: Mapping[str, str]) -> dict[str, str]:
        tables = {}
        folders = dict.fromkeys(frame.path.rsplit("/images/", 1)[0] for frame in frames)
        for folder in folders:
            rows = [frame for frame in frames if frame.path.startswith(f"{folder}/")]
            for table, columns in _TABLES.items():
                if folder.startswith("test/") and table in ("raw", "postprocessed"):
                    continue
                lines = [(n, *(frame.tags[column] for column in columns)) for n, frame in enumerate(rows)]
                tables[f"{folder}/{table}.csv"] = csv_text(("", *columns), lines)
        described = [(frame.path, texts[frame.path]) for frame in frames]
        return {**tables, "descriptions.csv": csv_text(("image_path", "description"), described)}


def _condition(role: str, place: int, options: CityOptions) -> Condition:
    """Databases are driven by day but for some by night and in snow, so that every subtask has frames."""
    if role == "database":
        return {3: "night", 5: "snow"}.get(place % 7, "day")  # type: ignore[return-value]
    return options.conditions[place % len(options.conditions)]


def _sequence(
    city: str, role: str, place: Place, numbers: range, options: CityOptions, source: Source, site: Site
) -> list[Frame]:
    """Consecutive frames along the street through a place."""
    rng = generator(source.seed, "sequence", role, place.number)
    condition = _condition(role, place.number, options)
    time = moment(rng, condition, 2023 if role == "database" else None)
    street = place.street
    # Both sequences of a place look the same way; a fifth of the places is seen sideways, a few backwards.
    direction = ("Forward", "Forward", "Sideways", "Forward", "Backward")[place.number % 5]
    turn = {"Forward": 0.0, "Sideways": 90.0, "Backward": 180.0}[direction]
    step = min(_STEP, 60 / max(1, len(numbers)))
    middle = (place.y if street.vertical else place.x) + (between(rng, -3, 3) if role == "query" else 0.0)
    lane = (1.0 if street.vertical else -1.0) * min(1.6, street.kerb / 3) + between(rng, -0.5, 0.5)
    if direction == "Sideways":
        lane = -abs(lane) if street.vertical else abs(lane)
    sequence = random_key(source.seed, "sequence", role, place.number)
    frames = []
    for n, number in enumerate(numbers):
        along = middle + (n - (len(numbers) - 1) / 2) * step + between(rng, -0.4, 0.4)
        x, y = on_street(street, lane + between(rng, -0.3, 0.3), along)
        panorama = role == "database" and (place.number * 3 + n) % _PANORAMA == _PANORAMA - 1
        shot = _shot(
            place, number, x, y, street.bearing + turn + between(rng, -3, 3), condition, time, options, panorama
        )
        tags = {"sequence_key": sequence, "frame_number": str(n + 3), "view_direction": direction}
        frames.append(_frame(city, role, shot, source, site, tags))
    return frames


def _shot(
    place: Place,
    number: int,
    x: float,
    y: float,
    bearing: float,
    condition: Condition,
    time: str,
    options: CityOptions,
    panorama: bool,
) -> Shot:
    key, size = (place.number, number), options.size
    if panorama:
        return Shot(
            key, place.number, x, y, 1.7, bearing, condition, time,
            lens="panorama", size=(size, 2 * size), full_width=2 * size, horizon=0.62,
        )  # fmt: skip
    return Shot(key, place.number, x, y, 1.6, bearing, condition, time, 70.0, 0.6, size=(size, size))


def _frame(city: str, role: str, shot: Shot, source: Source, site: Site, tags: dict[str, str]) -> Frame:
    position, heading = site.locate(shot.x, shot.y), site.heading(shot.bearing)
    key = random_key(source.seed, *shot.key)
    month, year = int(shot.time[4:6]), int(shot.time[:4])
    is_query, night, summer, old = role == "query", shot.condition == "night", 4 <= month <= 9, year < 2022
    facts = {
        "key": key,
        "lon": repr(position.longitude),
        "lat": repr(position.latitude),
        "ca": f"{heading:.2f}",
        "captured_at": f"{shot.time[:4]}-{shot.time[4:6]}-{shot.time[6:8]}",
        "pano": str(shot.lens == "panorama"),
        "easting": repr(position.east),
        "northing": repr(position.north),
        "unique_cluster": str(shot.place),
        "control_panel": "False",
        "night": str(night),
        "all": "True",
        "s2w": str(summer if is_query else not summer),
        "w2s": str(not summer if is_query else summer),
        "o2n": str(old if is_query else not old),
        "n2o": str(not old if is_query else old),
        "d2n": str(not night if is_query else night),
        "n2d": str(night if is_query else not night),
    }
    path = f"{CITIES[city][0]}/{city}/{role}/images/{key}.jpg"
    return Frame(path, shot, source, position, heading, f"{city}-{shot.place}", {**facts, **tags})
