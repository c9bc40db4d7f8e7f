"""Locations as CSV, JSON, GeoJSON (RFC 7946), KML 2.2 or GPX 1.1; what was rejected is marked as not known.

`known` is true or false where a least confidence was asked for, and null or empty elsewhere.
"""

import csv
import io
import json
import math
import re
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any
from xml.sax.saxutils import escape

from vprkit.retrieval.location import AGREEMENT_METRES, Hit, Location

_COLUMNS = (
    "query", "rank", "name", "score", "latitude", "longitude", "east", "north", "zone", "hemisphere", "heading",
    "estimate_latitude", "estimate_longitude", "estimate_spread_m", "confidence", "known",
)  # fmt: skip

_NO_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_csv(locations: Sequence[Location]) -> str:
    """One line per hit."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for location in locations:
        for hit in location.hits:
            row = {"query": location.query, **hit.to_dict(), "hemisphere": hit.zone and ("S" if hit.south else "N")}
            guess = location.estimate
            row |= {
                "estimate_latitude": guess and guess.latitude,
                "estimate_longitude": guess and guess.longitude,
                "estimate_spread_m": guess and guess.spread_m,
                "confidence": location.confidence,
                "known": None if location.known is None else str(location.known).lower(),
            }
            writer.writerow(["" if row[key] is None else row[key] for key in _COLUMNS])
    return file.getvalue()


def to_json(locations: Sequence[Location]) -> str:
    """A list with one object per query."""
    return json.dumps([location.to_dict() for location in locations], indent=1) + "\n"


def to_geojson(locations: Sequence[Location]) -> str:
    """A feature collection: one point per hit with a position, and one per estimate."""
    features: list[dict[str, Any]] = []
    for location in locations:
        if location.estimate is not None:
            properties = {"query": location.query, "kind": "estimate", "spread_m": location.estimate.spread_m,
                          "confidence": location.confidence, "known": location.known}  # fmt: skip
            features.append(_point(location.estimate.longitude, location.estimate.latitude, properties))
        for hit in location.hits:
            if hit.latitude is not None and hit.longitude is not None:
                properties = {
                    "query": location.query,
                    "kind": "hit",
                    "rank": hit.rank,
                    "name": hit.name,
                    "score": hit.score,
                    "known": location.known,
                }
                features.append(_point(hit.longitude, hit.latitude, properties))
    return json.dumps({"type": "FeatureCollection", "features": features}, indent=1) + "\n"


def to_kml(locations: Sequence[Location]) -> str:
    """A folder per query with a placemark per hit."""
    folders = "".join(map(_folder, locations))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<kml xmlns="http://www.opengis.net/kml/2.2"><Document>\n'
        f"<name>vprkit</name>\n{folders}</Document></kml>\n"
    )


def to_gpx(locations: Sequence[Location]) -> str:
    """A waypoint per photo, where its position is estimated to be."""
    points = "".join(_waypoint(location) for location in locations if location.estimate is not None)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<gpx version="1.1" creator="vprkit" xmlns="http://www.topografix.com/GPX/1/1">\n'
        f"{points}</gpx>\n"
    )


def sure(location: Location) -> str:
    """How sure an answer is, in words, never rounded up; empty where nothing says."""
    told = "" if location.confidence is None else f"confidence {math.floor(100 * location.confidence) / 100:.2f}"
    return f"I do not know this place ({told or 'no confidence'})" if location.known is False else told


def to_table(locations: Sequence[Location]) -> str:
    """What the console shows."""
    lines = []
    for location in locations:
        lines.append(location.query if location.error is None else f"{location.query}\n  {location.error}")
        if location.error is None and (said := sure(location)):
            lines.append(f"  {said}")
        lines += [f"  {hit.rank:>3}  {hit.score:8.4f}  {_where(hit):<24}  {hit.name}" for hit in location.hits]
        if location.estimate is not None:
            guess = location.estimate
            lines.append(f"  position {guess.latitude:.6f}, {guess.longitude:.6f} ({_views(location)})")
    return "\n".join(lines) + "\n"


FORMATS: dict[str, Callable[[Sequence[Location]], str]] = {
    "table": to_table, "json": to_json, "csv": to_csv, "geojson": to_geojson, "kml": to_kml, "gpx": to_gpx,
}  # fmt: skip


def _where(hit: Hit) -> str:
    if hit.latitude is not None and hit.longitude is not None:
        return f"{hit.latitude:.6f}, {hit.longitude:.6f}"
    return "no position" if hit.east is None else f"E {hit.east:.1f} N {hit.north:.1f}"


def _views(location: Location) -> str:
    """What an estimate stands on, which may be more hits than are shown; one view has no spread."""
    guess = location.estimate
    assert guess is not None, "the caller has looked"
    looked_at = max(location.looked_at, guess.hits)
    if guess.hits == 1:
        return "from one hit" if looked_at == 1 else f"from one of the best {looked_at} hits"
    return (
        f"of the best {looked_at} hits, {guess.hits} lie within {AGREEMENT_METRES:g} m; spread {guess.spread_m:.1f} m"
    )


def _point(longitude: float, latitude: float, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": "Point", "coordinates": [longitude, latitude]},
        "properties": properties,
    }


def _waypoint(location: Location) -> str:
    """Elements in the order that the schema of GPX 1.1 wants."""
    guess = location.estimate
    assert guess is not None, "the caller has looked"
    best = f"best hit {location.hits[0].name}" if location.hits else ""
    told = [_views(location), best, sure(location)]
    name = _xml(PurePath(location.query).name)
    return (
        f'<wpt lat="{guess.latitude:.7f}" lon="{guess.longitude:.7f}"><name>{name}</name>'
        f"<desc>{_xml(', '.join(filter(None, told)))}</desc><src>{_xml(location.query)}</src>"
        f"<type>{'not known' if location.known is False else 'photo'}</type></wpt>\n"
    )


def _folder(location: Location) -> str:
    marks = "".join(map(_placemark, location.hits))
    if location.estimate is not None:
        guess = location.estimate
        marks += _mark("estimate", _views(location), guess.longitude, guess.latitude)
    told = f"<description>{_xml(said)}</description>" if (said := sure(location)) else ""
    return f"<Folder><name>{_xml(location.query)}</name>{told}{marks}</Folder>\n"


def _xml(text: str) -> str:
    """Escaped, without the characters that XML cannot hold."""
    return escape(_NO_XML.sub("?", text))


def _mark(name: str, description: str, longitude: float, latitude: float) -> str:
    return (
        f"<Placemark><name>{_xml(name)}</name><description>{_xml(description)}</description>"
        f"<Point><coordinates>{longitude:.7f},{latitude:.7f}</coordinates></Point></Placemark>"
    )


def _placemark(hit: Hit) -> str:
    if hit.latitude is None or hit.longitude is None:
        return ""
    return _mark(f"{hit.rank}. {hit.name}", f"score {hit.score:.4f}", hit.longitude, hit.latitude)
