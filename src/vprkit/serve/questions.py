"""What clients ask, as data: the fields of a request, and how a map answers several of a kind at once."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from PIL import Image
from torch import Tensor

from vprkit.method import IMAGES, TEXTS
from vprkit.report.choosing import spread
from vprkit.report.matches import draw_matches, match
from vprkit.report.pictures import jpeg
from vprkit.retrieval.location import Location
from vprkit.retrieval.map import Map
from vprkit.retrieval.text_search import Filter, search_text
from vprkit.serve.refusals import Refusal
from vprkit.serve.settings import Limits

LINES = 100
"""Matches drawn at most."""

DRAWN = 448
"""Pixels of height that small pictures are drawn enlarged to."""

LARGEST = 2400
"""Pixels of the longer side of a picture of matches."""

FORBID: dict[str, Any] = {"extra": "forbid"}


class Question(Protocol):
    """Something that a map answers; several of a kind are answered together. It holds so many `photos`."""

    photos: ClassVar[int]

    @classmethod
    def answers(cls, place_map: Map, questions: Sequence[Any]) -> list[Any]:
        """One answer per question, in order."""


@dataclass(frozen=True)
class LocateFields:
    """The fields beside the photo of `POST /locate`.

    Attributes:
        text: what the photo shows, for maps whose method joins photos and texts.
        top: hits wanted.
        rerank: candidates that the method's second stage looks at again.
        distinct: hits at least this many metres apart.
    """

    text: str | None = None
    top: int = 5
    rerank: int | None = None
    distinct: float | None = None
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    def check(self, limits: Limits) -> None:
        """Refuse what is out of bounds."""
        check_text(self.text, limits)
        check_number("top", self.top, 1, limits.top)
        check_number("rerank", self.rerank, 1, limits.rerank)
        check_number("distinct", self.distinct, 0, 1e6)


@dataclass(frozen=True)
class SearchFields:
    """The body of `POST /search`.

    Attributes:
        text: what is to be seen there.
        top: hits wanted.
        distinct: hits at least this many metres apart.
        near: latitude and longitude; only images near there. Needs `within`.
        within: metres around `near`.
        condition: only images of this condition, such as night.
    """

    text: str
    top: int = 5
    distinct: float | None = None
    near: tuple[float, float] | None = None
    within: float | None = None
    condition: str | None = None
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID

    def check(self, limits: Limits) -> None:
        """Refuse what is out of bounds."""
        check_text(self.text, limits)
        check_text(self.condition, limits)
        check_number("top", self.top, 1, limits.top)
        check_number("distinct", self.distinct, 0, 1e6)
        check_number("within", self.within, 0, 1e8)
        if self.near is not None:
            check_number("the latitude of near", self.near[0], -90, 90)
            check_number("the longitude of near", self.near[1], -180, 180)


@dataclass(frozen=True)
class MatchFields:
    """The field beside the photo of `POST /matches`.

    Attributes:
        id: of the record that the photo is compared with.
    """

    id: int
    __pydantic_config__: ClassVar[dict[str, Any]] = FORBID


@dataclass(frozen=True, eq=False)
class PhotoQuestion:
    """Where was this taken?

    Attributes:
        photo: (C, H, W) as the method wants it.
        fields: what is wanted.
    """

    photo: Tensor
    fields: LocateFields
    photos: ClassVar[int] = 1

    @classmethod
    def answers(cls, place_map: Map, questions: Sequence["PhotoQuestion"]) -> list[Location]:
        """All photos are described in one forward pass; those that want the same are searched at once."""
        method = place_map.method
        texts = [question.fields.text or "" for question in questions] if reads_both(place_map) else None
        features = method.describe([question.photo for question in questions], len(questions), texts).cpu()
        found: dict[int, Location] = {}
        asked = [question.fields for question in questions]
        for wanted, places in _alike([(one.top, one.distinct, one.rerank, bool(one.text)) for one in asked]):
            located = place_map.finder(*wanted).of_features(["photo"] * len(places), features[places])
            found |= dict(zip(places, located, strict=True))
        return [found[place] for place in range(len(questions))]


@dataclass(frozen=True, eq=False)
class TextQuestion:
    """Where does it look like this?"""

    fields: SearchFields
    photos: ClassVar[int] = 0

    @classmethod
    def answers(cls, place_map: Map, questions: Sequence["TextQuestion"]) -> list[Location]:
        """Sentences that want the same are encoded and searched at once."""
        found: dict[int, Location] = {}
        kinds = [(one.fields.top, one.fields.distinct, one.only) for one in questions]
        for (top, distinct, only), places in _alike(kinds):
            sentences = [questions[place].fields.text for place in places]
            located = search_text(place_map, sentences, top, distinct, only)
            found |= dict(zip(places, located, strict=True))
        return [found[place] for place in range(len(questions))]

    @property
    def only(self) -> Filter:
        return Filter(self.fields.near, self.fields.within, self.fields.condition)


@dataclass(frozen=True)
class Matched:
    """A picture of what a second stage matches: JPEG bytes, and how many matches there are and are drawn."""

    picture: bytes
    matches: int
    drawn: int


@dataclass(frozen=True, eq=False)
class MatchQuestion:
    """What do these two photos share? Both as the method turns them."""

    first: Image.Image
    second: Image.Image
    photos: ClassVar[int] = 2

    @classmethod
    def answers(cls, place_map: Map, questions: Sequence["MatchQuestion"]) -> list[Matched]:
        return [question.answer(place_map) for question in questions]

    def answer(self, place_map: Map) -> Matched:
        """Match and draw."""
        pair = match(place_map.method, self.first, self.second)
        shown = spread(pair, LINES)
        sheet = draw_matches(self.first, self.second, shown, LINES, scale=max(1, round(DRAWN / pair.size[0])))
        sheet.thumbnail((LARGEST, LARGEST))
        return Matched(jpeg(sheet), len(pair.first), len(shown.first))


def reads_both(place_map: Map) -> bool:
    """Whether a query of this map is a photo and, where there is one, a text."""
    return place_map.method.reads("query") == IMAGES | TEXTS


def check_text(text: str | None, limits: Limits) -> None:
    """Refuse a text that is too long, or holds what no text holds."""
    if text is None:
        return
    if len(text) > limits.text:
        raise Refusal(422, f"the text has {len(text)} characters; at most {limits.text} are read")
    if any((ord(sign) < 32 and sign not in "\t\n\r") or 0xD800 <= ord(sign) < 0xE000 for sign in text):
        raise Refusal(422, "the text holds signs that are no text")


def check_number(name: str, value: float | None, least: float, most: float) -> None:
    """Refuse a number that is out of bounds."""
    if value is not None and not least <= value <= most:
        raise Refusal(422, f"{name} must be from {least:g} to {most:g}")


Kind = TypeVar("Kind")


def _alike(kinds: Sequence[Kind]) -> list[tuple[Kind, list[int]]]:
    """Every kind, with the places where it stands."""
    groups: dict[Kind, list[int]] = {}
    for place, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(place)
    return list(groups.items())
