"""Training low-rank adapters (LoRA) of a network's linear layers: peft puts them in, vprkit takes them out again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from vprkit.config import option
from vprkit.errors import ConfigError
from vprkit.extras import require
from vprkit.weights.lora import PREFIX, LoraFacts, split

PUBLISHED = ("query", "value", "qkv")
"""LaVPR's layers where not all linear ones learn: two of BERT's names and one of ViTs; a network has some of them."""


@dataclass(frozen=True)
class LoraSettings:
    """Adapters that learn beside frozen weights."""

    rank: int = option(64, "r, rows of A and columns of B")
    alpha: float = option(128.0, "the adapters' work is multiplied by alpha / sqrt(rank)")
    rank_stabilised: bool = option(True, "false: by alpha / rank")
    dropout: float = option(0.1, "of what goes into an adapter")
    targets: tuple[str, ...] = option(
        (), "last parts of the names of the layers that get one, such as query, value, qkv; none named: all linear ones"
    )

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0 or not 0 <= self.dropout < 1:
            raise ConfigError(f"adapters need rank >= 1, alpha > 0 and 0 <= dropout < 1, got {self}")

    @property
    def facts(self) -> LoraFacts:
        """What merging needs."""
        return LoraFacts(self.rank, self.alpha, self.rank_stabilised)


def linear_layers(network: nn.Module, targets: Sequence[str] = ()) -> list[str]:
    """Names of the linear layers that adapters are for.

    Raises:
        ConfigError: a target names none (but one of `PUBLISHED` where others do), or all together name none.
    """
    inside = tuple(
        f"{name}." for name, layer in network.named_modules() if isinstance(layer, nn.MultiheadAttention)
    )  # it never calls its own linear layer, so an adapter there would do nothing
    found = [
        name
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear) and not (inside and name.startswith(inside))
    ]
    if not targets:
        return found
    chosen = {target: [name for name in found if f".{name}".endswith(f".{target}")] for target in targets}
    missing = [target for target, names in chosen.items() if not names]
    wrong = [target for target in missing if target not in PUBLISHED or len(missing) == len(chosen)]
    if wrong:
        known = sorted({name.rpartition(".")[2] for name in found})
        raise ConfigError(f"lora.targets names '{wrong[0]}', which is no linear layer; there are {', '.join(known)}")
    return [name for name in found if any(name in names for names in chosen.values())]


def put_adapters(network: nn.Module, settings: LoraSettings, seed: int, unused: Sequence[str] = ()) -> None:
    """Freeze a network and give its linear layers adapters that learn; at first they change nothing.

    Args:
        network: changed in place; a layer `x` becomes `x.base_layer`, `x.lora_A.default` and `x.lora_B.default`.
        settings: rank, scaling, which layers.
        seed: of the first values.
        unused: parts of names of layers that nothing runs: they get adapters too, as in released files, which do not
            learn.

    Raises:
        MissingExtra: peft is not installed.
    """
    peft = require("text", "peft")
    made = peft.LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, bias="none",
        use_rslora=settings.rank_stabilised, target_modules=linear_layers(network, settings.targets),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(made, network)
    for name, parameter in network.named_parameters():
        learns = ".lora_" in name and not any(part in f".{name}" for part in unused)
        parameter.requires_grad_(learns)


def adapter_state(network: nn.Module, named: Callable[[str], str]) -> dict[str, Tensor]:
    """The adapters of a network under the names of peft's files.

    Args:
        network: with adapters in it.
        named: the network's name of a layer -> the name in the file of its base weights.
    """
    pairs, _ = split(network.state_dict())
    return {
        f"{PREFIX}{named(module)}.lora_{part}.weight": matrix
        for module, pair in pairs.items()
        for part, matrix in (("A", pair.a), ("B", pair.b))
    }
