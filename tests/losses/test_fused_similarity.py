"""Weighted similarities of pairs against loops, with and without texts."""

import torch

from vprkit.losses.fused_similarity import fused_similarities


def test_a_row_without_a_text_counts_by_its_image_alone() -> None:
    generator = torch.Generator().manual_seed(1)
    image, text = torch.randn(5, 3, generator=generator), torch.randn(5, 4, generator=generator)
    share = torch.rand(5, generator=generator)
    text[2], share[2] = 0, 1
    found = fused_similarities(image, text, torch.stack([share, 1 - share], 1))
    for i in range(5):
        for j in range(5):
            counts = 1.0 if i == 2 else (share[i] + share[j]) / 2
            words = (2 - share[i] - share[j]) / 2 * (text[i] @ text[j])
            torch.testing.assert_close(found[i, j], counts * (image[i] @ image[j]) + words)
