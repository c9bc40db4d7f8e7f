"""What a reader of a result should be told of the method and the photos, before the figures mislead."""

from collections.abc import Mapping

import numpy as np

from vprkit.data.decoding import open_image, orientation
from vprkit.data.records import Records
from vprkit.errors import ImageError
from vprkit.method import Method

LOOKS = 25
"""Photos of each role that are looked at: a folder of photos as phones write them has many that are turned."""

RANDOM = "random:"
"""How the path of weights that nobody trained begins."""


def cautions(method: Method, images: Mapping[str, Records]) -> list[str]:
    """One sentence each.

    Args:
        method: what was evaluated.
        images: role -> its photos; some of them are opened, none is decoded.
    """
    found = []
    if method.weights is not None and method.weights.path.startswith(RANDOM):
        found.append("the weights are random: these are figures of a network that has learnt nothing")
    if "image" in method.reads("query") and not method.preprocessing.exif_orientation:
        turned = [role for role, records in images.items() if any_turned(records)]
        if turned:
            found.append(f"some photos ({', '.join(turned)}) are to be turned as their EXIF block says, which is not "
                         "done, as for published numbers; --exif-orientation turns them")  # fmt: skip
    return found


def any_turned(records: Records) -> bool:
    """Whether any of some photos, evenly spread over all, has an EXIF orientation."""
    for row in np.unique(np.linspace(0, len(records) - 1, min(LOOKS, len(records))).round().astype(int)):
        try:
            with open_image(records.path(int(row))) as image:
                if orientation(image) not in (0, 1):
                    return True
        except ImageError:
            continue
    return False
