"""Image preprocessing of every system against `vprkit.data.images`."""

from tests.reference.runner import Case, handles
from vprkit.data import images
from vprkit.preprocessing import Preprocessing


@handles("selavpr/selavpr_preprocess")
def selavpr(case: Case) -> None:
    size = tuple(case.config["resize"])
    common = {"size": size, "mean": tuple(case.config["mean"]), "std": tuple(case.config["std"])}
    shorter = Preprocessing(fit="shorter", engine="tensor", **common)
    modes = {
        "hard_resize": Preprocessing(engine="tensor", **common),
        "hard_resize_antialias_true": Preprocessing(engine="tensor_antialias", **common),
        "train_transform": Preprocessing(engine="pil", **common),
        "single_query": shorter,
        "central_crop": Preprocessing(fit="central_crop", engine="tensor", interpolation="nearest", **common),
    }
    names = case.outputs()
    for name in names:
        number, mode = name.split("/")
        image = case.input(f"{number}/image_u8").numpy()
        if mode == "five_crops":
            case.check(name, images.five_crops(images.prepare(image, shorter), min(size)))
        else:
            case.check(name, images.prepare(image, modes[mode]))
    assert len(names) >= len(case.config["shapes"])


@handles("progeo/preprocess")
def progeo(case: Case) -> None:
    side = case.config["image_size"]
    common = {"mean": tuple(case.config["mean"]), "std": tuple(case.config["std"])}
    modes = {
        "plain": Preprocessing(size=None, fit="none", **common),
        "square": Preprocessing(size=(side, side), **common),
        "shorter": Preprocessing(size=(side, side), fit="shorter", **common),
    }
    for name in case.outputs():
        image, mode = name.split("_")
        case.check(name, images.prepare(case.input(image).numpy(), modes[mode]))
    assert case.outputs()


@handles("pairvpr/eval_preprocessing")
def pairvpr(case: Case) -> None:
    numbers = [name.removeprefix("tensor_") for name in case.outputs("tensor_*")]
    assert numbers
    for number in numbers:
        _square(case, tuple(case.json["size"]), f"image_{number}", f"tensor_{number}")


@handles("rerankvpr/eval_transform")
def rerankvpr(case: Case) -> None:
    _square(case, tuple(case.config["size"]), "image_uint8_hwc", "tensor")


def _square(case: Case, size: tuple[int, int], image: str, output: str) -> None:
    case.check(output, images.prepare(case.input(image).numpy(), Preprocessing(size=size)))
