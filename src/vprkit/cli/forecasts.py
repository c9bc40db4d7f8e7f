"""What describing will need, said before it starts."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from vprkit.evaluation.two_stage import Second
    from vprkit.method import Method
    from vprkit.retrieval.forecast import Forecast
    from vprkit.retrieval.local_codec import LocalDtype


def forecast_map(method: "Method", images: int, folder: Path, local: "LocalDtype | None" = None) -> None:
    """Say on standard error what so many images will take in a map; describing refuses what its disk does not have.

    Args:
        method: what describes them.
        images: how many, at most.
        folder: of the map, which need not be there yet.
        local: how local features are kept; None: as the map there keeps them.

    Raises:
        StoreError: the map there is damaged.
    """
    from vprkit.retrieval.forecast import forecast
    from vprkit.retrieval.local_codec import LocalCodec
    from vprkit.retrieval.store import FeatureStore

    place = folder / "store"
    store = FeatureStore.open(place) if (place / "manifest.json").exists() else None
    _say(forecast(images, method, None if local is None else LocalCodec(local), store), folder)


def forecast_set(method: "Method", second: "Second | None", images: int, features: Path | None) -> None:
    """Say on standard error what an evaluation will keep of so many images, in `features` or for the time it runs.

    Raises:
        NotAvailable: the method has no second stage.
        ConfigError: there is no room for the second stage's local features.
    """
    from vprkit.retrieval.forecast import forecast

    _say(forecast(images, method), _kept_in(features))
    if second is not None:
        forecast_local(method, second, images, features)


def forecast_local(method: "Method", second: "Second", images: int, features: Path | None) -> None:
    """Say on standard error what the second stage's local features will take, before they are made.

    Raises:
        NotAvailable: the method has no second stage.
        ConfigError: the disk, or for `ram` the memory, has not that much.
    """
    from vprkit.evaluation.two_stage import check_space

    if (sentence := check_space(second, method, images, features)) is not None:
        typer.echo(sentence, err=True)


def _kept_in(features: Path | None) -> Path:
    """The folder of `--features`, or where temporary files go."""
    import tempfile

    return features if features is not None else Path(tempfile.gettempdir())


def _say(needed: "Forecast", folder: Path) -> None:
    from vprkit.report.words import plural

    beside = f" and {needed.local / 1e6:,.2f} MB of local features" if needed.local else ""
    open_end = "" if needed.local is not None else ", and local features as large as each image makes them"
    typer.echo(f"{plural(needed.images, 'image')} x {plural(needed.numbers, 'number')}{beside}: at most "
               f"{needed.size / 1e6:,.1f} MB in {folder}{open_end}", err=True)  # fmt: skip
