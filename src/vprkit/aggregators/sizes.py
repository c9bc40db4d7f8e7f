"""What the shapes of a checkpoint's aggregator say about its sizes; needs no torch.

Several tensors witness each size, so that one that is missing or damaged is reported by name later.
"""

import math
from typing import Any

from vprkit.backbones.trunk_names import count_numbers, most_common, sizes_at
from vprkit.registry import Shapes


def has(shapes: Shapes, prefix: str) -> bool:
    """Whether any parameter lies under `prefix`."""
    return any(name.startswith(prefix) for name in shapes)


def rows(shapes: Shapes, layer: str, default: int, known: tuple[int, ...] = ()) -> int:
    """Output width of a linear layer or convolution, by its weight and bias."""
    return most_common(sizes_at(shapes, [(f"{layer}.bias", 0), (f"{layer}.weight", 0)]), default, known)


def read_mixer(shapes: Shapes, prefix: str = "aggregator.") -> dict[str, Any] | None:
    """`out_channels`, `out_rows`, `mix_depth`, `positions` and `mlp_ratio` of a MixVPR."""
    depth = count_numbers(shapes, f"{prefix}mix.")
    if depth == 0:
        return None
    layers = [f"{prefix}mix.{number}.mix" for number in range(depth)]
    norms = [(f"{layer}.0.{part}", 0) for layer in layers for part in ("weight", "bias")]
    hidden = [(f"{layer}.1.{part}", 0) for layer in layers for part in ("weight", "bias")]
    positions = most_common(sizes_at(shapes, [*norms, (f"{prefix}row_proj.weight", 1)]), 400, (400,))
    return {
        "out_channels": rows(shapes, f"{prefix}channel_proj", 1024, (64, 256, 1024)),
        "out_rows": rows(shapes, f"{prefix}row_proj", 4, (2, 4)),
        "mix_depth": depth,
        "positions": positions,
        "mlp_ratio": most_common(sizes_at(shapes, hidden), positions, (positions,)) / positions,
    }


def read_salad(shapes: Shapes, prefix: str = "aggregator.") -> dict[str, int] | None:
    """`num_clusters`, `cluster_dim`, `token_dim` and `mlp_dim` of a SALAD."""
    if not has(shapes, f"{prefix}cluster_features."):
        return None
    first = [f"{prefix}{part}.0" for part in ("score", "cluster_features", "token_features")]
    hidden = sizes_at(shapes, [(f"{layer}.{kind}", 0) for layer in first for kind in ("weight", "bias")])
    return {
        "num_clusters": rows(shapes, f"{prefix}score.3", 64, (64,)),
        "cluster_dim": rows(shapes, f"{prefix}cluster_features.3", 128, (128, 256)),
        "token_dim": rows(shapes, f"{prefix}token_features.2", 256, (256,)),
        "mlp_dim": most_common(hidden, 512, (512,)),
    }


def read_boq(shapes: Shapes, prefix: str = "aggregator.") -> dict[str, int] | None:
    """`proj_channels`, `num_queries`, `num_layers` and `row_dim` of a BoQ."""
    layers = count_numbers(shapes, f"{prefix}boqs.")
    if layers == 0:
        return None
    queries = [(f"{prefix}boqs.{number}.queries", 1) for number in range(layers)]
    norms = [(f"{prefix}boqs.{i}.{norm}.weight", 0) for i in range(layers) for norm in ("norm_q", "norm_out")]
    return {
        "proj_channels": most_common(sizes_at(shapes, norms), 384, (384, 512)),
        "num_queries": most_common(sizes_at(shapes, queries), 64, (64,)),
        "num_layers": layers,
        "row_dim": rows(shapes, f"{prefix}fc", 32, (32,)),
    }


def square_side(positions: int) -> int | None:
    """The side of a square map of so many positions."""
    side = math.isqrt(positions)
    return side if side * side == positions else None
