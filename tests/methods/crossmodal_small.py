"""Cross-modal towers small enough for tests, and adapters for them."""

from typing import Any

import torch
from torch import Tensor, nn

from vprkit.loading import load_method
from vprkit.method import Method
from vprkit.weights.lora import PREFIX

SIDE = 32
TINY: dict[str, Any] = {
    "width": 32, "layers": 2, "heads": 4, "hidden": 64, "image_size": SIDE, "patch": 8, "text_width": 24,
    "text_layers": 2, "text_heads": 4, "text_hidden": 48, "positions": 40, "dim": 16,
}  # fmt: skip
HEADS = {"heads": 4, "text_heads": 4}
CPU: dict[str, Any] = {"device": "cpu", "precision": "fp32", "resize": SIDE}
SENTENCES = ["a red house with a black door", "trees", "a wide street at night, two grey towers, a shop"]


def tiny(**options: Any) -> Method:
    return load_method("lavpr-crossmodal", "random", **CPU, **{**TINY, **options})


def authors(method: Method) -> dict[str, Tensor]:
    """The network's tensors as transformers names them."""
    return {name.removeprefix("towers."): tensor for name, tensor in method.network.state_dict().items()}


def pictures(count: int = 3) -> Tensor:
    return torch.randn(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def linear(method: Method) -> list[str]:
    network = method.network
    names = (name for name, layer in network.named_modules() if isinstance(layer, nn.Linear))
    return [name.removeprefix("towers.") for name in names]


def adapter_of(method: Method, rank: int = 3) -> dict[str, Tensor]:
    """Matrices for every linear layer, under peft's names."""
    weights, generator = authors(method), torch.Generator().manual_seed(1)
    state = {}
    for module in linear(method):
        out, inside = weights[f"{module}.weight"].shape
        state[f"{PREFIX}{module}.lora_A.weight"] = 0.1 * torch.randn(rank, inside, generator=generator)
        state[f"{PREFIX}{module}.lora_B.weight"] = 0.1 * torch.randn(out, rank, generator=generator)
    return state


def same(first: Method, second: Method) -> None:
    """Equal tensors."""
    assert first.tensors_sha256 == second.tensors_sha256
