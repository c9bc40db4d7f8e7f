"""vprkit: visual place recognition, whole. Given a photo, find where it was taken in a geo-tagged image database.

The public names load when they are first used, so `import vprkit` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Benchmark": "vprkit.data.benchmark",
    "Comparison": "vprkit.evaluation.comparison",
    "Confidence": "vprkit.retrieval.confidence",
    "Features": "vprkit.features",
    "FeatureStore": "vprkit.retrieval.store",
    "Hit": "vprkit.retrieval.location",
    "LocalFeatures": "vprkit.features",
    "Location": "vprkit.retrieval.location",
    "Map": "vprkit.retrieval.map",
    "Method": "vprkit.method",
    "PlaceSet": "vprkit.data.places",
    "Preprocessing": "vprkit.preprocessing",
    "Record": "vprkit.data.records",
    "Records": "vprkit.data.records",
    "Result": "vprkit.evaluation.result",
    "VprError": "vprkit.errors",
    "compare": "vprkit.evaluation.comparison",
    "evaluate": "vprkit.evaluation.evaluate",
    "evaluate_descriptors": "vprkit.evaluation.evaluate",
    "evaluate_rankings": "vprkit.evaluation.evaluate",
    "fit_confidence": "vprkit.evaluation.confidence",
    "judged": "vprkit.evaluation.confidence",
    "list_methods": "vprkit.registry",
    "load_method": "vprkit.loading",
    "make_city": "vprkit.data.city",
    "list_recipes": "vprkit.registry",
    "open_benchmark": "vprkit.data.benchmark",
    "open_places": "vprkit.data.places",
    "open_records": "vprkit.data.benchmark",
    "read_submission": "vprkit.evaluation.submission",
    "reject_curve": "vprkit.evaluation.reliability",
    "reliability": "vprkit.evaluation.reliability",
    "sequence_vectors": "vprkit.evaluation.sequences",
    "train": "vprkit.training.train",
    "write_report": "vprkit.report.html",
    "write_submission": "vprkit.evaluation.submission",
}

if TYPE_CHECKING:
    from vprkit.data.benchmark import Benchmark, open_benchmark, open_records
    from vprkit.data.city import make_city
    from vprkit.data.places import PlaceSet, open_places
    from vprkit.data.records import Record, Records
    from vprkit.errors import VprError
    from vprkit.evaluation.comparison import Comparison, compare
    from vprkit.evaluation.confidence import fit_confidence, judged
    from vprkit.evaluation.evaluate import evaluate, evaluate_descriptors, evaluate_rankings
    from vprkit.evaluation.reliability import reject_curve, reliability
    from vprkit.evaluation.result import Result
    from vprkit.evaluation.sequences import sequence_vectors
    from vprkit.evaluation.submission import read_submission, write_submission
    from vprkit.features import Features, LocalFeatures
    from vprkit.loading import load_method
    from vprkit.method import Method
    from vprkit.preprocessing import Preprocessing
    from vprkit.registry import list_methods, list_recipes
    from vprkit.report.html import write_report
    from vprkit.retrieval.confidence import Confidence
    from vprkit.retrieval.location import Hit, Location
    from vprkit.retrieval.map import Map
    from vprkit.retrieval.store import FeatureStore
    from vprkit.training.train import train

__all__ = [
    "Benchmark",
    "Comparison",
    "Confidence",
    "FeatureStore",
    "Features",
    "Hit",
    "LocalFeatures",
    "Location",
    "Map",
    "Method",
    "PlaceSet",
    "Preprocessing",
    "Record",
    "Records",
    "Result",
    "VprError",
    "compare",
    "evaluate",
    "evaluate_descriptors",
    "evaluate_rankings",
    "fit_confidence",
    "judged",
    "list_methods",
    "list_recipes",
    "load_method",
    "make_city",
    "open_benchmark",
    "open_places",
    "open_records",
    "read_submission",
    "reject_curve",
    "reliability",
    "sequence_vectors",
    "train",
    "write_report",
    "write_submission",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'vprkit' has no attribute '{name}'")
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
