"""SelaVPR's adapters: small bottlenecks beside a frozen transformer (Lu et al., ICLR 2024, section 3.1)."""

from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.backbones.vit_blocks import BlockAdapters

PARALLEL_SCALE = 0.2


class Adapter(nn.Module):
    """U ReLU(V z) on (..., D) tokens, with a skip where it is put in series; starts as if it were not there.

    Args:
        width: D.
        ratio: width of the bottleneck over D.
        skip: add the input.
    """

    def __init__(self, width: int, ratio: float = 0.5, *, skip: bool) -> None:
        super().__init__()
        hidden = int(width * ratio)
        self.D_fc1 = nn.Linear(width, hidden)
        self.D_fc2 = nn.Linear(hidden, width)
        self.skip = skip
        nn.init.trunc_normal_(self.D_fc1.weight, std=0.02)
        nn.init.zeros_(self.D_fc1.bias)
        nn.init.zeros_(self.D_fc2.weight)
        nn.init.zeros_(self.D_fc2.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        change: Tensor = self.D_fc2(F.relu(self.D_fc1(tokens)))
        return tokens + change if self.skip else change


def adapters(width: int, ratio: float = 0.5) -> BlockAdapters:
    """The pair of one block: in series after the attention, in parallel with the MLP at a fifth."""
    return BlockAdapters(Adapter(width, ratio, skip=True), Adapter(width, ratio, skip=False), PARALLEL_SCALE)
