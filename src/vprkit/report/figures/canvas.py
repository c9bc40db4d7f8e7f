"""Paper and pens of figures: made without matplotlib's global state, saved atomically."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vprkit import extras
from vprkit.errors import ConfigError
from vprkit.files import refuse_to_overwrite, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".jpg", ".jpeg", ".pdf", ".svg")
DOTS = 150
"""Per inch, in files of pixels."""

BATCH, MEMORY = "#0072b2", "#d55e00"
"""Told apart by colour-blind readers too (Okabe and Ito)."""

AS_IT_IS: dict[str, Any] = {"parse_math": False}
"""For words from outside, such as file names: a $ begins no formula."""


def new_figure(width: float, height: float, title: str = "") -> "Figure":
    """An empty figure of so many inches; no window and no pyplot, which would keep it in memory.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    figure: Figure = extras.require("report", "matplotlib.figure").Figure(
        figsize=(width, height), dpi=DOTS, layout="constrained"
    )
    if title:
        figure.suptitle(title, fontsize=11, **AS_IT_IS)
    return figure


def show_picture(axes: Any, picture: np.ndarray, title: str = "", **options: Any) -> Any:
    """A picture without a frame of numbers around it.

    Args:
        axes: of matplotlib.
        picture: (H, W, 3) uint8 or shares, or (H, W) values.
        title: above it.
        options: of `imshow`.

    Returns:
        What `imshow` gives, for a scale of colours.
    """
    axes.set_axis_off()
    axes.set_title(title, fontsize=8, pad=3, **AS_IT_IS)
    return axes.imshow(picture, **options)


def open_frame(axes: Any, across: str, up: str) -> None:
    """The look of charts: two sides of a frame, a faint grid behind, labels."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(axis="y", color="#e3e6e8", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=8)
    axes.set_xlabel(across, fontsize=9)
    axes.set_ylabel(up, fontsize=9)


def check_figure(path: Path, overwrite: bool = False) -> None:
    """Say before any work that a figure cannot be drawn or written.

    Raises:
        MissingExtra: matplotlib is not installed.
        ConfigError: the file's ending is none of `SUFFIXES`.
        VprError: the file exists, or its folder cannot be written.
    """
    extras.require("report")
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"{path}: a figure is written as {', '.join(SUFFIXES)}, not '{path.suffix}'")
    refuse_to_overwrite(path, overwrite)


def save_figure(figure: "Figure", path: str | Path, overwrite: bool = False) -> None:
    """Write a figure as PNG, JPEG, PDF or SVG, by the file's ending.

    Raises:
        ConfigError: the ending is another.
        VprError: the file exists, or cannot be written.
    """
    path = Path(path)
    check_figure(path, overwrite)
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.lower().removeprefix("."))
    write_atomically(path, buffer.getvalue())
