"""Where the queries are and where they were answered, as one map per area: a UTM zone, or a city within it."""

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from vprkit.data import geo
from vprkit.evaluation.result import Position, QueryResult, Result
from vprkit.report import words
from vprkit.report.distances import distances
from vprkit.report.groups import Group
from vprkit.report.markup import Html, details, element, join, section
from vprkit.report.place_map import Mark, Plane, place_map
from vprkit.report.tiles import Tiles, street

QUERIES = 2000
"""A map shows at most so many queries, evenly chosen."""

PLACES = 4000
"""And at most so many database images."""

OPEN = 2
"""The maps of so many runs are unfolded."""

AREAS = 6
"""The areas with the most queries are drawn."""

T = TypeVar("T")

CELL = 10_000.0
"""Metres: areas are chains of occupied cells of this size, so two cities do not share a map as two dots."""


@dataclass(frozen=True)
class Spot:
    """A place on the plane of its UTM zone (0 where no zone is known)."""

    zone: int
    x: float
    y: float

    @property
    def cell(self) -> tuple[int, int, int]:
        return self.zone, int(self.x // CELL), int(self.y // CELL)


def maps(group: Group, tiles: Tiles | None = None) -> Html:
    """The maps of each run that has positions, over street tiles where a server of them is named."""
    drawn = [(label, _maps_of(label, result, tiles)) for label, result in zip(group.labels, group.results, strict=True)]
    shown = [(label, figures) for label, figures in drawn if figures]
    if not shown:
        return Html("")
    grids = [(label, element("div", figures, class_="maps")) for label, figures in shown]
    parts = [details(label, grid, opened=i < OPEN) for i, (label, grid) in enumerate(grids)]
    labelled = any(result.labelled for result in group.results)
    drawings = parts if len(group.results) > 1 else [grids[0][1]]
    return section("Map", _legend(labelled), _credit(tiles), *drawings, distances(group))


def _maps_of(label: str, result: Result, tiles: Tiles | None) -> Html:
    places = {number: spot for number, image in result.images.items() if (spot := _spot(image.position))}
    queries = [(row, spot) for row in result.rankings if (spot := _spot(row.position))]
    areas = _areas([*places.values(), *(spot for _, spot in queries)])
    by_area: dict[int, list[tuple[QueryResult, Spot]]] = {}
    for row, spot in queries:
        by_area.setdefault(areas[spot.cell], []).append((row, spot))
    largest = sorted(by_area, key=lambda area: -len(by_area[area]))
    figures = [
        _figure(label, result, by_area[area], {n: s for n, s in places.items() if areas[s.cell] == area}, tiles)
        for area in largest[:AREAS]
    ]
    left_out = sum(len(by_area[area]) for area in largest[AREAS:])
    if left_out:
        figures.append(
            element(
                "p",
                f"The {AREAS} areas with the most queries are drawn; {left_out:,} queries lie in "
                f"{len(largest) - AREAS} others.",
                class_="note",
            )
        )
    return join(figures)


def _figure(
    label: str,
    result: Result,
    rows: Sequence[tuple[QueryResult, Spot]],
    places: dict[int, Spot],
    tiles: Tiles | None,
) -> Html:
    chosen = _evenly(rows, QUERIES)
    marks = [_mark(row, spot, places, result.labelled) for row, spot in chosen]
    background = _evenly([(spot.x, spot.y) for spot in places.values()], PLACES)
    wrong = [row for row, _ in chosen if _is_wrong(row, result.labelled)]
    away = sum(1 for row in wrong if row.ranking and row.ranking[0] not in places)
    notes = [
        f"{len(chosen):,} of {len(rows):,} queries, evenly chosen."
        if len(chosen) < len(rows)
        else words.plural(len(rows), "query", "queries") + "."
    ]
    if away:
        notes.append(f"{words.plural(away, 'wrong answer')} without a line: outside this map, or without a position.")
    title, zone = _title([spot for _, spot in rows]), rows[0][1].zone

    def under(plane: Plane) -> Html:
        return Html("") if tiles is None else street(tiles, plane, zone)

    return element(
        "figure",
        element("figcaption", title),
        place_map(marks, background, f"Queries of {label}, {title}", under),
        element("p", " ".join(notes), class_="note"),
    )


def _mark(row: QueryResult, spot: Spot, places: dict[int, Spot], labelled: bool) -> Mark:
    answer = places.get(row.ranking[0]) if row.ranking else None
    wrong = _is_wrong(row, labelled)
    kind = ("wrong" if wrong else "right") if labelled else "plain"
    state = "" if not labelled else ", wrong" if wrong else ", right"
    distance = f", answer {words.metres(row.metres)} away" if row.metres is not None else ""
    return Mark(
        spot.x,
        spot.y,
        kind,
        f"{words.shorten(row.name, 80)}{state}{distance}",
        (answer.x, answer.y) if wrong and answer else None,
    )


def _is_wrong(row: QueryResult, labelled: bool) -> bool:
    return labelled and row.first_hit != 1


def _spot(position: Position) -> Spot | None:
    """On the plane of its zone; from degrees where there are no metres."""
    east, north, zone, south = position.east, position.north, position.zone, position.south
    if (east is None or north is None) and position.latitude is not None and position.longitude is not None:
        found = geo.to_utm(np.array([position.latitude]), np.array([position.longitude]))
        east, north, zone, south = float(found[0][0]), float(found[1][0]), int(found[2][0]), bool(found[3][0])
    if east is None or north is None or not (np.isfinite(east) and np.isfinite(north)):
        return None
    return Spot(zone or 0, east, north - geo.FALSE_NORTHING if south else north)


def _areas(spots: Iterable[Spot]) -> dict[tuple[int, int, int], int]:
    """Occupied cells -> number of the area they belong to; neighbouring cells share one."""
    waiting = {spot.cell for spot in spots}
    areas: dict[tuple[int, int, int], int] = {}
    while waiting:
        number, queue = len(areas), deque([waiting.pop()])
        while queue:
            zone, column, row = cell = queue.popleft()
            areas[cell] = number
            near = {(zone, column + i, row + j) for i in (-1, 0, 1) for j in (-1, 0, 1)} & waiting
            waiting -= near
            queue.extend(near)
    return areas


def _evenly(items: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of the items, spread over the whole list."""
    rows = np.linspace(0, len(items) - 1, min(limit, len(items))).round().astype(int)
    return [items[row] for row in rows]


def _title(spots: Sequence[Spot]) -> str:
    zone, y = spots[0].zone, np.array([spot.y for spot in spots])
    if not 1 <= zone <= 60:
        return "positions in metres, no UTM zone named"
    x, south = np.array([np.median([spot.x for spot in spots])]), np.array([np.median(y) < 0])
    north = np.median(y) + geo.FALSE_NORTHING * south
    latitude, longitude = geo.to_latlon(x, north, np.array([zone]), south)
    return f"around {latitude[0]:.3f}, {longitude[0]:.3f} (UTM zone {zone}, {'south' if south[0] else 'north'})"


def _credit(tiles: Tiles | None) -> Html:
    if tiles is None:
        return Html("")
    return element("p", f"Streets, where this page is read online: {tiles.credit}.", class_="note")


def _legend(labelled: bool) -> Html:
    if not labelled:
        return element("p", "Rings are queries, grey dots ranked database images. North is up.", class_="note")
    right, wrong = element("span", "●", class_="right"), element("span", "✕", class_="wrong")
    return element(
        "p",
        right,
        " answered rightly, ",
        wrong,
        " answered wrongly, with a line to the image that was "
        "answered (a small square). Grey dots are ranked database images. North is up.",
        class_="note",
    )
