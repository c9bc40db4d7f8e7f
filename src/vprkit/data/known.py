"""Published sizes of public evaluation sets: (database, queries) per variant. A mismatch means another variant."""

from pathlib import Path

from vprkit.data.protocols import protocols_of


def known_counts(root: Path) -> dict[str, tuple[int, int]]:
    """Published variants of the set that lies at `root`, told by its folder names; empty where none is known."""
    return {
        protocol.title: (protocol.database, protocol.queries)
        for protocol in protocols_of(root)
        if protocol.database is not None and protocol.queries is not None
    }
