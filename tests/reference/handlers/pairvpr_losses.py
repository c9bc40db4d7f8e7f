"""Pair-VPR's losses, schedules and pairs, apart from any network."""

import math
import re
from typing import Any

import numpy as np
import torch

from tests.reference.handlers.losses import as_set
from tests.reference.handlers.sfxl_groups import columns, group_codes
from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.data.groups import CROP, PANORAMA, CosPlaceGrouping, bearing_towards, crop_towards
from vprkit.data.panorama_pairs import PairViews, accepted, signed_difference
from vprkit.losses.masked_mse import masked_mse, masked_mse_by_group, standardised
from vprkit.losses.miners import BatchHardMiner
from vprkit.losses.pairs import cosines
from vprkit.methods.pairvpr.layer_decay import rate_factor
from vprkit.methods.pairvpr.stage_one import PairVPRPretrainRecipe
from vprkit.training.losses import make_loss, make_miner
from vprkit.training.schedules import Schedule


@handles("pairvpr/global_loss_and_mining")
def mining(case: Case) -> None:
    compared, loss, miner = Compared(case), make_loss("multi_similarity"), make_miner("multi_similarity")
    assert miner is not None
    for name, info in case.json["info"].items():
        leaf, labels = case.input(f"{name}/desc").requires_grad_(), case.input(f"{name}/labels")
        mined = miner(leaf, labels)
        for kind, part in (("pos", mined[:2]), ("neg", mined[2:])):
            pairs = sorted(zip(*(side.tolist() for side in part), strict=True))
            compared.check(f"{name}/{kind}_pairs_sorted", torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2))
        value = loss(leaf, labels, mined)
        value.backward()
        compared.check(f"{name}/loss", value)
        compared.check(f"{name}/grad", leaf.grad)
        assert math.isclose(1 - torch.unique(mined[0]).numel() / len(labels), info["batch_acc"], abs_tol=1e-12)
        _check_triplets(compared, name, torch.stack(BatchHardMiner()(leaf, labels), 1), leaf.detach(), labels)
    compared.assert_complete()


def _check_triplets(
    compared: Compared, name: str, found: torch.Tensor, vectors: torch.Tensor, labels: torch.Tensor
) -> None:
    """Equal, or another member of a tie."""
    expected = compared.case.output(f"{name}/hard_triplets")
    assert torch.equal(found[:, 0], expected[:, 0])
    similar = cosines(vectors)
    for part, same in ((1, True), (2, False)):
        mine, theirs = (similar[rows[:, 0], rows[:, part]] for rows in (found, expected))
        assert torch.allclose(mine, theirs, atol=1e-6)
        assert ((labels[found[:, 0]] == labels[found[:, part]]) == same).all()
    ties = (found != expected).any(1)
    assert as_set(found[~ties].unbind(1)) == as_set(expected[~ties].unbind(1))
    compared.done.add(f"{name}/hard_triplets")


@handles("pairvpr/masked_mse_loss")
def reconstruction(case: Case) -> None:
    compared, raw = Compared(case), case.input("target")
    mask, sources = case.input("mask").bool(), case.input("dsetsource")
    for normalised in (0, 1):
        target = standardised(raw) if normalised else raw
        for masked in (0, 1):
            leaf = case.input("pred").clone().requires_grad_()
            value = masked_mse(leaf, target, mask if masked else None)
            value.backward()
            compared.check(f"loss_np{normalised}_m{masked}", value)
            compared.check(f"grad_np{normalised}_m{masked}", leaf.grad)
        name = f"per_source_np{normalised}"
        parts = masked_mse_by_group(case.input("pred"), target, mask, sources, len(case.output(name)) - 1)
        total = masked_mse(case.input("pred"), target, mask)
        compared.check(name, torch.cat([total[None], parts]))
    compared.assert_complete()


@handles("pairvpr/schedules")
def schedules(case: Case) -> None:
    compared = Compared(case)
    for name, row in case.json["variants"].items():
        if name == "multipliers":
            _check_multipliers(case, row)
            continue
        steps = case.input(f"{name}/iters").tolist()
        if "total_iters" in row:
            ramp = Schedule("linear", start=row["start_factor"], end=row["end_factor"], epochs=row["total_iters"],
                            per_step=True)  # fmt: skip
            compared.check(f"{name}/lr", np.array([ramp.rate(step, row["base_lr"], 1) for step in steps]))
            continue
        curve = Schedule("half_cosine", warmup_epochs=row["warmup_epochs"], epochs=row["epochs"], end=row["min_lr"])
        length, decay = row["epoch_length"], (row["weight_decay"], row["weight_decay_end"])
        compared.check(f"{name}/lr", np.array([curve.rate(step, row["lr"], length) for step in steps]))
        compared.check(f"{name}/wd", np.array([curve.weight_decay(step, *decay, length) for step in steps]))
    compared.assert_complete()


def _check_multipliers(case: Case, sizes: dict[str, dict[str, float]]) -> None:
    sentence = case.json.get("checks", "").rpartition("layerwise_decay")[2]
    told = [float(number) for number in re.findall(r"\d\.\d+", sentence)]
    if len(told) != len(sizes):  # no word of them: one layer below the head has the decay itself
        told = [expected["dec_norm.weight"] for expected in sizes.values()]
    for (size, expected), decay in zip(sizes.items(), told, strict=True):
        depth, decoder = (
            1 + max(int(match[1]) for name in expected if (match := re.match(rf"{stack}\.(\d+)\.", name)))
            for stack in ("encoder.model.blocks", "dec_blocks")
        )
        found = [
            rate_factor(name, depth, decoder, decay, PairVPRPretrainRecipe().patch_embed_rate) for name in expected
        ]
        case.compare(f"multipliers of {size}", np.array(found), np.array(list(expected.values())))


@handles("pairvpr/sfxl_cells_and_crops")
def cells(case: Case) -> None:
    given: dict[str, Any] = case.json
    names = given["paths"]
    read = columns(names)
    grouping = CosPlaceGrouping(given["M"], 0, given["N"], 1, given["min_images_per_class"])
    found = grouping.group(read.east, read.north, read.heading)
    assert found.groups == given["num_groups"]
    assert sorted(given["classes_in_group0"]) == found.classes[found.group_of_class == 0, :2].tolist()
    members = {tuple(row["cell"]): row["paths"] for row in given["images_per_class"]}
    assert len(members) == len(found.classes)
    for number, cell in enumerate(found.classes[:, :2].tolist()):
        assert [names[row] for row in np.flatnonzero(found.labels == number)] == members[tuple(cell)]
    for key, some in given.items():
        if told := re.fullmatch(r"class_group_M(\d+)_N(\d+)", key):
            _check_codes(some, int(told[1]), int(told[2]))
    _check_crops(case)
    _check_acceptance(case)


def _check_codes(some: dict[str, Any], metres: int, groups: int) -> None:
    """Name -> its class's corner and group."""
    read = columns(list(some))
    every = CosPlaceGrouping(metres, 0, groups, 1, 1).group(read.east, read.north, read.heading)
    codes = group_codes(every.classes, {"M": metres, "N": groups})
    for label, (cell, group) in zip(every.labels, some.values(), strict=True):
        assert every.classes[label, :2].tolist() == cell and codes[label].tolist() == group


def _check_crops(case: Case) -> None:
    crops = case.json["crops"]
    read = columns([crop["path"] for crop in crops])
    east, north = np.array([crop["focal"] for crop in crops]).T
    case.compare("bearings", bearing_towards(read.east, read.north, east, north),
                 np.array([crop["bearing"] for crop in crops]))  # fmt: skip
    first = crop_towards(read.heading, read.east, read.north, east, north)
    assert first.tolist() == [crop["first_column"] for crop in crops]
    assert ((first + CROP - 1) % PANORAMA).tolist() == [crop["last_column"] for crop in crops]


def _check_acceptance(case: Case) -> None:
    one, other, expected = np.array(case.json["angle_difference"]).T
    case.compare("angle_difference", signed_difference(one, other), expected)
    rows = case.json["acceptance"]
    candidates = np.array([row["candidates"] for row in rows], np.float64)
    chosen = accepted(np.array([row["first"] for row in rows], np.float64), candidates, PairViews().angles)
    assert (1 + chosen).tolist() == [row["attempts"] for row in rows]
    assert candidates[np.arange(len(rows)), chosen].tolist() == [row["chosen"] for row in rows]
