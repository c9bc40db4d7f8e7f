"""HOG: histograms of oriented gradients of the whole picture. Needs no weights: the default where none are at hand."""

from vprkit.preprocessing import Preprocessing
from vprkit.registry import Declaration

METHOD = Declaration(
    name="hog",
    summary="histograms of oriented gradients on three grids; training-free, works offline at once",
    paper="N. Dalal and B. Triggs, Histograms of oriented gradients for human detection, CVPR 2005",
    licence="none needed (no weights)",
    preprocessing=Preprocessing(size=(64, 64), colour="grey", mean=(0.0,), std=(1.0,)),
    configuration="vprkit.methods.hog.network:HogConfig",
    network="vprkit.methods.hog.network:Hog",
    needs_weights=False,
)
