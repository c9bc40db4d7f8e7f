"""From what a training program saved to parameter names and tensors: wrappers opened, prefixes stripped."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vprkit.errors import WeightsError

_WRAPPERS = ("model_state_dict", "state_dict", "model", "teacher", "student", "network", "net", "weights", "params")
_DEEPEST = 4
_EVERYWHERE = "_orig_mod."  # torch.compile puts it before whatever was compiled
_AT_FRONT = "module."  # data-parallel wrappers


@dataclass(frozen=True)
class Unwrapped:
    """The tensors of a checkpoint.

    Attributes:
        state: parameter name -> tensor.
        wrapper: keys that led to it, outermost first, then prefixes that were stripped.
        beside: what else lay beside the weights (`epoch`, `optimizer_state_dict`, ...), names only.
    """

    state: dict[str, Tensor]
    wrapper: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()


def unwrap(content: Any, where: str) -> Unwrapped:
    """Find the weights in what a file holds.

    Raises:
        WeightsError: there are none, or none that can be told from the rest.
    """
    wrapper: list[str] = []
    beside: list[str] = []
    while True:
        if not isinstance(content, Mapping):
            raise WeightsError(f"{where} holds {_kind(content)}, not named tensors; save a state_dict() instead")
        key = _inner(content)
        if key is None:
            break
        beside += [str(name) for name in content if name != key]
        wrapper.append(key)
        content = content[key]
        if len(wrapper) > _DEEPEST:
            raise WeightsError(f"{where} nests its weights too deep ({' > '.join(wrapper)})")
    state = {str(name): value.detach() for name, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise WeightsError(f"{where} holds no weights; its top level has {_listed(content)}")
    beside += [str(name) for name, value in content.items() if not isinstance(value, Tensor)]
    state, prefixes = _without_prefixes(state, where)
    return Unwrapped(state, (*wrapper, *prefixes), tuple(beside))


def _inner(content: Mapping[Any, Any]) -> str | None:
    """The key under which the weights lie, None where they are here."""
    holders = [str(key) for key, value in content.items() if isinstance(key, str) and _has_tensors(value)]
    for name in _WRAPPERS:
        if name in holders:
            return name
    if any(isinstance(value, Tensor) for value in content.values()):
        return None
    return holders[0] if len(holders) == 1 else None


def _has_tensors(value: Any, depth: int = 0) -> bool:
    if not isinstance(value, Mapping) or depth > _DEEPEST:
        return False
    items = list(value.items())
    if any(isinstance(item, Tensor) and isinstance(key, str) for key, item in items):
        return True
    return any(key in _WRAPPERS and _has_tensors(item, depth + 1) for key, item in items)


def _without_prefixes(state: dict[str, Tensor], where: str) -> tuple[dict[str, Tensor], list[str]]:
    stripped: list[str] = []
    names = list(state)
    if any(_EVERYWHERE in name for name in names):
        names = [name.replace(_EVERYWHERE, "") for name in names]
        stripped.append(_EVERYWHERE)
    while all(name.startswith(_AT_FRONT) and name != _AT_FRONT for name in names):
        names = [name.removeprefix(_AT_FRONT) for name in names]
        stripped.append(_AT_FRONT)
    if len(set(names)) != len(names):
        raise WeightsError(f"{where} holds some weights twice, with and without the prefix {_EVERYWHERE}")
    return dict(zip(names, state.values(), strict=True)), stripped


def _kind(content: Any) -> str:
    if isinstance(content, Tensor):
        return f"a single tensor of shape {tuple(content.shape)}"
    return f"a {type(content).__name__}"


def _listed(content: Mapping[Any, Any]) -> str:
    names = [str(name) for name in content]
    if not names:
        return "no entry"
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
