"""Telling what a weights file is, and turning it into vprkit's own format."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from vprkit.registry import load_attribute
from vprkit.weights import own
from vprkit.weights.fetching import find
from vprkit.weights.own import Header
from vprkit.weights.reading import Checkpoint, read, sha256_of
from vprkit.weights.resolving import choose_by_name, choose_for_file, recognising


@dataclass(frozen=True)
class Inspection:
    """What a weights file is.

    Attributes:
        path: where it lies.
        format: in words.
        size: bytes on disk.
        sha256: of the file.
        tensors: how many.
        parameters: numbers in all of them.
        dtypes: dtype -> number of tensors.
        wrapper: wrappers opened and prefixes stripped to get to them, outermost first.
        beside: names of what else it holds.
        methods: names of the methods that it fits, by its shapes or its header.
        header: vprkit's own header, None in foreign files.
        unused: tensors that the method leaves out when it loads the file (training heads, a memory of past batches).
    """

    path: Path
    format: str
    size: int
    sha256: str
    tensors: int
    parameters: int
    dtypes: dict[str, int]
    wrapper: tuple[str, ...]
    beside: tuple[str, ...]
    methods: tuple[str, ...]
    header: Header | None
    unused: tuple[str, ...] = ()


def inspect(path: str | Path) -> Inspection:
    """Say what a weights file is, without running anything in it.

    Raises:
        NotAvailable: there is no such file.
        WeightsError: it is unsafe, damaged, or no weights file.
    """
    checkpoint = read(find(path))
    dtypes = Counter(str(tensor.dtype).removeprefix("torch.") for tensor in checkpoint.state.values())
    return Inspection(
        path=checkpoint.path,
        format=checkpoint.format.value,
        size=checkpoint.path.stat().st_size,
        sha256=sha256_of(checkpoint.path),
        tensors=len(checkpoint.state),
        parameters=sum(tensor.numel() for tensor in checkpoint.state.values()),
        dtypes=dict(dtypes.most_common()),
        wrapper=checkpoint.wrapper,
        beside=checkpoint.beside,
        methods=_methods(checkpoint),
        header=checkpoint.header,
        unused=_unused(checkpoint),
    )


def convert(source: str | Path, target: str | Path, *, method: str | None = None, overwrite: bool = False) -> Path:
    """Write a weights file in vprkit's own format, after checking it key by key against the method's network.

    Args:
        source: any weights file that `read` takes.
        target: a name ending in .safetensors.
        method: needed where several methods recognise the file.
        overwrite: replace `target` if it exists.

    Raises:
        WeightsError: `target` exists, the file fits no method or several, or it does not fit the named one.
    """
    place = Path(target)
    own.check_target(place, overwrite)
    checkpoint = read(find(source))
    choice = choose_for_file(checkpoint, method, {})
    network = choice.fill(checkpoint)
    header = choice.header(source=checkpoint.path.name, source_sha256=sha256_of(checkpoint.path))
    return own.save(place, network.state_dict(), header, overwrite=overwrite)


def _methods(checkpoint: Checkpoint) -> tuple[str, ...]:
    if checkpoint.header is not None:
        return (checkpoint.header.method,)
    return tuple(choose_by_name(declaration.name, {}, known).name for declaration, known in recognising(checkpoint))


def _unused(checkpoint: Checkpoint) -> tuple[str, ...]:
    """Names that the first method which recognises a foreign file drops."""
    if checkpoint.header is not None:
        return ()
    maps = [declaration.key_map for declaration, _ in recognising(checkpoint)]
    if not maps or maps[0] is None:
        return ()
    key_map = load_attribute(maps[0])
    return tuple(name for name in checkpoint.state if key_map(name) is None)
