"""Figures of what networks see, match and remember, as matplotlib figures (extra `report`)."""

from vprkit.report.figures.canvas import save_figure
from vprkit.report.figures.confidence import confidence_figure
from vprkit.report.figures.contact import contact_sheet
from vprkit.report.figures.correspondences import correspondences
from vprkit.report.figures.descriptors import descriptor_map
from vprkit.report.figures.heads import head_attention
from vprkit.report.figures.heat import attention
from vprkit.report.figures.likeness import similarity
from vprkit.report.figures.memory import negative_counts, negative_statistics, negatives, records_of
from vprkit.report.figures.pca import token_pca
from vprkit.report.figures.thresholds import threshold_map

__all__ = [
    "attention", "confidence_figure", "contact_sheet", "correspondences", "descriptor_map", "head_attention",
    "negative_counts", "negative_statistics", "negatives", "records_of", "save_figure", "similarity", "threshold_map",
    "token_pca",
]  # fmt: skip
