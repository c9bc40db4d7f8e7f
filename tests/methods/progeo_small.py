"""ProGEO's two stages in a small version: what its tests share."""

from tests.training.cells import GROUPING, RUNNING, SIDE
from vprkit.training.train import train

VIT = {"model.encoder": "vit", "model.layers": (2,), "model.width": 64, "model.patch": 16, "model.image_size": SIDE}
RESNET = {"model.layers": (1, 1, 1, 1), "model.width": 4}
ONE = {**GROUPING, **RUNNING, "model.dim": 24, "batch": 6, "epochs": 4, "seed": 2}
TWO = {
    **ONE, "image_size": (SIDE, SIDE), "loaded_size": (SIDE, SIDE), "batch": 3, "iterations": 2, "epochs": 2,
    "augmentation.hue": 0.0,
}  # fmt: skip


class Stopping:
    """Ends a run at some step, like a kill after a state was saved."""

    def __init__(self, step: int) -> None:
        self.left = step

    def pace(self, pace: object) -> None:
        self.left -= 1
        if not self.left:
            raise RuntimeError("stopped")

    def describing(self, what: str, done: int, total: int) -> None: ...

    def say(self, sentence: str) -> None: ...


def learn(root, encoder, model, out, reporter=None, **options):
    own = {"clip": str(root / f"{encoder}.safetensors"), "feature_cache": str(root / "features"), **options}
    data = {"train": root / "train"}
    return train("progeo-prompts", data, out=out, options={**ONE, **model, **own}, reporter=reporter)


def tune(root, encoder, model, out, reporter=None, **options):
    own = {"clip": str(root / f"{encoder}.safetensors"), "prompts": str(root / f"prompts-{encoder}"), **options}
    own = {"freezing.blocks": 1, **own}
    data = {"train": root / "train", "val": root / "set"}
    return train("progeo", data, out=out, options={**TWO, **model, **own}, reporter=reporter)
