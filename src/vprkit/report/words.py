"""Numbers as people read them, the same in reports, sheets and tables; a dash where a number is unknown."""

import math

UNKNOWN = "–"


def number(value: float | None, digits: int = 1, *, sign: bool = False) -> str:
    """`value` with `digits` decimals; a dash for None, NaN and infinity."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    value = round(value, digits) + 0.0  # no "-0.0"
    return f"{value:{'+' if sign and value else ''},.{digits}f}"


def count(value: float | None) -> str:
    """A whole number with thousands separators."""
    return number(value, 0)


def metres(value: float | None) -> str:
    """A distance: 12.3 m, 850 m, 4.2 km, 8,400 km."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if value < 1000:
        return f"{value:.1f} m" if value < 99.95 else f"{value:.0f} m"
    return f"{value / 1000:.1f} km" if value < 99_950 else f"{value / 1000:,.0f} km"


def score(value: float | None) -> str:
    """A score with four significant digits: cosines and counts of matches both read well."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    return f"{value:#.4g}" if abs(value) < 100 else f"{value:,.1f}"


def plural(amount: int, word: str, many: str | None = None) -> str:
    """`1 query`, `2 queries`."""
    return f"{amount:,} {word if amount == 1 else many or word + 's'}"


def shorten(text: str, limit: int) -> str:
    """`text` cut in its middle, where it is longer than `limit`: both ends of a file name tell something."""
    if len(text) <= limit:
        return text
    tail = max(1, (limit - 1) // 2)
    return f"{text[: max(1, limit - 1 - tail)]}…{text[-tail:]}"
