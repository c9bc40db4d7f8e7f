"""Finds reference cases and hands each to the function that knows its name.

A case is `<root>/<system>/cases/<case>.json` with an optional `.safetensors` beside it, known as `system/case`. All
sizes, seeds, options and tolerances come from the files: other cases of the same names must pass too.
"""

import fnmatch
import importlib
import json
import os
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file

HERE = Path(__file__).parent
PENDING = HERE / "pending.txt"
_PLACEHOLDER = "dummy"  # what a case has where it has no tensors, for the file's sake


def root() -> Path:
    """`$VPRKIT_REFERENCE`, else `../shared/reference` beside the checkout, else the selection kept here."""
    asked = os.environ.get("VPRKIT_REFERENCE")
    if asked:
        return Path(asked)
    shared = HERE.parents[2] / "shared" / "reference"
    return shared if shared.is_dir() else HERE / "vectors"


def discover() -> list[str]:
    """`system/case` of every case under the root."""
    return sorted(f"{path.parents[1].name}/{path.stem}" for path in root().glob("*/cases/*.json"))


def pending() -> dict[str, str]:
    """Cases whose issue is still open -> the reason."""
    lines = (line.split("#", 1)[0].strip() for line in PENDING.read_text(encoding="utf-8").splitlines())
    return {name: reason.strip() for name, _, reason in (line.partition(" ") for line in lines if line)}


@dataclass(frozen=True)
class Case:
    """One reference case: its description, its tensors, and comparison within its own tolerance."""

    name: str
    folder: Path
    done: set[str] = field(default_factory=set, compare=False)
    """Outputs that were compared, or left out for a reason that the handler has."""

    @staticmethod
    def named(name: str) -> "Case":
        return Case(name, root() / name.split("/")[0] / "cases")

    @cached_property
    def json(self) -> dict[str, Any]:
        path = self.folder / f"{self.name.split('/')[1]}.json"
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return data

    @cached_property
    def tensors(self) -> dict[str, torch.Tensor]:
        path = self.folder / f"{self.name.split('/')[1]}.safetensors"
        return load_file(path) if path.exists() else {}

    @property
    def config(self) -> dict[str, Any]:
        config: dict[str, Any] = self.json["config"]
        return config

    def state(self, prefix: str = "state/") -> dict[str, torch.Tensor]:
        """The weights, keyed by released parameter name; copies, since a network may take them over and train them."""
        found = {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}
        return {name: value.clone() for name, value in found.items()}

    def input(self, name: str) -> torch.Tensor:
        return self.tensors[f"input/{name}"]

    def output(self, name: str) -> torch.Tensor:
        return self.tensors[f"output/{name}"]

    def outputs(self, pattern: str = "*") -> list[str]:
        """Names under `output/` that match a wildcard pattern."""
        names = (key.removeprefix("output/") for key in self.tensors if key.startswith("output/"))
        return sorted(name for name in names if fnmatch.fnmatchcase(name, pattern))

    def tolerance(self, name: str) -> tuple[float, float]:
        """(rtol, atol) for the output `name`: its own where the case names one, else the case's.

        `grad_tolerance` or `tolerance_grad` are meant for every output with the word grad in its name; of several the
        most words win.
        """
        named = {key.removeprefix("tolerance_").removesuffix("_tolerance"): value for key, value in self.json.items()
                 if key != "tolerance" and isinstance(value, dict) and "tolerance" in key}  # fmt: skip
        meant = [words for words in named if re.search(rf"(?<![^/_.]){re.escape(words)}s?(?![^/_.])", name)]
        chosen = named[max(meant, key=len)] if meant else self.json.get("tolerance", {})
        return float(chosen.get("rtol", 0)), float(chosen.get("atol", 0))

    def check(self, name: str, actual: Any) -> None:
        """Assert that `actual` equals `output/<name>` within the case's tolerance."""
        self.compare(name, actual, self.output(name))
        self.done.add(name)

    def assert_complete(self) -> None:
        """Assert that no output was left out, but those that the case says are not compared."""
        apart = {name.removeprefix("output/") for name in self.json.get("not_compared", ())} | {_PLACEHOLDER}
        left = sorted(set(self.outputs()) - self.done - apart)
        assert not left, f"{self.name}: not compared: {', '.join(left)}"

    def compare(self, name: str, actual: Any, expected: Any) -> None:
        """Assert |actual - expected| <= atol + rtol |expected|, same shape; integers exactly; NaN equals NaN alone."""
        found, wanted = _array(actual), _array(expected)
        assert found.shape == wanted.shape, f"{self.name}: {name} has shape {found.shape}, expected {wanted.shape}"
        if wanted.dtype.kind in "iub":
            assert found.dtype.kind in "iub", f"{self.name}: {name} is {found.dtype}, expected whole numbers"
            assert np.array_equal(found, wanted), f"{self.name}: {name} differs"
            return
        rtol, atol = self.tolerance(name)
        unknown = np.isnan(wanted)
        assert np.array_equal(np.isnan(found), unknown), f"{self.name}: {name} is NaN elsewhere than expected"
        equal = unknown | (found == wanted)  # infinities among them
        found, wanted = (np.where(equal, 0.0, values.astype(np.float64)) for values in (found, wanted))
        error = np.abs(found - wanted)
        bound = atol + rtol * np.abs(wanted)
        worst = float((error - bound).max()) if error.size else 0.0
        assert worst <= 0, f"{self.name}: {name} is off by {error.max():.3g} (rtol {rtol}, atol {atol})"


Handler = Callable[[Case], None]
_HANDLERS: dict[str, Handler] = {}


def handles(*names: str) -> Callable[[Handler], Handler]:
    """Register a function as the check of the named cases (`system/case`)."""

    def register(function: Handler) -> Handler:
        for name in names:
            assert name not in _HANDLERS, f"two handlers for {name}"
            _HANDLERS[name] = function
        return function

    return register


def handlers() -> dict[str, Handler]:
    """Every handler, after importing all modules of `tests.reference.handlers`."""
    package = importlib.import_module("tests.reference.handlers")
    for info in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"tests.reference.handlers.{info.name}")
    return _HANDLERS


def _array(value: Any) -> np.ndarray:
    if isinstance(value, torch.Tensor):
        return value.detach().cpu().numpy()
    return np.asarray(value)
