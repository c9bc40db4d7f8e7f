"""Confidence: calibrated probability that the first hit of an answer is right, from its first hits alone.

Fitted on evaluations (`vprkit.evaluation.confidence`), kept as a JSON file, applied to answers of the same method.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import vprkit
from vprkit import config
from vprkit.data import geo
from vprkit.errors import ConfigError, DataError
from vprkit.files import refuse_to_overwrite, unread, write_json
from vprkit.retrieval.evidence import DEPTH, LEAST, NAMES, evidence, metres_from_first
from vprkit.retrieval.logistic import Logistic

FORMAT = 1


@dataclass(frozen=True)
class Fitted:
    """An evaluation that a calibration was fitted on."""

    benchmark: str
    rule: str
    queries: int
    lists: dict[str, str]


@dataclass(frozen=True)
class Confidence:
    """A calibration.

    Attributes:
        identity: of the method whose answers it judges, as of `Method.identity`.
        second_stage: reranker, settings and count of the second stage behind the scores; None without one.
        asks: what queries were: photo, text, or photo and text.
        depth: first hits that it looks at.
        fitted: the evaluations it was fitted on.
        model: makes probabilities of evidence.
        quality: cross-validated figures of the fit: queries, right (share), ece, brier, log_loss.
        names: of the evidence.
        vprkit: version that wrote it.

    Raises:
        ConfigError: it looks at other evidence than this vprkit, or at too few hits.
    """

    identity: dict[str, Any]
    second_stage: dict[str, Any] | None
    asks: str
    depth: int
    fitted: tuple[Fitted, ...]
    model: Logistic
    quality: dict[str, float] = field(default_factory=dict)
    names: tuple[str, ...] = NAMES
    vprkit: str = vprkit.__version__

    def __post_init__(self) -> None:
        if self.names != NAMES or len(self.model.mean) != len(NAMES):
            raise ConfigError(f"it judges by {', '.join(self.names)}; this vprkit judges by {', '.join(NAMES)}")
        if not LEAST <= self.depth <= DEPTH:
            raise ConfigError(f"'depth' must be from {LEAST} to {DEPTH}, got {self.depth}")

    @property
    def told(self) -> str:
        """What it was fitted on, in words."""
        lists = ", ".join(f"{one.benchmark} ({one.queries:,} queries)" for one in self.fitted)
        return f"{self.identity.get('method')} on {lists}, answers {_told(self.second_stage)}"

    def of_hits(self, scores: np.ndarray, hits: geo.Columns) -> np.ndarray:
        """(Q,) probabilities that the first hit is right; NaN where one of the scores is not finite.

        Args:
            scores: (Q, depth) of the first hits, best first.
            hits: their Q * depth positions, query after query.

        Raises:
            ConfigError: another number of hits.
        """
        if scores.ndim != 2 or scores.shape[1] != self.depth:
            raise ConfigError(f"this calibration looks at {self.depth} hits of a query, got scores {scores.shape}")
        scored = np.isfinite(scores).all(1)
        metres = metres_from_first(hits, self.depth)
        values = np.full(len(scores), np.nan)
        values[scored] = self.model.probabilities(evidence(scores[scored], metres[scored]))
        return values

    def why_not_method(self, identity: Mapping[str, Any]) -> str | None:
        """Why it says nothing about answers of a method; None where it does."""
        mine, other = comparable(self.identity), comparable(identity)
        if mine.get("method") != other.get("method"):
            return f"the calibration is for answers of {mine.get('method')}, not of {other.get('method')}"
        differing = sorted(key for key in {*mine, *other} if mine.get(key) != other.get(key))
        if not differing:
            return None
        what = ", ".join(key.replace("_", " ") for key in differing)
        return f"the calibration is for answers of {mine.get('method')} with another {what}"

    def why_not(
        self, identity: Mapping[str, Any], second_stage: Mapping[str, Any] | None, asks: str = "photo"
    ) -> str | None:
        """Why it says nothing about answers of a method, a second stage and a kind of query; None where it does."""
        if (why := self.why_not_method(identity)) is not None:
            return why
        mine, other = _told(self.second_stage), _told(None if second_stage is None else stage_of(second_stage))
        if mine != other:
            return f"the calibration is for answers {mine}, these are {other}"
        if self.asks != asks:
            return f"the calibration is for queries by {self.asks}, these are by {asks}"
        return None

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write as JSON."""
        refuse_to_overwrite(Path(path), overwrite)
        write_json(Path(path), {"format": FORMAT, "kind": "vprkit confidence", **config.to_dict(self)})

    @staticmethod
    def load(path: str | Path) -> "Confidence":
        """Read what `save` wrote.

        Raises:
            DataError: no such file, or not a calibration of this format.
        """
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            if not isinstance(data, dict) or data.pop("kind", None) != "vprkit confidence":
                raise ValueError("it is something else")
            if (found := data.pop("format", None)) != FORMAT:
                raise ValueError(f"it has format {found}, this vprkit reads {FORMAT}")
            return config.from_dict(Confidence, data)
        except FileNotFoundError as error:
            raise DataError(f"{path}: there is no such file; make one with `vpr confidence fit`") from error
        except (OSError, ValueError, TypeError, RecursionError, ConfigError) as error:
            raise DataError(unread(path, error, "not a calibration that `vpr confidence fit` wrote")) from error


def comparable(identity: Mapping[str, Any]) -> dict[str, Any]:
    """An identity as JSON holds it, without the turning of photos by EXIF: maps turn them, evaluations do not, and
    scores mean the same.
    """
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    if isinstance(preprocessing := plain.get("preprocessing"), dict):
        plain["preprocessing"] = {key: value for key, value in preprocessing.items() if key != "exif_orientation"}
    return plain


def stage_of(second_stage: Mapping[str, Any]) -> dict[str, Any]:
    """What decides a second stage's scores, of what a result or a map says about it: not where local features are kept,
    nor as what.
    """
    kept: dict[str, Any] = json.loads(json.dumps(second_stage))
    return {key: value for key, value in kept.items() if key not in ("source", "dtype", "ties")}


def _told(second_stage: Mapping[str, Any] | None) -> str:
    if second_stage is None:
        return "without re-ranking"
    settings = {key: value for key, value in sorted(second_stage.items()) if key not in ("reranker", "count")}
    given = "".join(f", {key} {value}" for key, value in settings.items())
    return f"re-ranked by {second_stage.get('reranker')} ({second_stage.get('count')} candidates{given})"
