"""NetVLAD files, the authors' MATLAB file and converted ones: what they hold. Needs no torch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from vprkit.aggregators.sizes import has, rows
from vprkit.backbones.trunk_names import most_common, sizes_at
from vprkit.registry import Shapes

if TYPE_CHECKING:
    from torch import Tensor

_MATLAB = "net.layers."
_VLAD, _WHITEN = f"{_MATLAB}30.weights", f"{_MATLAB}33.weights"
_CONVOLUTIONS = 30  # layers before this one lie where torchvision's VGG-16 has them


def recognise(shapes: Shapes) -> dict[str, Any] | None:
    """The options that a checkpoint with these shapes stands for, or None where it is no NetVLAD on VGG-16."""
    if has(shapes, _VLAD):
        clusters = sizes_at(shapes, [(f"{_VLAD}.0", 1), (f"{_VLAD}.1", 1)])
        whitened = sizes_at(shapes, [(f"{_WHITEN}.1", 0), (f"{_WHITEN}.0", 1)])
        return {"num_clusters": most_common(clusters, 64, (64,)), "whiten_dim": most_common(whitened, 0, (4096,))}
    if not has(shapes, "netvlad.") or not has(shapes, "backbone.2."):
        return None
    clusters = sizes_at(shapes, [("netvlad.centers", 1), ("netvlad.score_proj.weight", 0)])
    whiten = rows(shapes, "whiten", 4096, (4096,)) if has(shapes, "whiten.") else 0
    return {"num_clusters": most_common(clusters, 64, (64,)), "whiten_dim": whiten}


def convert(state: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """The tensors of the MATLAB file in the network's layout; others are given back as they are.

    Convolutions lie there as (S, S, in, out), scores and centres as (D, K), the centres negated, the whitening as
    (in, out). What is missing stays missing: it is reported by name afterwards.
    """
    if not has(dict.fromkeys(state, ()), _MATLAB):
        return dict(state)
    found: dict[str, Tensor] = {}
    for number in range(_CONVOLUTIONS):
        weight, bias = state.get(f"{_MATLAB}{number}.weights.0"), state.get(f"{_MATLAB}{number}.weights.1")
        if weight is not None and weight.dim() == 4:
            found[f"backbone.{number}.weight"] = weight.permute(3, 2, 0, 1)
        if bias is not None:
            found[f"backbone.{number}.bias"] = bias
    if f"{_VLAD}.0" in state:
        found["netvlad.score_proj.weight"] = state[f"{_VLAD}.0"].t().unsqueeze(-1)
    if f"{_VLAD}.1" in state:
        found["netvlad.centers"] = -state[f"{_VLAD}.1"]
    if f"{_WHITEN}.0" in state:
        found["whiten.weight"] = state[f"{_WHITEN}.0"].t()
    if f"{_WHITEN}.1" in state:
        found["whiten.bias"] = state[f"{_WHITEN}.1"]
    return found
