"""LaVPR's cross-modal half: losses between images and texts, BLIP's towers, LoRA merged into them."""

import torch

from tests.reference.runner import Case, handles
from vprkit.losses.cross_modal import CrossModalMultiSimilarity, SymmetricContrast
from vprkit.losses.pairs import marked


@handles("lavpr/loss_ms_crossmodal")
def multi_similarity(case: Case) -> None:
    labels = case.input("labels")
    images, texts = (case.input(f"{kind}_embeds").requires_grad_() for kind in ("image", "text"))
    criterion = CrossModalMultiSimilarity()
    value = criterion(images, texts, labels)
    case.check("loss", value)
    value.backward()
    case.check("grad_image", images.grad)
    case.check("grad_text", texts.grad)
    case.check("loss_base0", CrossModalMultiSimilarity(base=0.0)(images, texts, labels))
    case.check("loss_all_distinct", criterion(images, texts, torch.arange(len(labels))))
    mined, like = criterion.miner(images, labels, texts, labels), images @ texts.T
    case.check("mined_positive_mask", marked(mined[0], mined[1], like).float())
    case.check("mined_negative_mask", marked(mined[2], mined[3], like).float())


@handles("lavpr/loss_contrastive")
def contrastive(case: Case) -> None:
    for name in (output.removeprefix("loss_") for output in case.outputs("loss_*")):
        images, texts = (case.input(f"{kind}_embeds").clone().requires_grad_() for kind in ("image", "text"))
        criterion = SymmetricContrast(float(case.input(f"temp_{name}")))
        value = criterion(images, texts)
        value.backward()
        case.check(f"loss_{name}", value)
        case.check(f"temp_after_{name}", criterion.temperature)
        case.check(f"grad_image_{name}", images.grad)
        case.check(f"grad_text_{name}", texts.grad)
        case.check(f"grad_temp_{name}", criterion.temperature.grad)
