"""ProGEO's augmentation on the device, with the drawn numbers given, against `vprkit.training`."""

import torch

from tests.reference.runner import Case, handles
from vprkit.data import images
from vprkit.preprocessing import Preprocessing
from vprkit.training import colour_jitter, warps


@handles("progeo/augmentation")
def progeo(case: Case) -> None:
    given = case.config["per_image"]
    factors = torch.tensor([[one[name] for name in ("brightness", "contrast", "saturation", "hue")] for one in given])
    order = torch.tensor([one["order"] for one in given])
    jittered = colour_jitter.jitter(case.input("images"), factors, order)
    case.check("jittered", jittered)
    cropped = warps.crop(jittered, torch.tensor([one["crop"] for one in given]), tuple(case.config["image_size"]))
    case.check("cropped", cropped)
    case.check("normalised", images.normalise(cropped, Preprocessing()))
    assert set(case.outputs()) == {"jittered", "cropped", "normalised"}
