"""HTML and SVG out of data. Strings are escaped where they enter markup, unless they are `Html` already: no file name,
condition or notice can become a tag.
"""

import html
import re
from collections.abc import Iterable, Sequence

from vprkit.report.words import shorten

_VOID = frozenset({"img", "meta", "br", "link"})
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff\u202a-\u202e\u2066-\u2069]")
"""What XML or UTF-8 cannot hold, and the signs that would turn the reading direction of what follows."""


class Html(str):
    """Markup that is safe as it is."""


def text(value: object) -> Html:
    """Any value as text of a page."""
    if isinstance(value, Html):
        return value
    return Html(html.escape(_FORBIDDEN.sub("\N{REPLACEMENT CHARACTER}", str(value))))


def join(parts: Iterable[object], separator: str = "") -> Html:
    """Parts one after the other, each escaped unless it is markup."""
    return Html(text(separator).join(text(part) for part in parts))


def element(tag: str, *children: object, **attributes: object) -> Html:
    """One element. `class_` becomes `class`, `stroke_width` becomes `stroke-width`; None leaves an attribute out."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{text(_attribute(value))}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{written}>" if tag in _VOID else f"<{tag}{written}>{join(children)}</{tag}>")


def table(caption: object, header: Sequence[object], rows: Iterable[Sequence[object]], *, left: int = 1) -> Html:
    """A table that scrolls sideways where the screen is narrow.

    Args:
        caption: what it shows.
        header: one cell per column.
        rows: cells; the first of each row heads it.
        left: how many columns hold words (left-aligned); the others hold numbers.
    """

    def kind(column: int) -> str | None:
        return None if column < left else "n"

    head = element("tr", *(element("th", cell, scope="col", class_=kind(i)) for i, cell in enumerate(header)))
    body = (
        element(
            "tr",
            element("th", row[0], scope="row"),
            *(element("td", cell, class_=kind(i)) for i, cell in enumerate(row[1:], 1)),
        )
        for row in rows
    )
    whole = element("table", element("caption", caption), element("thead", head), element("tbody", *body))
    return element("div", whole, class_="scroll", tabindex="0", role="region", aria_label="table")


def name(whole: str, limit: int, short: str | None = None) -> Html:
    """A file name (or a `short` form of it) cut to a length; the whole one shows on hovering."""
    return element("bdi", shorten(short or whole, limit), class_="name", title=whole)


def details(summary: object, *children: object, opened: bool = False) -> Html:
    """Something to unfold."""
    return element("details", element("summary", summary), *children, open="" if opened else None)


def section(title: object, *children: object, level: int = 3) -> Html:
    """A titled section; empty where nothing is in it."""
    content = join(children)
    return element("section", element(f"h{level}", title), content) if content else Html("")


def _attribute(value: object) -> object:
    """Coordinates need two decimals, not seventeen."""
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else value
