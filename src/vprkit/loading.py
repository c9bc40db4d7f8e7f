"""From a name, a weights file, or both to a method ready to use."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from vprkit.errors import ConfigError, NotAvailable, WeightsError
from vprkit.method import Method, WeightsSource
from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration, Released, find_declaration
from vprkit.weights.fetching import Progress, fetch, find, how_to_get
from vprkit.weights.lora import Adapter, check_base, facts_in, find_base, read_adapter
from vprkit.weights.own import Header, save
from vprkit.weights.reading import Checkpoint, read, sha256_of
from vprkit.weights.resolving import Choice, choose_by_name, choose_for_file, released_as
from vprkit.weights.runs import weights_of

RANDOM = "random"

PARTS = "the weights of its parts"
"""Where the numbers of a method that is put together from others come from, where it has no file of its own."""


@runtime_checkable
class KeepsPart(Protocol):
    """A network of parts that have weights files of their own: only the others are written."""

    def kept_state(self) -> dict[str, Tensor]:
        """The tensors that its file holds."""


def load_method(
    name: str | None = None,
    weights: str | Path | None = None,
    *,
    device: str | torch.device = "auto",
    precision: str = "auto",
    resize: str | int | None = None,
    preprocessing: Preprocessing | Mapping[str, Any] | None = None,
    adapter: str | Path | None = None,
    **options: Any,
) -> Method:
    """A place-recognition method with its weights.

    Args:
        name: a method or variant (`vpr methods`); may be left out where the weights file tells.
        weights: a file by path or by name in the weights folder: vprkit's own (it carries everything) or the authors'.
            Or the folder of a training run, which stands for its best. `"random"` gives initial values, for tests and
            benchmarks, with the option `seed` (default 0) or written `"random:3"`. None looks for the authors' file in
            the weights folder.
        device: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
        precision: `auto`, `fp32`, `bf16`, `fp16` of the network.
        resize: another size for the images: `322`, `480x640` (height x width), `shorter:480`, `none`.
        preprocessing: the whole description, instead of the method's; or single keys of it, the others as the method's.
        adapter: a LoRA adapter that is merged into the weights: the folder that peft wrote, or vprkit's own file.
        options: the method's own, as in its configuration.

    Raises:
        ConfigError: a name, option or size is unknown, or contradicts the others.
        NotAvailable: the weights are not here; the message says which file to put where.
        WeightsError: the file is unsafe, damaged, of another method, or does not fit key by key.
    """
    if name is None and weights is None:
        raise ConfigError("load_method needs a method's name, a weights file, or both")
    if isinstance(weights, str) and weights.partition(":")[0] == RANDOM:
        _no_adapter(adapter)
        choice, network, source = _random(name, weights, options)
    elif weights is None and name is not None and not find_declaration(name).needs_weights:
        _no_adapter(adapter)
        choice = choose_by_name(name, options)
        network, source = choice.build(), None
    elif weights is None and name is not None and find_declaration(name).assemble:
        choice = choose_by_name(name, options)
        network, source = choice.assembled(None), WeightsSource(PARTS, "")
    else:
        choice, network, source = _from_file(name, weights, options, adapter)
    return Method(
        network,
        _prepared(choice.preprocessing, preprocessing, resize),
        name=choice.name,
        metric=choice.metric,
        configuration=_plain(choice),
        weights=source,
        device=device,
        precision=precision,
        reranker=choice.reranker(),
    )


def save_method(
    method: Method, path: str | Path, *, overwrite: bool = False, notes: Mapping[str, Any] | None = None
) -> Path:
    """Write a method's network in vprkit's own format, so that `load_method(weights=path)` gives it back.

    Raises:
        ConfigError: it is no registered method, so nothing could read the file.
        WeightsError: the file exists and `overwrite` is not set.
    """
    find_declaration(method.name)
    licence = method.weights.licence if method.weights else ""
    header = Header(
        method.name, method.configuration, method.preprocessing, method.metric, licence, notes=dict(notes or {})
    )
    network = method.network
    state = network.kept_state() if isinstance(network, KeepsPart) else network.state_dict()
    return save(path, state, header, overwrite=overwrite)


def released_files(name: str) -> tuple[Released, ...]:
    """The authors' files of a method or variant.

    Raises:
        ConfigError: no method has this name.
    """
    declaration = find_declaration(name)
    if name == declaration.name:
        return declaration.released
    return tuple(released for released in declaration.released if released.variant in (None, name))


def fetch_weights(name: str, *, overwrite: bool = False, progress: Progress | None = None) -> list[Path]:
    """Download the authors' files of a method or variant into the weights folder (those that are not there yet).

    Raises:
        ConfigError: the name stands for several sizes.
        NotAvailable: there are none, or they cannot be had from here; the message says which file to put where.
    """
    files = released_files(name)
    variants = sorted({file.variant for file in files if file.variant})
    if len(variants) > 1:
        raise ConfigError(f"'{name}' comes in several sizes; name the one you want: {', '.join(variants)}")
    if not files and not find_declaration(name).needs_weights:
        raise NotAvailable(f"'{name}' needs no weights")
    if not files:
        raise NotAvailable(
            f"'{name}' has no released weights; train it, or use weights='random' (-w random) for a test"
        )
    return [fetch(released, overwrite=overwrite, progress=progress) for released in files]


def _random(name: str | None, weights: str, options: dict[str, Any]) -> tuple[Choice, nn.Module, WeightsSource]:
    if name is None:
        raise ConfigError("weights='random' (-w random) needs the method's name")
    written = weights.partition(":")[2]
    seed = written or options.pop("seed", 0)
    if isinstance(seed, bool) or not str(seed).isdigit():
        raise ConfigError(f"the seed of random weights must be a whole number, got {seed!r}")
    choice = choose_by_name(name, options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(seed))
        network = choice.build()
    return choice, network, WeightsSource(f"{RANDOM}:{seed}", f"seed {seed}")


def _from_file(
    name: str | None, weights: str | Path | None, options: Mapping[str, Any], adapter: str | Path | None
) -> tuple[Choice, nn.Module, WeightsSource]:
    path = _released_file(name, options) if weights is None and name is not None else _given_file(weights)
    checkpoint = read(path)
    alone = None if checkpoint.header is None else facts_in(checkpoint.header.notes)
    if alone is not None and adapter is None:  # an adapter, which says what weights it is for
        adapter, path = path, find_base(path, alone)
        checkpoint = read(path)
    if adapter is not None:
        return _adapted(name, path, checkpoint, read_adapter(adapter), options)
    choice = choose_for_file(checkpoint, name, options)
    if reason := choice.unfinished():
        raise WeightsError(f"{path} {reason}")
    return choice, choice.fill(checkpoint), WeightsSource(str(path.absolute()), sha256_of(path), choice.licence)


def _adapted(
    name: str | None, path: Path, checkpoint: Checkpoint, adapter: Adapter, options: Mapping[str, Any]
) -> tuple[Choice, nn.Module, WeightsSource]:
    """Weights with an adapter merged; where it is vprkit's own file, its header says how the method is set up."""
    sha256 = sha256_of(path)
    check_base(adapter, path, sha256)
    header = adapter.header
    if header is None:
        choice = choose_for_file(checkpoint, name, options)
    else:
        own = choose_for_file(checkpoint, name or header.method, {**header.configuration, **options})
        choice = dataclasses.replace(own, preprocessing=header.preprocessing)
    source = WeightsSource(str(path.absolute()), sha256, choice.licence, str(adapter.path.absolute()))
    return choice, choice.fill(checkpoint, adapter), source


def _no_adapter(adapter: str | Path | None) -> None:
    if adapter is not None:
        raise ConfigError(f"the adapter {adapter} needs the weights that it was made for; give them as weights")


def _given_file(weights: str | Path | None) -> Path:
    try:
        return weights_of(str(weights))
    except NotAvailable as error:
        known = released_as(Path(str(weights)).name)
        if known is None:
            raise
        name, released = known
        raise NotAvailable(f"{error}. {how_to_get(released, name)}") from error


def _released_file(name: str, options: Mapping[str, Any]) -> Path:
    choice = choose_by_name(name, options)
    files = _files_of(choice.declaration, choice.name)
    if not files:
        raise NotAvailable(
            f"'{choice.name}' has no released weights; give weights=FILE (--weights FILE), "
            "or weights='random' (-w random) for a test"
        )
    for released in files:
        try:
            return find(released.file)
        except NotAvailable:
            continue
    raise NotAvailable(f"the weights of '{choice.name}' are not here. {how_to_get(files[0], choice.name)}")


def _files_of(declaration: Declaration, name: str) -> list[Released]:
    return [released for released in declaration.released if released.variant in (None, name)]


def _prepared(
    own: Preprocessing, asked: Preprocessing | Mapping[str, Any] | None, resize: str | int | None
) -> Preprocessing:
    """The preprocessing asked for, its size checked before any work is done."""
    if isinstance(asked, Mapping):
        asked = Preprocessing.from_dict({**own.to_dict(), **asked})
    chosen = own if asked is None else asked
    if resize is not None:
        chosen = chosen.resized(str(resize))
    sides, multiple = chosen.fixed_size, own.multiple
    if sides and any(side % multiple for side in sides):
        near = "x".join(str(max(multiple, round(side / multiple) * multiple)) for side in sides)
        found = "x".join(map(str, sides))
        raise ConfigError(f"images of {found} were asked for, this method needs multiples of {multiple}: take {near}")
    return chosen


def _plain(choice: Choice) -> dict[str, Any]:
    return choice.header().configuration
