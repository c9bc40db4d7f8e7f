"""`torch.hub.load("vprkit", "load", "cosplace-resnet50-2048", source="local")`: any of our methods without installing.

The networks come ready to describe (B, 3, H, W) images prepared as `preprocessing(name)` says; `load_method` of the
package does that too.
"""

import sys
from pathlib import Path
from typing import Any

dependencies = ["torch", "numpy", "PIL", "scipy", "safetensors"]

sys.path.insert(0, str(Path(__file__).parent / "src"))


def load(name: str, weights: str | None = None, **options: Any) -> Any:
    """The network of a method or variant, in eval mode on the CPU.

    Args:
        name: as `methods()` lists it.
        weights: a file, `random`, or None for the authors' file in the weights folder.
        options: the method's own.
    """
    from vprkit import load_method

    return load_method(name, weights, device="cpu", **options).network


def method(name: str, weights: str | None = None, **options: Any) -> Any:
    """The whole method, with preprocessing and metric: `describe` takes paths and photos."""
    from vprkit import load_method

    return load_method(name, weights, **options)


def methods(pattern: str = "*") -> list[str]:
    """Names that `load` and `method` take."""
    from vprkit.registry import list_methods

    return list_methods(pattern)


def get_trained_model(backbone: str = "ResNet50", fc_output_dim: int = 2048) -> Any:
    """CosPlace's network, as its authors' own hub entry calls it.

    Raises:
        ValueError: no such model was released.
    """
    name = f"cosplace-{backbone.lower()}-{fc_output_dim}"
    if name not in methods("cosplace-*"):
        raise ValueError(f"there is no {name}; released are {', '.join(methods('cosplace-*'))}")
    return load(name)
