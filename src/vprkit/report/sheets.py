"""Prediction sheets: one JPEG per query with it, its first predictions, and the truth where the answer is wrong."""

import functools
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from vprkit.data import geo
from vprkit.errors import ConfigError, VprError
from vprkit.evaluation.result import QueryResult, Result
from vprkit.files import write_atomically
from vprkit.report import words
from vprkit.report.pictures import jpeg, picture

BOX = (320, 240)
"""Pixels of one picture: small ones are enlarged, large ones shrunk."""

GAP, FRAME, HEADER, CAPTION = 14, 6, 44, 54

INK, MUTED, PAPER, EMPTY = "#1c2126", "#5b6570", "#ffffff", "#e9ecef"
RIGHT, WRONG, NEUTRAL, UNKNOWN = "#00805d", "#cc2f1d", "#0072b2", "#8a939c"

COLOURS = {"right": RIGHT, "wrong": WRONG, "plain": NEUTRAL, "unknown": UNKNOWN}
"""By what a tile is."""

NAME_BYTES = 120
"""File systems allow names of 255 bytes; the rest is left for other tools' endings."""

CACHED = 512
"""Small pictures kept: the same database image answers many queries. About 120 MB."""

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True)
class Tile:
    """One picture of a sheet: `kind` is right, wrong, plain or unknown; without a path only `note` is written.

    `text` is written where the picture would be.
    """

    title: str
    note: str
    kind: str
    path: Path | None = None
    text: str = ""


def save_predictions(result: Result, folder: str | Path, count: int, *, only_wrong: bool = False) -> int:
    """Draw a sheet for every query into `folder`, which is made; the caller has checked that it may be written to.

    Args:
        result: what to draw; the photos are read from its `queries_root` and `database_root`.
        folder: gets files named by number and query, such as `0001_photo.jpg`.
        count: predictions per query.
        only_wrong: only queries whose first answer is wrong (none, where nothing says what is right).

    Returns:
        How many sheets were drawn.

    Raises:
        VprError: the folder cannot be written to.
    """
    if count < 1:
        raise ConfigError(f"a sheet shows at least 1 prediction, not {count}")
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VprError(f"{folder}: this folder cannot be made ({error.strerror or error})") from error
    chosen = [
        (number, row)
        for number, row in enumerate(result.rankings, 1)
        if not only_wrong or (result.labelled and row.first_hit != 1)
    ]
    digits = max(4, len(str(len(result.rankings))))
    cached = functools.lru_cache(CACHED)(_small)
    for number, row in chosen:
        # Every sheet has its own number, so names cannot meet, whatever the queries are called.
        sheet = _sheet(_heading(row), tiles(row, result, count), cached)
        write_atomically(folder / f"{number:0{digits}d}_{safe_stem(row.name)}.jpg", jpeg(sheet))
    return len(chosen)


def safe_stem(name: str) -> str:
    """The stem of a file name with only letters, digits, dots, dashes, underscores and @, shortened."""
    stem = re.sub(r"[^\w.@-]+", "_", re.split(r"[/\\]", name)[-1].rsplit(".", 1)[0]).strip("._") or "query"
    return stem.encode("utf-8", "ignore")[:NAME_BYTES].decode("utf-8", "ignore")


def tiles(row: QueryResult, result: Result, count: int) -> list[Tile]:
    """What the sheet of a query shows, from left to right."""
    shown = [_query_tile(row, result)]
    shown += [
        _tile(f"#{rank}", row, number, result, prediction_kind(row, rank, result.labelled), rank)
        for rank, number in enumerate(row.ranking[:count], 1)
    ]
    if not row.ranking:
        shown.append(Tile("No answer", "", "unknown"))
    if result.labelled and row.first_hit != 1:
        shown.append(
            Tile("Truth", "no right image in the database", "unknown")
            if row.truth is None
            else _tile("Truth", row, row.truth, result, "right")
        )
    return shown


def _query_tile(row: QueryResult, result: Result) -> Tile:
    """The query's photo, with its text where both were read; its text where that alone asked."""
    if not row.by_photo:
        return Tile("Query", row.condition or "", "plain", text=row.text or "(no text)")
    return Tile("Query", row.text or row.condition or "", "plain", Path(result.queries_root) / row.name)


def prediction_kind(row: QueryResult, rank: int, labelled: bool) -> str:
    """Whether the prediction at a rank (1-based) is right."""
    if not labelled or row.right is None:
        return "plain"
    return "right" if row.right[rank - 1] else "wrong"


def _tile(title: str, row: QueryResult, number: int, result: Result, kind: str, rank: int | None = None) -> Tile:
    image = result.images.get(number)
    if image is None:
        return Tile(title, f"image {number} is not in the result", kind)
    parts = [f"score {words.score(row.scores[rank - 1])}"] if rank and rank <= len(row.scores) else []
    apart = geo.metres_apart(row.position, image.position)
    parts += [words.metres(apart)] if math.isfinite(apart) else []
    return Tile(title, ", ".join(parts), kind, Path(result.database_root) / image.name)


def _small(path: Path) -> Image.Image | None:
    return picture(path, BOX, enlarge=True)


def _heading(row: QueryResult) -> str:
    return re.split(r"[/\\]", row.name)[-1]


def _sheet(heading: str, shown: Sequence[Tile], small: Callable[[Path], Image.Image | None]) -> Image.Image:
    width, height = BOX[0] + 2 * FRAME, BOX[1] + 2 * FRAME
    sheet = Image.new("RGB", (GAP + len(shown) * (width + GAP), HEADER + height + CAPTION + GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (GAP, 12), heading, sheet.width - 2 * GAP, 20, INK)
    for place, tile in enumerate(shown):
        left = GAP + place * (width + GAP)
        _draw_tile(sheet, draw, (left, HEADER), tile, None if tile.path is None else small(tile.path))
    return sheet


def _draw_tile(
    sheet: Image.Image, draw: ImageDraw.ImageDraw, corner: tuple[int, int], tile: Tile, image: Image.Image | None
) -> None:
    left, top = corner
    colour = COLOURS[tile.kind]
    right, bottom = left + BOX[0] + 2 * FRAME - 1, top + BOX[1] + 2 * FRAME - 1
    draw.rectangle((left, top, right, bottom), fill=EMPTY, outline=colour, width=FRAME)
    if image is not None:
        sheet.paste(image, (left + FRAME + (BOX[0] - image.width) // 2, top + FRAME + (BOX[1] - image.height) // 2))
    elif tile.text:
        _write_block(draw, (left + FRAME + 8, top + FRAME + 6), tile.text, (BOX[0] - 16, BOX[1] - 12))
    elif tile.path is not None:
        _write(draw, (left + 80, top + BOX[1] // 2), "picture not readable", BOX[0] - 80, 17, MUTED)
    if tile.kind in ("right", "wrong"):
        _seal(draw, right - FRAME - 24, top + FRAME + 24, tile.kind, colour)
    _write(draw, (left, bottom + 6), tile.title, BOX[0], 19, INK if tile.kind == "unknown" else colour)
    _write(draw, (left, bottom + 29), tile.note, BOX[0] + 2 * FRAME, 17, MUTED)


def _seal(draw: ImageDraw.ImageDraw, x: int, y: int, kind: str, colour: str) -> None:
    """A tick or a cross on a disc: told apart without colours."""
    draw.ellipse((x - 19, y - 19, x + 19, y + 19), fill=colour, outline=PAPER, width=3)
    strokes = [[(-8, 0), (-3, 6), (8, -7)]] if kind == "right" else [[(-7, -7), (7, 7)], [(-7, 7), (7, -7)]]
    for stroke in strokes:
        draw.line([(x + dx, y + dy) for dx, dy in stroke], fill=PAPER, width=5, joint="curve")


def _write(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, width: int, size: int, colour: str) -> None:
    """One line, shortened to the width."""
    font = _font(size)
    # Pillow's own font is Latin; where even that is missing it knows only single bytes.
    text = text.encode("latin-1", "replace").decode("latin-1")
    limit = len(text)
    while limit > 8 and font.getlength(words.shorten(text, limit).replace("…", "...")) > width:
        limit -= max(1, limit // 20)
    draw.text(place, words.shorten(text, limit).replace("…", "..."), fill=colour, font=font)


def _write_block(draw: ImageDraw.ImageDraw, place: tuple[int, int], text: str, box: tuple[int, int]) -> None:
    """Lines of words inside a box of (width, height); what does not fit is cut."""
    size, step = 17, 23
    font, lines = _font(size), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        fits = font.getlength(longer.encode("latin-1", "replace").decode("latin-1")) <= box[0]
        lines = [*lines[:-1], longer] if fits or not lines[-1] else [*lines, word]
    most = box[1] // step
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} ..."]
    for number, line in enumerate(lines):
        _write(draw, (place[0], place[1] + number * step), line, box[0], size, INK)


@functools.cache
def _font(size: int) -> Font:
    return ImageFont.load_default(size)
