"""Runs that may stand side by side: on the same images with the same ground truth; and short names for them."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import PurePath

from vprkit.evaluation.notices import RANDOM
from vprkit.evaluation.result import Result


@dataclass(frozen=True)
class Group:
    """Runs on one benchmark.

    Attributes:
        title: the benchmark, with its rule where several rules were used on it.
        results: the runs, in the order given.
        labels: a short name for each, all different.
    """

    title: str
    results: tuple[Result, ...]
    labels: tuple[str, ...]

    @property
    def labelled(self) -> list[tuple[str, Result]]:
        """The runs that have recalls, with their names."""
        return [(label, result) for label, result in zip(self.labels, self.results, strict=True) if result.labelled]


def grouped(results: Iterable[Result]) -> list[Group]:
    """Runs by benchmark, in order of first appearance. A benchmark under another rule is another one."""
    found: dict[tuple[str, ...], list[Result]] = {}
    for result in results:
        found.setdefault(_key(result), []).append(result)
    titles = Counter(key[0] for key in found)
    return [
        Group(key[0] if titles[key[0]] == 1 else f"{key[0]}, set {number} ({key[1]})", tuple(runs), labels(runs))
        for number, (key, runs) in enumerate(found.items(), 1)
    ]


def labels(results: Sequence[Result]) -> tuple[str, ...]:
    """The method of each run; runs of one method are told apart by their weights file, else by a number; what nobody
    trained is called that.
    """
    methods = Counter(result.method for result in results)
    named = [_with_weights(result) if methods[result.method] > 1 or _is_random(result) else result.method
             for result in results]  # fmt: skip
    repeated, seen = Counter(named), Counter[str]()
    unique = []
    for label in named:
        seen[label] += 1
        unique.append(label if repeated[label] == 1 else f"{label}, run {seen[label]}")
    return tuple(unique)


def _key(result: Result) -> tuple[str, ...]:
    return (result.benchmark, result.rule, *(f"{role}={value}" for role, value in sorted(result.list_hashes.items())))


def _is_random(result: Result) -> bool:
    return str((result.weights or {}).get("path", "")).startswith(RANDOM)


def _with_weights(result: Result) -> str:
    path = (result.weights or {}).get("path")
    if _is_random(result):
        return f"{result.method} (random weights)"
    return f"{result.method} ({PurePath(str(path)).stem})" if path else result.method
