"""What clients are told, as data; nothing in it names a path of this machine."""

from dataclasses import dataclass

from vprkit.data.records import Record
from vprkit.retrieval.location import Hit, Location
from vprkit.serve.answering import Answered
from vprkit.serve.gallery import printable


@dataclass(frozen=True)
class HitAnswer:
    """One photo of the map: `id` is its record, a higher `score` is better, positions in degrees."""

    rank: int
    id: int
    name: str
    score: float
    latitude: float | None
    longitude: float | None
    heading: float | None
    text: str | None
    thumbnail: str


@dataclass(frozen=True)
class EstimateAnswer:
    """The position that the best hits suggest, in degrees; `spread_m` metres around it; of so many hits."""

    latitude: float
    longitude: float
    spread_m: float
    hits: int


@dataclass(frozen=True)
class TimingAnswer:
    """Milliseconds: until the photo was decoded, waiting for others, answering a batch of so many questions."""

    decode_ms: float
    wait_ms: float
    answer_ms: float
    batch: int


@dataclass(frozen=True)
class LocateAnswer:
    """Where it may be. `confidence`: probability that the first hit is right, null where nothing was calibrated;
    `known`: whether that reaches the service's threshold, null where there is no such judgement.
    """

    hits: list[HitAnswer]
    estimate: EstimateAnswer | None
    confidence: float | None
    known: bool | None
    timing: TimingAnswer


@dataclass(frozen=True)
class RecordAnswer:
    """What the map knows of one photo."""

    id: int
    name: str
    latitude: float | None
    longitude: float | None
    heading: float | None
    time: str | None
    condition: str | None
    place: str | None
    text: str | None
    thumbnail: str


@dataclass(frozen=True)
class AbilitiesAnswer:
    """What this map can be asked: by a photo, by a sentence, by both together, again by a second stage (`rerank`),
    and for a picture of what matches.
    """

    photo: bool
    text: bool
    photo_and_text: bool
    rerank: bool
    matches: bool


@dataclass(frozen=True)
class LimitsAnswer:
    """What a request may take."""

    upload_bytes: int
    pixels: int
    seconds: float
    top: int
    rerank: int
    text: int


@dataclass(frozen=True)
class TilesAnswer:
    """Street tiles that a page may show where its user wants them."""

    url: str
    attribution: str


@dataclass(frozen=True)
class AboutAnswer:
    """The map, and what it can be asked. `reject`: confidence below which a place counts as not known."""

    name: str
    method: str
    images: int
    with_position: int
    abilities: AbilitiesAnswer
    limits: LimitsAnswer
    tiles: TilesAnswer | None
    reject: float | None
    version: str


@dataclass(frozen=True)
class HealthAnswer:
    """`ready`, or `stopping`; and how many questions wait."""

    status: str
    waiting: int


@dataclass(frozen=True)
class ErrorAnswer:
    """What is wrong with a request, as a sentence."""

    error: str


def locate_answer(answered: Answered, decode_seconds: float, reject: float | None) -> LocateAnswer:
    """A location as it is told.

    Args:
        answered: with a `Location`.
        decode_seconds: before it was asked.
        reject: least confidence of a known place, None: nothing is judged.
    """
    location: Location = answered.answer
    judged = reject is not None and location.confidence is not None
    return LocateAnswer(
        [_hit(hit) for hit in location.hits],
        None if location.estimate is None else EstimateAnswer(**vars(location.estimate)),
        location.confidence,
        bool((location.confidence or 0.0) >= (reject or 0.0)) if judged else None,
        TimingAnswer(_ms(decode_seconds), _ms(answered.waited), _ms(answered.took), answered.batch),
    )


def record_answer(row: int, name: str, record: Record) -> RecordAnswer:
    """A record as it is told, under the name that it has in the map."""
    words = {key: _words(getattr(record, key)) for key in ("time", "condition", "place", "text")}
    return RecordAnswer(
        row, printable(name), record.latitude, record.longitude, record.heading, thumbnail=_thumbnail(row), **words
    )


def _hit(hit: Hit) -> HitAnswer:
    return HitAnswer(
        hit.rank, hit.row, printable(hit.name), hit.score, hit.latitude, hit.longitude, hit.heading, _words(hit.text),
        _thumbnail(hit.row),
    )  # fmt: skip


def _words(text: str | None) -> str | None:
    return None if text is None else printable(text)


def _thumbnail(row: int) -> str:
    return f"records/{row}/thumbnail"


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 2)
