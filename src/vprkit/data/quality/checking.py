"""Going through descriptions: one JSON line per image, so that a run that was stopped goes on."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from vprkit.data.quality.roles import Detector, ObjectLister, Verifier
from vprkit.errors import ConfigError, DataError, ImageError, VprError
from vprkit.files import unread

THRESHOLD = 0.2
"""Score from which an object counts as found."""

Progress = Callable[[int, int], None]


class Doubt(NamedTuple):
    """An image whose text names what it does not show.

    Attributes:
        image: its name in the table.
        objects: not found, and not confirmed by whoever was asked.
        unsure: not found, and nobody could tell.
    """

    image: str
    objects: tuple[str, ...]
    unsure: tuple[str, ...]


@dataclass(frozen=True)
class Checks:
    """What a file of checks holds.

    Attributes:
        lines: one mapping per image, in order.
    """

    lines: tuple[Mapping[str, Any], ...]

    def doubts(self) -> list[Doubt]:
        """Images with something doubtful."""
        found = [Doubt(line["image"], tuple(line["doubtful"]), tuple(line["unsure"])) for line in self.lines]
        return [doubt for doubt in found if doubt.objects or doubt.unsure]

    def summary(self) -> dict[str, Any]:
        """Counts, and the objects that are doubtful most often."""
        doubtful = Counter(thing for line in self.lines for thing in line["doubtful"])
        return {
            "images": len(self.lines),
            "failed": sum("error" in line for line in self.lines),
            "objects": sum(len(line["objects"]) for line in self.lines),
            "doubtful": sum(doubtful.values()),
            "unsure": sum(len(line["unsure"]) for line in self.lines),
            "images with doubts": sum(bool(line["doubtful"]) for line in self.lines),
            "most often": dict(doubtful.most_common(10)),
        }


def check_descriptions(
    texts: Mapping[str, str],
    root: Path,
    out: Path,
    lister: ObjectLister,
    detector: Detector | None = None,
    verifier: Verifier | None = None,
    *,
    threshold: float = THRESHOLD,
    progress: Progress | None = None,
) -> Checks:
    """Check the texts of images, appending a line per image to `out`; images with a line there are skipped.

    An object is doubtful where the detector does not find it and the verifier says no; without a verifier, where the
    detector does not find it; without either, all that is known is what the text names.

    Args:
        texts: image path below `root` -> text.
        root: folder of the images.
        out: JSON lines; the file of an earlier run is gone on with.
        lister, detector, verifier: who does what.
        threshold: score from which an object counts as found.
        progress: called with (images done, images in all).

    Raises:
        ConfigError: the threshold is no share.
        DataError: `out` is something else.
    """
    if not 0 <= threshold <= 1:
        raise ConfigError(f"threshold must be between 0 and 1, got {threshold}")
    before = read_checks(out).lines if out.exists() else ()
    done, asked = {line["id"] for line in before}, _Asked(before)
    todo = [(image, text) for image, text in texts.items() if _id(image, text) not in done]
    _end_line(out)
    with out.open("a", encoding="utf-8") as file:
        for number, (image, text) in enumerate(todo, 1):
            line = _checked(image, text, root, lister, detector, verifier, threshold, asked)
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            asked.learn(line)
            if progress is not None:
                progress(len(texts) - len(todo) + number, len(texts))
    return read_checks(out)


def _end_line(path: Path) -> None:
    """Cut off what a kill left of a line."""
    if path.exists():
        data = path.read_bytes()
        if data and not data.endswith(b"\n"):
            with path.open("r+b") as file:
                file.truncate(data.rfind(b"\n") + 1)


def read_checks(path: Path) -> Checks:
    """The lines of an earlier run; a last line that a kill cut off is left out.

    Raises:
        DataError: the file holds something else.
    """
    lines = list(_lines(path))
    return Checks(tuple({line["id"]: line for line in lines}.values()))


def _lines(path: Path) -> Iterator[Mapping[str, Any]]:
    try:
        raw = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(unread(path, error, "cannot be read")) from error
    for number, text in enumerate(raw, 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            wanted = {"id", "image", "objects", "doubtful", "unsure"}
            if not isinstance(line, dict) or not wanted <= set(line):
                raise ValueError("no line of a check")
        except ValueError as error:
            if number == len(raw):
                return
            raise DataError(f"{path}, line {number}: is no check of a description; choose another --out") from error
        yield line


class _Asked:
    """What was found out already: the same object in the same image is not looked for again."""

    def __init__(self, lines: Iterable[Mapping[str, Any]]) -> None:
        self.scores: dict[tuple[str, str], float] = {}
        self.answers: dict[tuple[str, str], bool | None] = {}
        for line in lines:
            self.learn(line)

    def learn(self, line: Mapping[str, Any]) -> None:
        content = line.get("content", "")
        self.scores |= {(content, thing): score for thing, score in line.get("scores", {}).items()}
        self.answers |= {(content, thing): said for thing, said in line.get("visible", {}).items() if said is not None}


def _checked(
    image: str, text: str, root: Path, lister: ObjectLister, detector: Detector | None, verifier: Verifier | None,
    threshold: float, asked: _Asked,
) -> dict[str, Any]:  # fmt: skip
    line: dict[str, Any] = {"id": _id(image, text), "image": image, "objects": [], "doubtful": [], "unsure": []}
    path = root / image
    try:
        line["objects"] = things = list(dict.fromkeys(lister.list(text)))
        if detector is None and verifier is None:
            return line
        line["content"] = content = _content(path)
        scores = _scores(content, path, things, detector, asked)
        line["scores"] = {thing: round(float(scores[thing]), 4) for thing in things if thing in scores}
        missing = [thing for thing in things if scores.get(thing, 0.0) < threshold]
        said = _answers(content, path, missing, verifier, asked)
        line["visible"] = said
        line["doubtful"] = [t for t in missing if (said[t] is False if verifier is not None else True)]
        line["unsure"] = [t for t in missing if verifier is not None and said[t] is None]
    except VprError as error:
        line["error"] = str(error)
    return line


def _scores(content: str, path: Path, things: list[str], detector: Detector | None, asked: _Asked) -> dict[str, float]:
    if detector is None:
        return {}
    new = [thing for thing in things if (content, thing) not in asked.scores]
    fresh = dict(zip(new, detector.score(path, new), strict=True)) if new else {}
    return {thing: fresh[thing] if thing in fresh else asked.scores[content, thing] for thing in things}


def _answers(
    content: str, path: Path, things: list[str], verifier: Verifier | None, asked: _Asked
) -> dict[str, bool | None]:
    if verifier is None:
        return {}
    new = [thing for thing in things if (content, thing) not in asked.answers]
    fresh = dict(zip(new, verifier.visible(path, new), strict=True)) if new else {}
    return {thing: fresh[thing] if thing in fresh else asked.answers[content, thing] for thing in things}


def _id(image: str, text: str) -> str:
    """Another text of the same image is another check."""
    return hashlib.sha256(f"{image}\n{text}".encode("utf-8", "surrogateescape")).hexdigest()[:24]


def _content(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    except OSError as error:
        raise ImageError(f"{path} cannot be read ({error.strerror or error})") from error
