"""What in one photo resembles a point of another, by queries, keys, values and tokens of a block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from vprkit.backbones.patch_features import unit
from vprkit.backbones.vit import Facet
from vprkit.data import images as pictures
from vprkit.data.decoding import Photo, decode
from vprkit.errors import ConfigError
from vprkit.method import Method
from vprkit.report.figures.canvas import MEMORY, new_figure, show_picture
from vprkit.report.figures.looking import Seen, look, trunk_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FACETS = (Facet.KEY, Facet.QUERY, Facet.VALUE, Facet.TOKEN)
Point = tuple[float, float]


@dataclass(frozen=True)
class Likeness:
    """Cosines between one patch of a photo and all patches of another.

    Attributes:
        first, second: the photos.
        cell: (row, column) of the patch in the first.
        facets: what was compared.
        maps: for each of them (h, w) cosines.
        title: method and block.
    """

    first: Seen
    second: Seen
    cell: tuple[int, int]
    facets: tuple[Facet, ...]
    maps: tuple[np.ndarray, ...]
    title: str

    def best(self, place: int) -> tuple[Point, float]:
        """Centre (x, y) of the most similar patch, in the second picture's pixels, and its cosine."""
        values = self.maps[place]
        row, column = np.unravel_index(int(values.argmax()), values.shape)
        return _centre(self.second, (int(row), int(column))), float(values[row, column])


def likeness(
    method: Method, first: Photo, second: Photo, at: Point, block: int = -2, facets: Sequence[Facet] = FACETS
) -> Likeness:
    """Compare the patch under a point with all patches of another photo.

    Args:
        method: any whose network holds one ViT.
        first, second: photos.
        at: (x, y) in pixels of the first photo as it is stored.
        block: 0-based; negative numbers count from the last (published: 22 of 24).
        facets: what of the block.

    Raises:
        NotAvailable: the network holds no ViT, or several.
        ConfigError: the point lies outside of what the network sees, or there is no such block.
    """
    facets_of([facet.value for facet in facets])
    wanted = [(block, facet) for facet in facets]
    one, other = (look(method, photo, wanted) for photo in (first, second))
    cell = _cell(one, method, first, at)
    number = cell[0] * one.grid[1] + cell[1]
    maps = tuple(
        (unit(theirs) @ unit(mine)[number]).reshape(other.grid).numpy()
        for mine, theirs in zip(one.tensors, other.tensors, strict=True)
    )
    title = f"{method.name}, block {block % len(trunk_of(method).blocks)}"
    return Likeness(one, other, cell, tuple(facets), maps, title)


def similarity(
    method: Method, first: Photo, second: Photo, at: Point, block: int = -2, facets: Sequence[Facet] = FACETS
) -> "Figure":
    """The first photo with the point's patch, then the second under a map of cosines for each facet.

    The most similar patch is marked. Arguments and errors are those of `likeness`.

    Raises:
        MissingExtra: matplotlib is not installed.
    """
    return draw_likeness(likeness(method, first, second, at, block, facets))


def facets_of(names: Sequence[str]) -> tuple[Facet, ...]:
    """The facets of these names.

    Raises:
        ConfigError: there are none, or patches are not compared by one of them.
    """
    known = {facet.value: facet for facet in FACETS}
    bad = [name for name in names if name not in known]
    if bad or not names:
        raise ConfigError(f"patches are compared by {', '.join(known)}, not by {', '.join(bad) or 'nothing'}")
    return tuple(known[name] for name in dict.fromkeys(names))


def draw_likeness(found: Likeness) -> "Figure":
    """`similarity` of what was compared already."""
    height, width = found.first.size
    figure = new_figure(2.5 * (1 + len(found.maps)), 1.1 + 2.3 * height / width, found.title)
    axes = figure.subplots(1, 1 + len(found.maps), squeeze=False)[0]
    show_picture(axes[0], found.first.picture, "the point's patch")
    axes[0].set_anchor("N")
    _outline(axes[0], found.first, found.cell)
    for place, (facet, values) in enumerate(zip(found.facets, found.maps, strict=True)):
        tall, wide = found.second.size
        where, cosine = found.best(place)
        shown = axes[1 + place]
        show_picture(shown, found.second.picture)
        heat = show_picture(
            shown, values, f"{facet.value}: {cosine:.2f}", cmap="inferno", alpha=0.65, interpolation="nearest",
            extent=(-0.5, wide - 0.5, tall - 0.5, -0.5),
        )  # fmt: skip
        shown.plot(*where, marker="*", markersize=11, color="#3ddc97", markeredgecolor="black", markeredgewidth=0.7)
        figure.colorbar(heat, ax=shown, location="bottom", shrink=0.8, aspect=30).ax.tick_params(labelsize=6)
    return figure


def _cell(seen: Seen, method: Method, photo: Photo, at: Point) -> tuple[int, int]:
    """(row, column) of the patch under a point of the stored photo, after resize and crop."""
    preprocessing = method.preprocessing
    image = decode(photo, preprocessing.colour, preprocessing.exif_orientation)
    target = pictures.target_size((image.height, image.width), preprocessing)
    shares = []
    for value, stored, resized, kept in zip(at, image.size, target[::-1], seen.size[::-1], strict=True):
        cut = round((resized - kept) / 2)
        shares.append((value * resized / stored - cut) / kept)
    inside = 0 <= at[0] < image.width and 0 <= at[1] < image.height and all(0 <= share < 1 for share in shares)
    if not inside:
        raise ConfigError(
            f"the point {at[0]:g},{at[1]:g} lies outside of what '{method.name}' sees of the photo "
            f"({image.width} x {image.height} pixels)"
        )
    return int(shares[1] * seen.grid[0]), int(shares[0] * seen.grid[1])


def _centre(seen: Seen, cell: tuple[int, int]) -> Point:
    row, column = cell
    return (column + 0.5) * seen.size[1] / seen.grid[1], (row + 0.5) * seen.size[0] / seen.grid[0]


def _outline(axes: Any, seen: Seen, cell: tuple[int, int]) -> None:
    x, y = _centre(seen, cell)
    wide, tall = seen.size[1] / seen.grid[1], seen.size[0] / seen.grid[0]
    corners = [x - wide / 2, x + wide / 2], [y - tall / 2, y + tall / 2]
    (left, right), (top, bottom) = corners
    axes.plot([left, right, right, left, left], [top, top, bottom, bottom, top], color=MEMORY, linewidth=2)
