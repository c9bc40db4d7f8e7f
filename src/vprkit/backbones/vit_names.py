"""Parameter names of DINOv2 checkpoints; needs no torch, so that declarations can use it."""

import re

_CHUNKED = re.compile(r"(^|\.)blocks\.\d+\.(\d+)\.")


def unchunked(name: str) -> str:
    """The parameter name without the chunk that some training checkpoints put before the block number.

    `blocks.1.7.norm1.weight` is block 7 in chunk 1 and becomes `blocks.7.norm1.weight`; other names stay.
    """
    return _CHUNKED.sub(r"\1blocks.\2.", name)
