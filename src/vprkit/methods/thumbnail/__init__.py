"""Thumbnail: a 32 x 32 grey picture as a descriptor. Deliberately simple: a sanity check for loaders and metrics."""

from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration

METHOD = Declaration(
    name="thumbnail",
    summary="32x32 grey thumbnail, mean removed; the baseline every loader and metric is checked against",
    paper="M. Milford, Vision-based place recognition: how low can you go?, IJRR 2013 (the idea)",
    licence="none needed (no weights)",
    preprocessing=Preprocessing(size=(32, 32), interpolation="box", colour="grey", mean=(0.0,), std=(1.0,)),
    configuration="vprkit.methods.thumbnail.network:ThumbnailConfig",
    network="vprkit.methods.thumbnail.network:Thumbnail",
    needs_weights=False,
)
