"""NetVLAD as a place-recognition network."""

from dataclasses import dataclass

from torch import Tensor, nn
from torch.nn import functional as F

from vprkit.aggregators.netvlad import NetVLAD
from vprkit.aggregators.unit import unit
from vprkit.backbones.trunk import Trunk
from vprkit.backbones.trunk_names import VGG16
from vprkit.backbones.vgg import vgg_channels, vgg_trunk
from vprkit.config import option
from vprkit.errors import ConfigError


@dataclass(frozen=True)
class NetVLADConfig:
    """Options of `netvlad`."""

    num_clusters: int = option(64, "clusters")
    whiten_dim: int = option(4096, "width of the whitening layer; 0: the network has none")
    whitened: bool = option(True, "false: give the vector before the whitening layer")

    def __post_init__(self) -> None:
        if self.whiten_dim < 0:
            raise ConfigError(f"whiten_dim must not be negative, got {self.whiten_dim}")


class NetVLADNetwork(nn.Module):
    """(B, 3, H, W) images, values 0 to 255 less the mean colour, to (B, D) unit vectors.

    VGG-16 up to its last convolution; neither its last ReLU nor its last pool.
    """

    def __init__(self, backbone: Trunk, netvlad: NetVLAD, whiten: nn.Linear | None, *, whitened: bool = True) -> None:
        super().__init__()
        self.backbone = backbone
        self.netvlad = netvlad
        self.whiten = whiten
        self.whitened = whitened

    @property
    def trunk(self) -> Trunk:
        return self.backbone

    def forward(self, images: Tensor) -> Tensor:
        vlad: Tensor = self.netvlad(F.normalize(self.backbone(images), dim=1))
        if self.whiten is None or not self.whitened:
            return vlad
        return unit(self.whiten(vlad))


def build(config: NetVLADConfig) -> NetVLADNetwork:
    """The network, with initial values of training from scratch."""
    channels = vgg_channels(VGG16)
    whiten = nn.Linear(channels * config.num_clusters, config.whiten_dim) if config.whiten_dim else None
    aggregator = NetVLAD(channels, config.num_clusters)
    return NetVLADNetwork(vgg_trunk(VGG16), aggregator, whiten, whitened=config.whitened)
