"""ProGEO's losses, schedule and position table against their cases."""

import numpy as np
import torch
from torch.nn import functional as F

from tests.reference.runner import Case, handles
from vprkit.backbones.clip_positions import resize_clip_positions
from vprkit.losses.batch_triplet import batch_triplet, cosine, euclidean, hardest, weighted
from vprkit.losses.cosface import CosFace
from vprkit.losses.image_text import image_text_logits, image_text_loss, supervised_contrast
from vprkit.training.schedules import Schedule


@handles("progeo/cosface")
def cosface(case: Case) -> None:
    weight, labels = case.state()["weight"], case.input("labels")
    done = set()
    for variant in case.config["variants"]:
        head, x = _head(weight, variant), case.input("x").clone().requires_grad_()
        logits = head(x, labels)
        F.cross_entropy(logits, labels).backward()
        found = {"logits": logits, "ce": F.cross_entropy(logits, labels), "grad_x": x.grad, "grad_w": head.weight.grad}
        for name, value in found.items():
            case.check(f"{variant['name']}_{name}", value)
            done.add(f"{variant['name']}_{name}")
    first = _head(weight, case.config["variants"][0])
    case.check("zero_norm_logits", first(case.input("zero_norm_x"), labels))
    case.check("unit_logits", first(case.input("x_unit"), labels))
    case.check("cosine_sim", first.cosines(case.input("x")))
    assert set(case.outputs()) == done | {"zero_norm_logits", "unit_logits", "cosine_sim"}


def _head(weight: torch.Tensor, variant: dict[str, float]) -> CosFace:
    head = CosFace(weight.shape[1], weight.shape[0], variant["s"], variant["m"])
    head.load_state_dict({"weight": weight})
    return head


@handles("progeo/supcon")
def supcon(case: Case) -> None:
    for name in (output.removesuffix("_loss") for output in case.outputs("*_loss")):
        sets = [case.input(f"{name}_{part}").clone().requires_grad_() for part in "ab"]
        temperature = case.config.get(f"{name}_temperature", case.config["temperature"])
        loss = supervised_contrast(*sets, case.input(f"{name}_la"), case.input(f"{name}_lb"), temperature)
        case.check(f"{name}_loss", loss)
        if case.outputs(f"{name}_grad_*"):
            loss.backward()
            case.check(f"{name}_grad_a", sets[0].grad)
            case.check(f"{name}_grad_b", sets[1].grad)


@handles("progeo/label_smooth_ce")
def label_smooth_ce(case: Case) -> None:
    features, texts = case.input("image_features").clone().requires_grad_(), case.input("text_features")
    labels, epsilon = case.input("labels"), case.config["epsilon"]
    loss = image_text_loss(features, texts, labels, epsilon)
    loss.backward()
    case.check("logits", image_text_logits(features, texts))
    case.check("loss", loss)
    case.check("grad_image_features", features.grad)
    case.check("loss_eps2", image_text_loss(features, texts, labels, case.config["epsilon2"]))
    case.check("loss_single", image_text_loss(features[:1], texts, labels[:1], epsilon))


@handles("progeo/triplet")
def triplet(case: Case) -> None:
    minings, distances = {True: hardest, False: weighted}, {True: cosine, False: euclidean}
    x = case.input("x")
    for variant in case.config["variants"]:
        leaf = x.clone().requires_grad_()
        loss = batch_triplet(
            leaf,
            case.input(f"labels_{variant['labels']}"),
            distance=distances[variant["norm_feat"]],
            mining=minings[variant["hard_mining"]],
            margin=variant["margin"],
        )
        loss.backward()
        case.check(f"{variant['tag']}_loss", loss)
        case.check(f"{variant['tag']}_grad", leaf.grad)
    for name, mining in (("hard", hardest), ("weighted", weighted)):
        leaf = case.input("overflow_x").clone().requires_grad_()
        loss = batch_triplet(leaf, case.input("overflow_labels"), mining=mining)
        loss.backward()
        case.check(f"overflow_{name}_loss", loss)
        case.check(f"overflow_{name}_grad", leaf.grad)
    case.check("single_element_loss", batch_triplet(x[:1], torch.zeros(1, dtype=torch.long)))
    case.check("cosine_dist", cosine(x))
    off = ~torch.eye(len(x), dtype=torch.bool)
    case.compare("euclidean_dist", euclidean(x)[off], case.output("euclidean_dist")[off])
    case.done.add("euclidean_dist")


@handles("progeo/lr_schedule")
def lr_schedule(case: Case) -> None:
    for row in case.json["config"]:
        schedule = Schedule("cosine", epochs=row["epochs"] // row["groups"])
        found = [schedule.rate(epoch // row["groups"], row["base_lr"], 1) for epoch in range(row["epochs"])]
        case.compare("used", np.array(found), np.array(row["used"]))


@handles("progeo/posembed_interpolation")
def posembed_interpolation(case: Case) -> None:
    for row in case.config["cases"]:
        side = row["image_size"] // row["patch"]
        case.check(row["name"], resize_clip_positions(case.input(row["name"]), side))
