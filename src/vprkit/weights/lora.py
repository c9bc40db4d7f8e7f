"""Low-rank adapters (LoRA, Hu et al., ICLR 2022): read as peft writes them, merged into weights without peft.

A layer with weight W of shape (out, in) and matrices A (r, in) and B (out, r) acts like one with W + scaling * B A.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from vprkit.errors import NotAvailable, WeightsError
from vprkit.files import unread
from vprkit.weights.fetching import directory, find
from vprkit.weights.own import Header
from vprkit.weights.reading import read

CONFIG, FILES = "adapter_config.json", ("adapter_model.safetensors", "adapter_model.bin")
PREFIX = "base_model.model."
"""Before the names of modules in peft's files."""

NOTE = "lora"
"""Key among the notes of vprkit's own files that hold an adapter alone."""

_MATRIX = re.compile(r"(.+)\.lora_([AB])(?:\.default)?\.weight")
_LARGEST = 2**20
_WITHOUT_EFFECT = {
    "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision", "inference_mode",
    "lora_dropout", "megatron_core", "qalora_group_size", "modules_to_save",
}  # fmt: skip
"""Keys of peft's configuration that change nothing about merging; `modules_to_save` would show among the tensors."""

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {"bias": ("none",), "init_lora_weights": (True, "gaussian")}
"""Other values than these (or none, false, empty) mean that more than A and B decides the weights."""


class Pair(NamedTuple):
    """A layer's (r, in) and (out, r) matrices."""

    a: Tensor
    b: Tensor

    def change(self, scaling: float) -> Tensor:
        """(out, in) what is added to the layer's weight."""
        change: Tensor = scaling * (self.b.float() @ self.a.float())
        return change


@dataclass(frozen=True)
class LoraFacts:
    """What an adapter is besides its matrices.

    Attributes:
        rank: r.
        alpha: what scaling is made of.
        rank_stabilised: scaling is alpha / sqrt(r) (Kalajdzievski 2023), else alpha / r.
        targets: last parts of the names of the layers it is for; None where that is not said as a list.
        base: where the weights are that it was made for, "" where unknown.
        base_sha256: SHA-256 of that file, "" where unknown.
    """

    rank: int
    alpha: float
    rank_stabilised: bool = True
    targets: tuple[str, ...] | None = None
    base: str = ""
    base_sha256: str = ""

    @property
    def scaling(self) -> float:
        """The factor before B A."""
        return self.alpha / (math.sqrt(self.rank) if self.rank_stabilised else self.rank)

    def meant(self, module: str) -> bool:
        """Whether the targets name this module."""
        return self.targets is not None and any(f".{module}".endswith(f".{target}") for target in self.targets)


@dataclass(frozen=True)
class Adapter:
    """An adapter as read.

    Attributes:
        path: the folder or file it was given as.
        facts: rank, scaling, what it is for.
        pairs: matrices by the names that the authors' base weights give the layers.
        header: of vprkit's own file.
    """

    path: Path
    facts: LoraFacts
    pairs: Mapping[str, Pair]
    header: Header | None = None


def read_adapter(place: str | Path) -> Adapter:
    """An adapter from peft's folder (`adapter_config.json` beside the tensors) or from vprkit's own file.

    Raises:
        NotAvailable: there is none.
        WeightsError: unsafe, damaged, or of a kind whose meaning is not known here; the key is named.
    """
    place = Path(place).expanduser()
    if place.is_dir():
        facts = _read_config(place / CONFIG)
        path = next((place / name for name in FILES if (place / name).is_file()), None)
        if path is None:
            raise NotAvailable(f"{place} holds no {FILES[0]}; copy the whole adapter folder")
        checkpoint = read(path)
    else:
        path, checkpoint = place, read(find(place))
        found = None if checkpoint.header is None else facts_in(checkpoint.header.notes)
        if found is None:
            raise WeightsError(f"{place} is no adapter of vprkit's; give the folder that peft wrote, with its {CONFIG}")
        facts = found
    pairs, rest = split(checkpoint.state)
    if rest or not pairs:
        other = f"'{next(iter(rest))}', which is no LoRA matrix of a linear layer" if rest else "no matrices"
        raise WeightsError(f"{path} holds {other}; only plain LoRA is merged")
    named = {name.removeprefix(PREFIX): pair for name, pair in pairs.items()}
    adapter = Adapter(place, facts, named, checkpoint.header)
    _check(adapter)
    return adapter


def facts_in(notes: Mapping[str, Any]) -> LoraFacts | None:
    """What a file of vprkit's that holds an adapter alone says of it; None for other files."""
    said = notes.get(NOTE)
    if said is None:
        return None
    targets = said.get("targets")
    return LoraFacts(**{**said, "targets": None if targets is None else tuple(targets)})


def split(state: Mapping[str, Tensor]) -> tuple[dict[str, Pair], dict[str, Tensor]]:
    """The complete pairs of matrices by module, and everything else."""
    halves: dict[str, dict[str, str]] = {}
    for name in state:
        if matrix := _MATRIX.fullmatch(name):
            halves.setdefault(matrix[1], {})[matrix[2]] = name
    names = {module: (found["A"], found["B"]) for module, found in halves.items() if len(found) == 2}
    paired = {name for both in names.values() for name in both}
    rest = {name: tensor for name, tensor in state.items() if name not in paired}
    return {module: Pair(state[a], state[b]) for module, (a, b) in names.items()}, rest


def merged(state: Mapping[str, Tensor], scaling: Callable[[int], float]) -> dict[str, Tensor]:
    """A network that was saved with its adapters (`x.base_layer.weight`, `x.lora_A.default.weight`) as one without.

    Args:
        state: parameter name -> tensor.
        scaling: factor before B A by rank.

    Returns:
        Names and weights of the network as it was before adapters were put in, their work added.
    """
    pairs, rest = split(state)
    plain = {name.replace(".base_layer.", "."): tensor for name, tensor in rest.items()}
    for module, pair in pairs.items():
        name = f"{module}.weight"
        if name in plain and plain[name].shape == (len(pair.b), pair.a.shape[1]):
            plain[name] = plain[name].float() + pair.change(scaling(len(pair.a)))
        else:  # left for `fit` to name
            plain |= {f"{module}.lora_A.weight": pair.a, f"{module}.lora_B.weight": pair.b}
    return plain


def lavpr_scaling(rank: int) -> float:
    """alpha / sqrt(r) with alpha = 2 r: of adapters in checkpoints of LaVPR's training, which do not say alpha."""
    return 2 * math.sqrt(rank)


def merge_into(network: nn.Module, adapter: Adapter, key_map: Callable[[str], str | None] | None) -> None:
    """Add an adapter's work to the weights of a network.

    Args:
        network: has its base weights.
        adapter: what is added.
        key_map: name in the base weights' file -> the network's name; None drops it.

    Raises:
        WeightsError: the adapter is for layers that the network lacks or that have another shape, or lacks some that
            its configuration names; the layer is named.
    """
    weights = {name: weight for name, weight in network.named_parameters() if weight.dim() == 2}
    done: set[str] = set()
    for module, pair in adapter.pairs.items():
        name = f"{module}.weight" if key_map is None else key_map(f"{module}.weight")
        if name is None:
            continue
        shape = (len(pair.b), pair.a.shape[1])
        if name not in weights or weights[name].shape != shape:
            found = f"is {tuple(weights[name].shape)}" if name in weights else "is not there"
            raise WeightsError(f"{adapter.path} is not for these weights: it changes '{module}' of shape {shape}, "
                               f"which {found}")  # fmt: skip
        weights[name].data = weights[name].data + pair.change(adapter.facts.scaling).to(weights[name].dtype)
        done.add(name)
    linear = (f"{name}.weight" for name, layer in network.named_modules() if isinstance(layer, nn.Linear))
    left = [name for name in linear if adapter.facts.meant(name.removesuffix(".weight")) and name not in done]
    if left:
        raise WeightsError(f"{adapter.path} has no matrices for {len(left)} layers that its configuration names: "
                           f"{', '.join(left[:4])}")  # fmt: skip


def find_base(path: Path, facts: LoraFacts) -> Path:
    """The weights that the adapter in a file of vprkit's is for: where they were, else by name in the weights folder.

    Raises:
        NotAvailable: in neither place.
    """
    for place in (facts.base, Path(facts.base).name):
        try:
            return find(place)
        except NotAvailable:
            continue
    raise NotAvailable(f"{path} holds an adapter alone; {facts.base} (SHA-256 {facts.base_sha256[:16]}...), which it "
                       f"was made for, is not here: put it into {directory()}, or give weights=FILE and "
                       f"adapter={path.name}")  # fmt: skip


def check_base(adapter: Adapter, path: Path, sha256: str) -> None:
    """Refuse other weights than those that an adapter was made for, where it says which.

    Raises:
        WeightsError: they are others.
    """
    wanted = adapter.facts.base_sha256
    if wanted and wanted != sha256:
        raise WeightsError(f"{adapter.path} was made for weights with SHA-256 {wanted[:16]}..., {path} has "
                           f"{sha256[:16]}...; give {adapter.facts.base or 'those'}")  # fmt: skip


def _read_config(path: Path) -> LoraFacts:
    try:
        with path.open(encoding="utf-8") as file:
            said = json.loads(file.read(_LARGEST))
    except FileNotFoundError as error:
        raise NotAvailable(f"there is no {path}; an adapter's folder holds it beside the tensors") from error
    except (OSError, ValueError, RecursionError) as error:
        raise WeightsError(unread(path, error, "cannot be read as JSON")) from error
    if not isinstance(said, dict) or said.get("peft_type") != "LORA":
        raise WeightsError(f"{path} describes no LoRA adapter (peft_type is missing or another)")
    known = _WITHOUT_EFFECT | {"peft_type", "r", "lora_alpha", "use_rslora", "target_modules"}
    for key, value in said.items():
        if key not in known and value and value not in _NEUTRAL.get(key, ()):
            raise WeightsError(f"{path}: '{key}' is {str(value)[:60]}, which is not understood here; merge the adapter "
                               "with the program that made it, and give the merged weights")  # fmt: skip
    targets = said.get("target_modules")
    listed = isinstance(targets, list) and all(isinstance(target, str) for target in targets)
    named = tuple(targets or ()) if listed else None
    rank, alpha = (_positive(said, key, path) for key in ("r", "lora_alpha"))
    return LoraFacts(int(rank), alpha, bool(said.get("use_rslora")), named)


def _check(adapter: Adapter) -> None:
    """Refuse matrices of another rank, or for layers that the configuration does not name."""
    for module, pair in adapter.pairs.items():
        ranks = (pair.a.shape[0], pair.b.shape[-1]) if pair.a.dim() == pair.b.dim() == 2 else ("no matrix",)
        if set(ranks) != {adapter.facts.rank}:
            raise WeightsError(f"{adapter.path}: '{module}' has rank {ranks[0]}, its configuration says "
                               f"{adapter.facts.rank}")  # fmt: skip
        if adapter.facts.targets is not None and not adapter.facts.meant(module):
            raise WeightsError(f"{adapter.path}: '{module}' is not among target_modules; {CONFIG} is of another "
                               "adapter")  # fmt: skip


def _positive(said: Mapping[str, Any], key: str, path: Path) -> float:
    value = said.get(key)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise WeightsError(f"{path}: '{key}' must be a positive number, got {value!r}")
    return float(value)
