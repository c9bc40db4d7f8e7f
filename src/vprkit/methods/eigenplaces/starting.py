"""Where EigenPlaces starts: at CosPlace's released network, entry by entry wherever shapes agree."""

from dataclasses import dataclass
from typing import cast

from vprkit.aggregators.cosplace_files import recognise
from vprkit.aggregators.cosplace_network import CosPlaceNetwork
from vprkit.config import option
from vprkit.loading import load_method
from vprkit.training.starting import PRETRAINED, RANDOM, ConvTrunk
from vprkit.weights.fetching import find
from vprkit.weights.fitting import fit
from vprkit.weights.reading import read

COSPLACE = "cosplace"


@dataclass(frozen=True)
class CosPlaceStart(ConvTrunk):
    """Start of a network, as published that of CosPlace's with 512 numbers."""

    weights: str = option(
        COSPLACE,
        "cosplace: CosPlace's released file of the backbone with 512 numbers, as published; pretrained: torchvision's "
        "ImageNet file; random; or a file of CosPlace's or torchvision's layout",
    )
    head: bool = option(
        True,
        "GeM's exponent and the linear layer start from CosPlace's too where their shapes agree (the linear layer at "
        "dim=512), as published; false: the trunk alone does",
    )

    def start(self, network: CosPlaceNetwork, name: str) -> None:
        """Give a new network of backbone `name` its initial weights.

        Raises:
            NotAvailable: the file is not here.
            WeightsError: it is of another backbone.
        """
        found = self._cosplace(name)
        if found is None:
            self.fill(network.trunk, name)
            return
        fit(network.trunk, found.trunk.state_dict(), source=f"{self.weights} does not fit the trunk {name}")
        if self.head:
            own, theirs = network.aggregation.state_dict(), found.aggregation.state_dict()
            agreeing = {key: value for key, value in theirs.items() if value.shape == own[key].shape}
            fit(network.aggregation, {**own, **agreeing}, source=f"{self.weights} does not fit the head")

    def _cosplace(self, name: str) -> CosPlaceNetwork | None:
        """CosPlace's network that the weights stand for; None where they are a bare trunk's."""
        if self.weights in (PRETRAINED, RANDOM):
            return None
        if self.weights == COSPLACE:
            return cast(CosPlaceNetwork, load_method(f"cosplace-{name}-512", device="cpu").network)
        if recognise(read(find(self.weights)).shapes) is None:
            return None
        return cast(CosPlaceNetwork, load_method("cosplace", self.weights, device="cpu").network)
