"""One step of prompt learning through a text tower of released size: 12 positions against all 77."""

import argparse
from collections.abc import Callable

import torch
from common import best_of, table

from vprkit.backbones.clip_text import CONTEXT, ClipText
from vprkit.losses.image_text import supervised_contrast
from vprkit.methods.progeo.prompts import Prompts
from vprkit.methods.progeo.stage_one import prompt_loss


def main(count: int, repeats: int) -> None:
    torch.manual_seed(0)
    tower = ClipText(512, 12, 8, 1024).requires_grad_(False)
    prompts = Prompts(count, 0.1 * torch.randn(1, CONTEXT, 512))
    labels, features = torch.arange(count), torch.randn(count, 1024)

    def short() -> torch.Tensor:
        return prompt_loss(prompts, tower, features, labels)

    def whole() -> torch.Tensor:
        texts = tower(prompts(labels), torch.full_like(labels, prompts.end))
        images = supervised_contrast(features, texts, labels, labels)
        return images + supervised_contrast(texts, features, labels, labels)

    gradients, seconds = [], []
    for loss in (short, whole):

        def step(loss: Callable[[], torch.Tensor] = loss) -> None:
            prompts.zero_grad()
            loss().backward()

        step()
        assert prompts.cls_ctx.grad is not None
        gradients.append(prompts.cls_ctx.grad.clone())
        seconds.append(best_of(step, repeats))
    apart = (gradients[0] - gradients[1]).abs().max() / gradients[1].abs().max()
    rows = [["12", f"{seconds[0]:.2f}", f"{seconds[1] / seconds[0]:.1f}"], ["77", f"{seconds[1]:.2f}", "1"]]
    table(
        f"Forward and backward of {count} prompts, gradients {apart:.0e} apart",
        ("positions", "s", "times faster"),
        rows,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=3)
    main(**vars(parser.parse_args()))
