"""Where a network looks, by its own account, as a figure."""

from typing import TYPE_CHECKING

import numpy as np

from vprkit.data.decoding import Photo, decode
from vprkit.method import Method
from vprkit.report.figures.canvas import new_figure, show_picture
from vprkit.report.matches import draw_attention

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def attention(method: Method, photo: Photo) -> "Figure":
    """A photo and, beside it, the same with the heat map of the method's network (SelaVPR's); see `head_attention` for
    the heads of any ViT.

    Args:
        method: whose network says where it looks.
        photo: see `vprkit.method.Photo`.

    Raises:
        NotAvailable: the network cannot say.
        MissingExtra: matplotlib is not installed.
    """
    plain, heated = np.asarray(decode(photo)), np.asarray(draw_attention(method, photo))
    figure = new_figure(9.0, 0.4 + 4.5 * plain.shape[0] / plain.shape[1])
    left, right = figure.subplots(1, 2)
    show_picture(left, plain, "photo")
    show_picture(right, heated, f"where {method.name} looks")
    return figure
