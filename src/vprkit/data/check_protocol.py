"""Checks of a benchmark against its protocol, and against the variants that are known of its data set."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from vprkit.data.protocols import find_protocol, protocols_of

if TYPE_CHECKING:
    from vprkit.data.benchmark import Benchmark

PATCHED = "msls"
"""Family whose first archives hold damaged images, mended by a patch."""


def count_findings(benchmark: "Benchmark") -> Iterator[tuple[str, str]]:
    """(level, message) about the counts: of the protocol where one is named, else of the set's known variants."""
    counts = (len(benchmark.database), len(benchmark.queries))
    if benchmark.protocol is not None:
        protocol = find_protocol(benchmark.protocol)
        warning = protocol.warning(*counts, benchmark.listed)
        stated = protocol.database is not None or protocol.queries is not None
        words = "as published" if stated else "(no counts are published)"
        known = f"protocol {protocol.name}: {counts[0]:,} / {counts[1]:,} {words}, {protocol.denominator} count"
        yield ("warning", warning) if warning else ("ok", known)
        return
    if benchmark.frames is not None:
        return  # counts of sequences are not published
    known_here = [protocol for protocol in protocols_of(benchmark.database.root) if None not in
                  (protocol.database, protocol.queries)]  # fmt: skip
    if not known_here:
        return
    unfiltered = (counts[0], benchmark.listed)
    fitting = [each for each in known_here if (each.database, each.queries) in (counts, unfiltered)]
    if fitting:
        level = "warning" if fitting[0].deviant else "ok"
        caution = f"; {fitting[0].caution}" if fitting[0].caution else ""
        titles = ", ".join(dict.fromkeys(each.title for each in fitting))
        names = ", ".join(each.name for each in fitting)
        yield level, f"{counts[0]} database, {counts[1]} queries: as published for {titles} (protocol {names}){caution}"
        return
    variants = "; ".join(f"{each.title} {each.database} / {each.queries}" for each in known_here)
    yield "warning", f"{counts[0]} database, {counts[1]} queries fit no published variant ({variants})"


def damage_hint(benchmark: "Benchmark") -> str:
    """What damaged images of this set come from, if that is known."""
    of_msls = benchmark.protocol is not None and find_protocol(benchmark.protocol).family == PATCHED
    raw = len(benchmark.database) > 0 and benchmark.database.names[0].startswith(("train_val/", "test/"))
    if of_msls or raw:
        return "; Mapillary SLS mends damaged images with patch_v1.1.zip: unpack it last"
    return ""
