"""What `vpr data list` shows: data sets with protocols, counts, terms and sources; then the layouts."""

from typing import Any

from vprkit.config import nearest
from vprkit.data.catalogue import CATALOGUE, DataSet
from vprkit.data.layouts.layout import layouts
from vprkit.data.layouts.place_layout import place_layouts
from vprkit.data.protocols import Protocol, plain
from vprkit.errors import ConfigError


def chosen(name: str | None) -> list[DataSet]:
    """The sets whose name or a protocol's name holds the text; all without one.

    Raises:
        ConfigError: none does.
    """
    if name is None:
        return list(CATALOGUE)
    wanted = plain(name)
    found = [row for row in CATALOGUE if any(wanted in text for text in _names(row))]
    if not found:
        raise ConfigError(f"there is no data set '{name}'{nearest(name, [row.name for row in CATALOGUE])}")
    return found


def _names(row: DataSet) -> list[str]:
    return [plain(row.name), plain(row.title), *(plain(protocol.name) for protocol in row.protocols)]


def as_data(name: str | None = None) -> list[dict[str, Any]]:
    """Plain data: layouts (without a name) and data sets."""
    rows: list[dict[str, Any]] = [
        {
            "name": row.name, "kind": "set", "use": row.use, "summary": row.title, "layouts": list(row.layouts),
            "licence": row.licence, "source": row.source, "size": row.size,
            "protocols": [_protocol(protocol) for protocol in row.protocols],
        }
        for row in chosen(name)
    ]  # fmt: skip
    if name is not None:
        return rows
    kinds = (("evaluation", layouts()), ("training", place_layouts()))
    shown = [
        {"name": row.name, "kind": "layout", "use": use, "summary": row.summary} for use, each in kinds for row in each
    ]
    return [*shown, *rows]


def _protocol(protocol: Protocol) -> dict[str, Any]:
    return {
        "name": protocol.name, "title": protocol.title, "database": protocol.database, "queries": protocol.queries,
        "confirmed": protocol.confirmed, "split": protocol.split, "ground_truth": protocol.ground_truth,
        "denominator": protocol.denominator, "images": protocol.images, "source": protocol.source,
        "caution": protocol.caution,
    }  # fmt: skip


def as_text(name: str | None = None) -> str:
    """Lines for the console."""
    lines: list[str] = []
    for row in chosen(name):
        lines += [f"{row.name}: {row.title} ({row.use}); layouts {', '.join(row.layouts)}"]
        lines += [f"    {row.size}"] if row.size else []
        lines += [f"    licence: {row.licence}; source: {row.source}"]
        for protocol in row.protocols:
            lines.append(f"    {protocol.name:<28} {protocol.counts:<40} {protocol.title}")
            if name is not None:
                lines.append(f"        {_rule(protocol)}")
                lines += [f"        {protocol.caution}"] if protocol.caution else []
    if name is None:
        lines += ["", "layouts:"]
        for use, each in (("evaluation", layouts()), ("training", place_layouts())):
            lines += [f"    {layout.name:<16} {use:<11} {layout.summary}" for layout in each]
    return "\n".join(lines)


def _rule(protocol: Protocol) -> str:
    words = [f"split {protocol.split}", f"positives {protocol.ground_truth}", f"{protocol.denominator} count"]
    words += [f"images {protocol.images}"] if protocol.images != "as distributed" else []
    return "; ".join([*words, protocol.source])
