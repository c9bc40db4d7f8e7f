"""Options that several commands share, each written down once."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from vprkit.evaluation.two_stage import Second
    from vprkit.method import Method
    from vprkit.retrieval.describe import Streaming

Weights = Annotated[
    str | None,
    typer.Option("--weights", "-w", help="Weights file, folder of a run (its best), or 'random' for a test."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Precision = Annotated[str, typer.Option(help="auto, fp32, bf16 or fp16 of the network.")]
Resize = Annotated[str | None, typer.Option(help="Other image size: 322, 480x640, shorter:480 or none.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="Option of the method, key=value, or preprocessing.key=value; repeat."),
]
RerankSettings = Annotated[
    list[str] | None, typer.Option("--rerank-set", help="Option of the second stage, key=value; repeat.")
]
Guided = Annotated[
    bool,
    typer.Option("--guided", help="Re-rank by patches that the method's own DINOv2 attends to."),
]
Patches = Annotated[list[str] | None, typer.Option(help="What --guided reads, such as layer=-2 or facet=key; repeat.")]
BatchSize = Annotated[int, typer.Option(help="Images per forward pass.")]
Workers = Annotated[int | None, typer.Option(help="Decoding threads (default: one per core).")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")]
ExifOrientation = Annotated[bool, typer.Option(help="Turn photos as their EXIF block says.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar.")]
Split = Annotated[str | None, typer.Option(help="train, val or test (default), where a folder holds several.")]
GroundTruth = Annotated[str | None, typer.Option(help="auto (default), zone_aware, planar, frames:N, or a CSV file.")]
Radius = Annotated[float | None, typer.Option(help="Metres within which a database image is right (default: 25).")]
Queries = Annotated[str | None, typer.Option(help="Folder of the queries, where there are several.")]
Database = Annotated[str | None, typer.Option(help="Folder of the database, where there are several.")]
Variant = Annotated[str | None, typer.Option(help="Which set, where several share a folder (pitts250k).")]
Subtask = Annotated[str | None, typer.Option(help="Part of MSLS: all, s2w, w2s, o2n, n2o, d2n or n2d.")]
Task = Annotated[str | None, typer.Option(help="MSLS: im2im (default), seq2seq, seq2im or im2seq.")]
Length = Annotated[int | None, typer.Option(help="Frames per sequence, odd (default: 3).")]
Images = Annotated[Path | None, typer.Option(help="Folder of the images, where index files lie apart.")]
QueryList = Annotated[Path | None, typer.Option(help="File of names or keys: only these queries are kept.")]
Texts = Annotated[Path | None, typer.Option(help="CSV of descriptions (image_path,description).")]
PREPROCESSING = "preprocessing."
"""How options of `--set` begin that say how photos are prepared."""

MapFolder = Annotated[Path, typer.Argument(metavar="MAP", help="Folder of the map.")]


def load(
    method: str,
    weights: str | None,
    device: str,
    precision: str,
    resize: str | None,
    settings: list[str] | None,
    exif_orientation: bool,
) -> "Method":
    """The method that a command's options ask for; METHOD may also be a weights file or the folder of a run."""
    from vprkit.loading import load_method

    name: str | None = method
    if weights is None and is_weights(method):
        name, weights = None, method
    values = settings_of(settings)
    asked = {key: values.pop(key) for key in list(values) if key.startswith(PREPROCESSING)}
    prepared = {key.removeprefix(PREPROCESSING): value for key, value in asked.items()}
    loaded = load_method(
        name, weights, device=device, precision=precision, resize=resize, preprocessing=prepared or None, **values
    )
    if exif_orientation:
        loaded.preprocessing = dataclasses.replace(loaded.preprocessing, exif_orientation=True)
    if loaded.weights is not None and loaded.weights.licence:
        typer.echo(f"weights {Path(loaded.weights.path).name}: licence {loaded.weights.licence}", err=True)
    return loaded


def guided_by(method: "Method", guided: bool, patches: list[str] | None) -> "Method":
    """The method, with attention-guided re-ranking where asked.

    Raises:
        NotAvailable: its network holds no DINOv2.
        ConfigError: --patches has an unknown key, or stands without --guided.
    """
    from vprkit.backbones.patch_features import PatchConfig
    from vprkit.config import override
    from vprkit.errors import ConfigError
    from vprkit.rerank.with_patches import with_patches

    if not guided:
        if patches:
            raise ConfigError("--patches says what --guided reads; add --guided")
        return method
    return with_patches(method, override(PatchConfig(), patches or []))


def check_method(method: str) -> None:
    """Refuse an unknown method before anything slow; weights are looked at when they are loaded."""
    from vprkit.registry import find_declaration

    if not is_weights(method):
        find_declaration(method)


def is_weights(method: str) -> bool:
    """Whether METHOD is a weights file or the folder of a run; one that is named as a method means the method."""
    from vprkit.registry import list_methods
    from vprkit.weights.runs import holds_run

    return Path(method).is_file() or (holds_run(method) and method not in list_methods())


def whole_numbers(text: str) -> list[int]:
    """The K of `--recall`."""
    from vprkit.errors import ConfigError

    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdigit() and int(part) > 0 for part in parts):
        raise ConfigError(f"--recall '{text}': write positive whole numbers with commas, such as 1,5,10")
    return [int(part) for part in parts]


def settings_of(settings: list[str] | None) -> dict[str, Any]:
    """`key=value` settings as keyword arguments."""
    from vprkit.config import parse_value
    from vprkit.errors import ConfigError

    values = {}
    for setting in settings or []:
        key, separator, text = setting.partition("=")
        if not separator or not key:
            raise ConfigError(f"'--set {setting}' is not an assignment; write --set key=value")
        values[key] = parse_value(text, key)
    return values


PUBLISHED = "published"


def candidates_asked(rerank: str | None) -> int | None:
    """The number of `--rerank`, None where there is none or the authors' is asked for.

    Raises:
        ConfigError: it is neither a whole number nor `published`.
    """
    from vprkit.errors import ConfigError

    if rerank is None or rerank == PUBLISHED:
        return None
    try:
        return int(rerank)
    except ValueError:
        raise ConfigError(f"--rerank takes a number of candidates or '{PUBLISHED}', not '{rerank}'") from None


def candidates_of(method: "Method", rerank: str | None) -> int | None:
    """How many candidates a loaded method's second stage looks at.

    Raises:
        NotAvailable: as many as published were asked for, and nobody says how many that is.
    """
    from vprkit.errors import NotAvailable
    from vprkit.registry import published_candidates

    if rerank != PUBLISHED:
        return candidates_asked(rerank)
    count = published_candidates(method.name)
    if count is None:
        raise NotAvailable(f"how many candidates '{method.name}' looks at again is not published; give --rerank N")
    return count


def second_of(
    method: "Method",
    rerank: int | None,
    local: str,
    local_dtype: str,
    ties: str,
    settings: list[str] | None,
    cache: float = 1.0,
) -> "Second | None":
    """The second stage that a command's options ask for.

    Raises:
        NotAvailable: the method has none.
        ConfigError: an option is unknown, or there are options for a second stage that is not asked for.
    """
    from vprkit.errors import ConfigError
    from vprkit.evaluation.two_stage import Second

    if rerank is None:
        if settings:
            raise ConfigError("--rerank-set changes the second stage; ask for one with --rerank N")
        return None
    second = Second(rerank, local, local_dtype, ties=ties, cache_gigabytes=cache)  # type: ignore[arg-type]
    second.of(method)
    return second.changed(method, settings or [])


def change_second_stage(method: "Method", rerank: int | None, settings: list[str] | None) -> None:
    """Give the method's own second stage other settings."""
    if settings:
        asked = second_of(method, rerank, "store", "float32", "first_stage", settings)
        method.reranker = None if asked is None else asked.reranker


def projected(
    method: "Method", dimension: int, photos: Path | None, texts: Path | None, batch_size: int, workers: int | None,
    quiet: bool
) -> "Method":  # fmt: skip
    """The method behind a PCA that is fitted on a folder of photos, and on their texts where it reads these."""
    import numpy as np

    from vprkit.cli.progress import bar
    from vprkit.data.benchmark import open_records
    from vprkit.errors import ConfigError
    from vprkit.retrieval.describe import describe_paths
    from vprkit.retrieval.pca import MOST, PCA, check_pca, with_pca

    check_pca(method)
    if photos is None:
        raise ConfigError("--pca needs photos to be fitted on: --pca-data FOLDER")
    records = open_records(photos, texts=texts)
    records = records.take(np.random.default_rng(0).permutation(len(records))[:MOST])
    with bar("fitting PCA", quiet) as progress:
        done, parts = 0, []
        for part in describe_paths(
            method, [records.path(row) for row in range(len(records))], streaming(batch_size, workers, "fail"),
            texts=records.texts.get("text"),
        ):  # fmt: skip
            parts.append(part.features.global_.numpy())
            done += len(part.rows)
            progress(done, len(records))
    return with_pca(method, PCA.fit(np.concatenate(parts), dimension))


@contextmanager
def told_to_skip() -> Iterator[None]:
    """Around describing in a command that has --on-error: an unreadable image's error names that remedy."""
    from vprkit.errors import ImageError

    try:
        yield
    except ImageError as error:
        raise ImageError(f"{error}; --on-error skip goes on without it", error.path) from error


def streaming(batch_size: int, workers: int | None, on_error: str) -> "Streaming":
    """How images are read and batched."""
    from vprkit.retrieval.describe import Streaming

    return Streaming(batch_size, workers, on_error)
