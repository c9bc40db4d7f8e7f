"""What the shapes of a (converted) NetVLAD file say. Needs no torch."""

from typing import Any

from vprkit.aggregators.sizes import has, rows
from vprkit.backbones.trunk_names import most_common, sizes_at
from vprkit.registry import Shapes


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no NetVLAD on VGG-16."""
    if not has(shapes, "netvlad.") or not has(shapes, "backbone.2."):
        return None
    clusters = sizes_at(shapes, [("netvlad.centers", 1), ("netvlad.score_proj.weight", 0)])
    whiten = rows(shapes, "whiten", 4096, (4096,)) if has(shapes, "whiten.") else 0
    return {"num_clusters": most_common(clusters, 64, (64,)), "whiten_dim": whiten}
