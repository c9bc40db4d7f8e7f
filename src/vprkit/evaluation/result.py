"""Result: rankings, recalls and timings of one evaluation, as data that prints and serialises."""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vprkit.data.records import Record
from vprkit.errors import DataError
from vprkit.evaluation.result_types import check_types
from vprkit.files import refuse_to_overwrite, unread, write_atomically

FORMAT = 1

_METRICS = {"ip": "inner product (ip)", "l2": "Euclidean distance (l2)"}


@dataclass(frozen=True)
class Position:
    """Where an image is: UTM metres and zone, degrees; None where unknown."""

    east: float | None = None
    north: float | None = None
    zone: int | None = None
    south: bool = False
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True)
class DatabaseImage:
    """A database image that a ranking or the ground truth refers to; `frames` of a sequence, whose centre it is."""

    name: str
    position: Position = Position()
    frames: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class QueryResult:
    """The ranking of one query.

    Attributes:
        name: of the query image.
        ranking: database numbers, best first.
        scores: of these, higher is better (empty where only rankings were given).
        right: which of these are positives; None where nothing says.
        first_hit: rank (1-based) of the first positive, None where none was ranked.
        positives: how many positives it has; None where nothing says.
        truth: number of a positive to show: the best-ranked, else the most similar heading, else the nearest.
        metres: distance of the first answer, None where a position is unknown.
        condition: as the data set names it.
        frames: names of its images in their order, where it is a sequence; `name` is the centre's.
        text: what was asked in words, where the method reads a query's text.
        by_photo: False where the method read the text alone.
        first_answer: number of the first stage's best answer, where a second stage looked again.
    """

    name: str
    ranking: list[int]
    scores: list[float]
    right: list[bool] | None
    first_hit: int | None
    positives: int | None
    truth: int | None = None
    metres: float | None = None
    condition: str | None = None
    position: Position = Position()
    frames: list[str] = field(default_factory=list)
    text: str = ""
    by_photo: bool = True
    first_answer: int | None = None


@dataclass(frozen=True)
class Curve:
    """Precision-recall curve of accepting top-1 answers by score; see `curves.PrecisionRecall`."""

    thresholds: list[float]
    precision: list[float]
    recall: list[float]
    auc: float
    recall_at_full_precision: float


@dataclass(frozen=True)
class Result:
    """One evaluation.

    Attributes:
        benchmark, rule: name of the set, how its positives were found; `protocol` names a published one, if any.
        method: name; `identity` holds configuration, preprocessing, metric and the hash of the weights.
        recalls: K -> per cent of all queries with a positive among the first K (the literature's denominator).
        recalls_answerable: the same over queries that have a positive.
        intervals: K -> 95 % bootstrap interval of `recalls`.
        conditions: condition -> {"queries", "R@K"...}; empty where the set names none.
        areas: city -> the same, with "mAP@K"; empty where the set has no cities.
        queries, database: number of images; `queries_without_positives` of them count as misses in `recalls`.
        mean_average_precision: mAP at the largest K, per cent, over answerable queries; `precisions` has it for each K.
        curve: precision and recall over score thresholds, None without scores.
        timings: stage -> items, seconds, median_ms, p95_ms; `total` is one query through all of them.
        storage: kB (1000 bytes) per database image: `descriptor`, and `local` where a second stage keeps such features.
        notices: what a reader should know, one sentence each.
        list_hashes: SHA-256 of the names of database and queries, and of what is right for each query.
        rankings: what was ranked, per query; `images` are the database images these refer to, by number.
        database_root, queries_root: folders that the names are relative to.
        environment: versions, device, precision.
        created: when, ISO 8601 in UTC.
        reranked: candidates that a second stage looked at again, None without one; their scores are the second stage's,
            images beyond them have none.
        first_stage: K -> recall before the second stage.
        second_stage: its settings.
    """

    benchmark: str
    rule: str
    method: str
    recalls: dict[int, float]
    recalls_answerable: dict[int, float]
    intervals: dict[int, tuple[float, float]]
    queries: int
    database: int
    queries_without_positives: int
    mean_average_precision: float | None
    curve: Curve | None
    rankings: list[QueryResult]
    images: dict[int, DatabaseImage]
    database_root: str
    queries_root: str
    conditions: dict[str, dict[str, float]] = field(default_factory=dict)
    areas: dict[str, dict[str, float]] = field(default_factory=dict)
    precisions: dict[int, float] = field(default_factory=dict)
    timings: dict[str, dict[str, float]] = field(default_factory=dict)
    storage: dict[str, float] = field(default_factory=dict)
    identity: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] | None = None
    protocol: str | None = None
    notices: tuple[str, ...] = ()
    list_hashes: dict[str, str] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    reranked: int | None = None
    first_stage: dict[int, float] = field(default_factory=dict)
    second_stage: dict[str, Any] = field(default_factory=dict)

    @property
    def labelled(self) -> bool:
        """False where there was no ground truth: then there are rankings but no recalls."""
        return bool(self.recalls)

    def table(self) -> str:
        """What the console shows."""
        lines = [f"{self.method} on {self.benchmark}: {self.queries} queries, {self.database} database images"]
        hashes = ", ".join(f"{role} {value[:12]}" for role, value in self.list_hashes.items())
        lines.append(f"  protocol: {self.protocol or 'none named'}; lists: {hashes or 'not recorded'}")
        if "metric" in self.identity:  # rankings of somebody's own say nothing of vectors
            lines.append(f"  vectors compared by: {_METRICS.get(how := str(self.identity['metric']), how)}")
        if self.labelled:
            lines += self._recall_lines()
        for name, row in (*self.areas.items(), *self.conditions.items()):
            recalls = "  ".join(f"{key} {value:5.1f}" for key, value in row.items() if key != "queries")
            lines.append(f"  {name:<12} {recalls}   ({int(row['queries'])} queries)")
        for stage, row in self.timings.items():
            lines.append(
                f"  {stage:<15} {row['median_ms']:9.2f} ms median, {row['p95_ms']:9.2f} ms p95, "
                f"{row['seconds']:.2f} s for {int(row['items'])}"
            )
        if self.storage:
            lines.append("  kB per image: " + ", ".join(f"{part} {size:.1f}" for part, size in self.storage.items()))
        lines += [f"  note: {notice}" for notice in self.notices]
        return "\n".join(lines)

    def _recall_lines(self) -> list[str]:
        lines = [f"  positives: {self.rule}; {self.queries_without_positives} queries have none"]
        for k, recall in self.recalls.items():
            low, high = self.intervals[k]
            extra = f"   of answerable {self.recalls_answerable[k]:5.1f}" if self.queries_without_positives else ""
            before = f"   before re-ranking {self.first_stage[k]:5.1f}" if k in self.first_stage else ""
            lines.append(f"  R@{k:<3} {recall:5.1f}   95% [{low:.1f}, {high:.1f}]{before}{extra}")
        if self.areas and self.precisions:
            lines += [f"  mAP@{k:<3} {value:4.1f}" for k, value in self.precisions.items()]
        elif self.mean_average_precision is not None:
            lines.append(f"  mAP@{max(self.recalls):<3} {self.mean_average_precision:4.1f}")
        if self.curve is not None:
            lines.append(
                f"  precision-recall: AUC {self.curve.auc:.3f}, recall at 100 % precision "
                f"{100 * self.curve.recall_at_full_precision:.1f}"
            )
        return lines

    def to_dict(self) -> dict[str, Any]:
        """Plain data: what `save` writes. `recalls` is keyed by K, values are per cent."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    def to_json(self) -> str:
        return json.dumps(_json_ready(self.to_dict()), default=str, allow_nan=False)

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write as JSON."""
        refuse_to_overwrite(Path(path), overwrite)
        write_atomically(Path(path), self.to_json())

    @staticmethod
    def load(path: str | Path) -> "Result":
        """Read what `save` wrote.

        Raises:
            DataError: no such file, or not a result of this format.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            return Result.from_dict(data)
        except FileNotFoundError as error:
            raise DataError(f"{path}: there is no such file") from error
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise DataError(unread(path, error, "not a result that `vpr evaluate --save` wrote")) from error

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> "Result":
        if not resembles_result(data):
            raise ValueError("it is something else")
        if data["format"] != FORMAT:
            raise ValueError(f"result format {data['format']}, this vprkit reads {FORMAT}")
        fields = {key: value for key, value in data.items() if key != "format"}
        fields.setdefault("first_stage", {})
        for key in ("recalls", "recalls_answerable", "first_stage"):
            fields[key] = {int(k): _number(value) for k, value in fields[key].items()}
        fields["precisions"] = {int(k): _number(value) for k, value in fields.get("precisions", {}).items()}
        fields["intervals"] = {int(k): (_number(low), _number(high)) for k, (low, high) in fields["intervals"].items()}
        fields["curve"] = None if fields["curve"] is None else Curve(**fields["curve"])
        fields["notices"] = tuple(fields["notices"])
        fields["images"] = {
            int(number): DatabaseImage(image["name"], Position(**image["position"]), image.get("frames", []))
            for number, image in fields["images"].items()
        }
        fields["rankings"] = [
            QueryResult(**{**row, "position": Position(**row["position"])}) for row in fields["rankings"]
        ]
        result = Result(**fields)
        check_types(result)
        _check_rankings(result)
        _check_zones([*(row.position for row in result.rankings), *(one.position for one in result.images.values())])
        return result


def resembles_result(data: Any) -> bool:
    """Whether what a JSON file holds is a result, whole or damaged, and nothing else that vprkit writes."""
    return isinstance(data, Mapping) and {"format", "benchmark", "rankings"} <= data.keys()


def _check_rankings(result: Result) -> None:
    """Refuse rankings that do not fit their images, scores or truth."""
    for number, row in enumerate(result.rankings):
        given = (*row.ranking, *(one for one in (row.truth, row.first_answer) if one is not None))
        if not result.images.keys() >= set(given):
            raise ValueError(f"'rankings[{number}]' names database images that it says nothing about")
        if any(len(beside) not in (0, len(row.ranking)) for beside in (row.scores, row.right or [])):
            raise ValueError(f"'rankings[{number}]' has more or fewer scores or truths than images")


def _check_zones(positions: Sequence[Position]) -> None:
    """Refuse zones that UTM does not have."""
    wrong = next((one.zone for one in positions if one.zone is not None and not 0 <= one.zone <= 60), None)
    if wrong is not None:
        raise ValueError(f"UTM has no zone {wrong}")


def _json_ready(value: Any) -> Any:
    """The same with numbers that are not finite as null: JSON knows no NaN, and other readers stumble over it."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _json_ready(item) for key, item in value.items()}
    return [_json_ready(item) for item in value] if isinstance(value, (list, tuple)) else value


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def position_of(record: Record) -> Position:
    """Where a record is."""
    return Position(record.east, record.north, record.zone, record.south, record.latitude, record.longitude)
