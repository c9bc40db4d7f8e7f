"""Pair-VPR's two stages of training: `pairvpr/stageone_*`, `pairvpr/stagetwo_*`."""

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn

from tests.reference.handlers.pairvpr_model import network_of
from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.losses.masked_mse import masked_mse, masked_mse_by_group, standardised
from vprkit.losses.miners import BatchHardMiner
from vprkit.methods.pairvpr.layer_decay import decays, layer_groups, rate_factor
from vprkit.methods.pairvpr.masking import hidden_patches, image_of, patches_of
from vprkit.methods.pairvpr.network import PairVPR
from vprkit.methods.pairvpr.stage_one import reconstruct
from vprkit.methods.pairvpr.stage_two import PairVPRRecipe, judge
from vprkit.training.schedules import Schedule
from vprkit.training.starting import ViTTrunk
from vprkit.training.task import ParameterGroup


def learning_network(case: Case) -> PairVPR:
    """The case's network with what does not learn frozen."""
    network = network_of(case)
    ViTTrunk(train_last=case.config["encoder"]["num_trainable_blocks"]).freeze(network.encoder)
    return network


def released_name(name: str) -> str:
    """The released name of one of the network's parameters."""
    return f"encoder.model.{name.removeprefix('encoder.')}" if name.startswith("encoder.") else name


def named(network: PairVPR) -> list[tuple[str, nn.Parameter]]:
    return [(released_name(name), parameter) for name, parameter in network.named_parameters()]


@handles("pairvpr/stageone_forward")
def stage_one_forward(case: Case) -> None:
    compared, network, patch = Compared(case), learning_network(case), case.config["encoder"]["patch_size"]
    first, second, noise = case.input("img1"), case.input("img2"), case.input("noise")
    mask = hidden_patches(noise, (case.json["num_masked"] + 0.5) / noise.shape[1])
    compared.check("mask", mask.to(torch.uint8))
    raw = patches_of(first, patch)
    compared.check("target", raw)
    compared.check("unpatchified", image_of(raw, patch, (first.shape[-2] // patch, first.shape[-1] // patch)))
    predicted = reconstruct(network, first, second, mask)
    compared.check("pred", predicted)
    sources = torch.tensor(case.json["dsetsource"])
    for normalised, target in enumerate((raw, standardised(raw))):
        name = f"loss_normpix_{normalised}"
        parts = masked_mse_by_group(predicted, target, mask, sources, len(case.output(name)) - 1)
        compared.check(name, torch.cat([masked_mse(predicted, target, mask)[None], parts]))
    loss = masked_mse(predicted, standardised(raw), mask)
    compared.check("loss", loss)
    loss.backward()
    check_gradients(compared, network)
    compared.assert_complete()


def check_gradients(compared: Compared, network: PairVPR) -> None:
    """Every gradient's norm, None where none reaches the parameter, and those that the case has."""
    case = compared.case
    expected = case.json["grad_norm"]
    assert set(expected) == {name for name, _ in named(network)}
    for name, parameter in named(network):
        assert (parameter.grad is None) == (expected[name] is None), name
        if parameter.grad is not None:
            case.compare(f"gradient of {name}", parameter.grad.norm(), torch.tensor(expected[name]))
            compared.check_if_present(f"grad/{name}", parameter.grad)


@handles("pairvpr/stageone_three_steps")
def stage_one_steps(case: Case) -> None:
    compared, network, optim = Compared(case), learning_network(case), case.json["optim"]
    depths = (len(network.encoder.blocks), len(network.dec_blocks))
    scale = (optim["layerwise_decay"], optim["patch_embed_lr_mult"])
    for name, parameter in named(network):
        found = [rate_factor(name, *depths, *scale), float(decays(name, parameter))]
        case.compare(f"multipliers of {name}", torch.tensor(found), torch.tensor(case.json["multipliers"][name]))
    groups = layer_groups(named(network), *depths, *scale)
    optimiser = adamw(groups, optim)
    schedule = Schedule(
        "half_cosine", warmup_epochs=optim["warmup_epochs"], epochs=optim["epochs"], end=optim["min_lr"], first_index=1
    )
    ends, length = (optim["weight_decay"], optim["weight_decay_end"]), optim["epoch_length"]
    losses, patch = [], case.config["encoder"]["patch_size"]
    for step, used in enumerate(case.json["lr_wd_used"]):
        rate, decay = schedule.rate(step, optim["lr"], length), schedule.weight_decay(step, *ends, length)
        case.compare("rate and weight decay", torch.tensor([rate, decay]), torch.tensor(used))
        for own, group in zip(optimiser.param_groups, groups, strict=True):
            own["lr"] = rate * group.rate
            own["weight_decay"] = decay if group.weight_decay is None else group.weight_decay
        first, mask = case.input(f"img1_{step}"), case.input(f"mask_{step}").bool()
        predicted = reconstruct(network, first, case.input(f"img2_{step}"), mask)
        losses.append(stepped(optimiser, masked_mse(predicted, standardised(patches_of(first, patch)), mask)))
    compared.check("losses", torch.stack(losses).double())
    check_after(compared, network)
    compared.assert_complete()


def adamw(groups: Iterable[ParameterGroup], optim: dict[str, Any]) -> torch.optim.AdamW:
    parameters = [{"params": list(group.parameters)} for group in groups]
    return torch.optim.AdamW(
        parameters, optim["lr"], tuple(optim["betas"]), optim["eps"], weight_decay=optim["weight_decay"]
    )


def stepped(optimiser: torch.optim.Optimizer, loss: Tensor, look: Callable[[], None] | None = None) -> Tensor:
    """The loss, after a step by it; `look` may look at the gradients."""
    loss.backward()
    if look is not None:
        look()
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
    return loss.detach()


def check_after(compared: Compared, network: PairVPR) -> None:
    """Parameters after the steps; those that the case does not list did not move."""
    case = compared.case
    before = case.state()
    for name, parameter in named(network):
        if any(fnmatchcase(name, pattern) for pattern in case.json.get("after_excludes", ())):
            compared.done.add(f"after/{name}")
        elif f"after/{name}" in case.outputs():
            compared.check(f"after/{name}", parameter)
        else:
            assert torch.equal(parameter, before[name]), f"{name} moved"


@handles("pairvpr/stagetwo_two_steps")
def stage_two_steps(case: Case) -> None:
    compared, network, optim = Compared(case), learning_network(case), case.json["optim"]
    settings = PairVPRRecipe()
    criterion, hardest = settings.criterion(), BatchHardMiner()
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser, ramp = adamw([ParameterGroup(learning)], optim), optim["linear"]
    schedule = Schedule(
        "linear", start=ramp["start_factor"], end=ramp["end_factor"], epochs=ramp["total_iters"], per_step=True
    )
    losses = []
    for step, used in enumerate(case.json["lr_used"]):
        rate = schedule.rate(step, optim["lr"], 1)
        case.compare("rate", torch.tensor(rate), torch.tensor(used))
        optimiser.param_groups[0]["lr"] = rate
        dense, tokens = network.encode(case.input(f"places_{step}").flatten(0, 1))
        vectors, labels = network.descriptor(tokens), case.input(f"labels_{step}")
        triplets = hardest(vectors, labels)
        compared.check(f"triplets_{step}", torch.stack(triplets, 1))
        judged = judge(network, dense, triplets, symmetric=settings.symmetric, chunk=None)
        compared.check(f"pos_logits_{step}", judged.positive[:, 0])
        compared.check(f"neg_logits_{step}", judged.negative[:, 0])
        assert criterion.miner is not None
        globally = criterion.loss(vectors, labels, criterion.miner(vectors, labels))
        total = globally + settings.pair_weight * judged.loss()
        losses.append(torch.stack([globally, judged.loss(), total]).detach())
        look = None if step else (lambda: check_gradients(compared, network))
        stepped(optimiser, total, look)
    compared.check("losses", torch.stack(losses).double())
    check_after(compared, network)
    compared.assert_complete()
