"""Putting named tensors into a network, key by key: everything missing, unexpected or mis-shaped is listed."""

import difflib
import itertools
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from vprkit.errors import WeightsError

KeyMap = Callable[[str], str | None]
_LISTED = 4


def fit(network: nn.Module, state: Mapping[str, Tensor], *, source: str, key_map: KeyMap | None = None) -> None:
    """Load `state` into `network`, exactly.

    Half-precision and double numbers become the network's own dtype (float32). The network may be on the `meta` device;
    its tensors are then replaced by those of the file without a copy.

    Args:
        network: receives the tensors.
        state: parameter name -> tensor.
        source: how error messages begin, for example `x.pth does not fit dinov2-vits14`.
        key_map: file name -> network name, None drops the tensor.

    Raises:
        WeightsError: anything is missing, unexpected, mis-shaped or of another kind of number.
    """
    mapped, origins = _mapped(state, key_map, source)
    wanted = network.state_dict()
    problems = differences(
        {name: tuple(tensor.shape) for name, tensor in mapped.items()},
        {name: tuple(tensor.shape) for name, tensor in wanted.items()},
        spelled=lambda name: _spelled(name, origins),
    )
    problems += [
        f"'{name}' holds {mapped[name].dtype}, must hold {tensor.dtype}"
        for name, tensor in wanted.items()
        if name in mapped and mapped[name].is_floating_point() != tensor.is_floating_point()
    ][:_LISTED]
    if problems:
        raise WeightsError(f"{source}: {'; '.join(problems)}")
    network.load_state_dict(_converted(mapped, wanted), strict=True, assign=True)
    left = [name for name, tensor in _all_tensors(network) if tensor.is_meta]
    if left:
        raise WeightsError(
            f"{source}: the network's '{left[0]}' is not part of its state_dict and was left without value"
        )


def map_names(state: Mapping[str, Tensor], key_map: KeyMap | None, source: str) -> dict[str, Tensor]:
    """`state` under the network's names.

    Raises:
        WeightsError: two names of the file mean the same parameter.
    """
    return _mapped(state, key_map, source)[0]


def _mapped(
    state: Mapping[str, Tensor], key_map: KeyMap | None, source: str
) -> tuple[dict[str, Tensor], dict[str, str]]:
    """`state` under the network's names, and what the file calls each of them."""
    mapped: dict[str, Tensor] = {}
    origin: dict[str, str] = {}
    for name, tensor in state.items():
        target = name if key_map is None else key_map(name)
        if target is None:
            continue
        if target in mapped:
            raise WeightsError(f"{source}: '{name}' and '{origin[target]}' both mean the parameter '{target}'")
        mapped[target], origin[target] = tensor, name
    return mapped, origin


def _spelled(name: str, origins: Mapping[str, str]) -> str:
    """`'name'`, with the file's own spelling where that is no part of it; of a missing one, as its neighbours are."""
    neighbour = max(origins, key=lambda other: _shared(name, other), default=name)
    mine, theirs = neighbour, origins.get(neighbour, neighbour)
    same = _shared(mine[::-1], theirs[::-1])
    mine, theirs = mine[: len(mine) - same], theirs[: len(theirs) - same]
    own = theirs + name.removeprefix(mine)
    if own in name or not name.startswith(mine):
        return f"'{name}'"
    return f"'{name}' (in the file's naming '{own}')"


def _shared(one: str, other: str) -> int:
    """How many characters two texts begin with in common."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def differences(
    found: Mapping[str, tuple[int, ...]],
    wanted: Mapping[str, tuple[int, ...]],
    spelled: Callable[[str], str] = "'{}'".format,
) -> list[str]:
    """What keeps tensors of these names and shapes from fitting: one clause per kind with count and first names.

    Args:
        found: name -> shape in the file.
        wanted: name -> shape in the network.
        spelled: how a name is quoted.
    """
    missing = [name for name in wanted if name not in found]
    unexpected = [name for name in found if name not in wanted]
    misshaped = [name for name in wanted if name in found and found[name] != wanted[name]]
    clauses = []
    if missing:
        clauses.append(f"{len(missing)} missing: {_listed(missing, unexpected, 'the file has', spelled)}")
    if unexpected:
        clauses.append(f"{len(unexpected)} unexpected: {_listed(unexpected, wanted, 'nearest is', spelled)}")
    if misshaped:
        shown = [f"{spelled(name)} is {found[name]}, must be {wanted[name]}" for name in misshaped[:_LISTED]]
        clauses.append(f"{len(misshaped)} of another shape: {', '.join(shown)}{_more(misshaped)}")
    return clauses


def _listed(names: list[str], others: Iterable[str], words: str, spelled: Callable[[str], str]) -> str:
    candidates = list(itertools.islice(others, 2000))
    shown = []
    for name in names[:_LISTED]:
        close = difflib.get_close_matches(name, candidates, n=1, cutoff=0.8)
        shown.append(spelled(name) + (f" ({words} '{close[0]}')" if close else ""))
    return ", ".join(shown) + _more(names)


def _more(names: list[str]) -> str:
    return f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""


def _converted(state: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In the network's dtypes, each tensor with memory of its own (tied weights must be able to part in training)."""
    converted: dict[str, Tensor] = {}
    used: set[int] = set()
    for name, tensor in state.items():
        value = tensor.detach().to(wanted[name].dtype).contiguous()
        address = value.untyped_storage().data_ptr()
        converted[name] = value.clone() if address in used else value
        used.add(address)
    return converted


def _all_tensors(network: nn.Module) -> Iterable[tuple[str, Tensor]]:
    return itertools.chain(network.named_parameters(), network.named_buffers())


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """A network without numbers, made at once however large: to compare shapes, or to be filled by `fit`.

    Non-persistent buffers would be left without value; networks that `fit` fills must not have any.
    """
    with torch.device("meta"):
        return build()
