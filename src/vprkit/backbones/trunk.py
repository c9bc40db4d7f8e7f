"""Layers in order, the first of which can be frozen."""

from collections.abc import Iterator

from torch import nn


class Trunk(nn.Sequential):
    """A backbone cut after some layer: (B, 3, H, W) -> (B, C, h, w).

    Made from a dictionary its parameters have names (`layer1.0.conv1.weight`), from a list numbers (`4.0.conv1...`);
    released files have both kinds.
    """

    _frozen_statistics = 0

    def freeze(self, layers: int, *, statistics: bool = False) -> "Trunk":
        """Stop the first `layers` layers from learning.

        Args:
            layers: how many, 0 thaws all.
            statistics: also stop their BatchNorms from following the batches: they then use their running statistics in
                training too. Off, the published programs' behaviour, statistics of frozen layers keep moving.
        """
        for number, layer in enumerate(self):
            layer.requires_grad_(number >= layers)
        self._frozen_statistics = layers if statistics else 0
        return self.train(self.training)

    def train(self, mode: bool = True) -> "Trunk":
        super().train(mode)
        for layer in self._still():
            layer.eval()
        return self

    def _still(self) -> Iterator[nn.Module]:
        return (layer for number, layer in enumerate(self) if number < self._frozen_statistics)
