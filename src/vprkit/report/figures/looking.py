"""A photo as the ViT of a method sees it: its picture, and what was read out of single blocks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vprkit import device as devices
from vprkit.backbones.patch_features import joined_heads
from vprkit.backbones.vit import Facet, ViT
from vprkit.backbones.vit_inside import vit_inside
from vprkit.data import images as pictures
from vprkit.data.decoding import Photo
from vprkit.method import Method
from vprkit.preprocessing import Preprocessing


@dataclass(frozen=True)
class Seen:
    """One photo inside a ViT.

    Attributes:
        picture: (H, W, 3) uint8, the network's input turned back into a picture: cropped and resized as it was.
        grid: (h, w) patches.
        tensors: what was asked for, of patches alone (no class token, no registers), float32 on the CPU: (P, D) for
            queries, keys, values and tokens, (heads, P) for the class token's attention.
    """

    picture: np.ndarray
    grid: tuple[int, int]
    tensors: tuple[Tensor, ...]

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the picture."""
        return self.picture.shape[0], self.picture.shape[1]


def trunk_of(method: Method) -> ViT:
    """The ViT that figures look into.

    Raises:
        NotAvailable: the method's network holds none, or several.
    """
    return vit_inside(method.network, method.name, "this figure")


def look(method: Method, photo: Photo, wanted: Sequence[tuple[int, Facet]]) -> Seen:
    """Run a method on a photo and read its ViT's blocks.

    Args:
        method: any whose network holds one ViT; the network runs whole, so its own resizing counts.
        photo: see `vprkit.method.Photo`.
        wanted: (block, facet) pairs; negative blocks count from the last.

    Raises:
        NotAvailable: the network holds no ViT, or several.
        ConfigError: there is no such block, or the network does not run it.
    """
    trunk = trunk_of(method)
    image = pictures.prepare(photo, method.preprocessing)[None].to(method.device)
    entered: list[tuple[int, int]] = []

    def remember(module: nn.Module, inputs: tuple[Tensor, ...], after: Any) -> None:
        # Of the trunk's own input: some networks bring images to the patch grid themselves.
        entered.append(trunk.grid(inputs[0]))

    hook = trunk.patch_embed.register_forward_hook(remember)
    try:
        with trunk.tapped(wanted) as taps, devices.inference(method.device, method.precision):
            method.network(image)
    finally:
        hook.remove()
    first = 1 + trunk.config.num_register_tokens
    pairs = zip(taps.tensors(), wanted, strict=True)
    tensors = tuple(_of_patches(tensor, facet, first).float().cpu() for tensor, (_, facet) in pairs)
    return Seen(as_picture(image[0].cpu(), method.preprocessing), entered[-1], tensors)


def as_picture(image: Tensor, preprocessing: Preprocessing) -> np.ndarray:
    """A network's (C, H, W) input as (H, W, 3) uint8."""
    mean, std = (torch.tensor(values).view(-1, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    shares = (image.float() * std + mean).clamp(0, 1).expand(3, -1, -1)
    return (255 * shares).round().byte().permute(1, 2, 0).numpy()


def enlarged(values: Tensor, size: tuple[int, int]) -> np.ndarray:
    """(..., h, w) values, bilinearly at another size (H, W)."""
    flat = values.reshape(1, -1, *values.shape[-2:])
    large = F.interpolate(flat, size, mode="bilinear", align_corners=False)
    return large.reshape(*values.shape[:-2], *size).numpy()


def _of_patches(tensor: Tensor, facet: Facet, first: int) -> Tensor:
    if facet is Facet.CLASS_ATTENTION:
        return tensor[0, :, first:]
    return (joined_heads(tensor) if tensor.dim() == 4 else tensor)[0, first:]
