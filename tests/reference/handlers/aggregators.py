"""Aggregators on random maps: `lavpr/agg_*`, `lavpr/sibling_*`, `progeo/gem_aggregation`."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.aggregators.boq import BoQ
from vprkit.aggregators.convap import ConvAP
from vprkit.aggregators.cosplace import CosPlace, cosplace_layers
from vprkit.aggregators.gem import GeM, generalised_mean
from vprkit.aggregators.mixvpr import MixVPR
from vprkit.aggregators.netvlad import NetVLAD
from vprkit.aggregators.salad import Salad
from vprkit.aggregators.token_salad import CosineTokenSalad, TokenSalad
from vprkit.losses.local_ot import local_ot


def loaded(module: nn.Module, state: dict[str, Tensor]) -> nn.Module:
    module.load_state_dict(state, strict=True)
    return module.eval()


def check_gradients(compared: Compared, total: Tensor, named: dict[str, Tensor]) -> None:
    """Gradients of `total` under the output names given, those that the case has."""
    wanted = {name: tensor for name, tensor in named.items() if name in compared.case.outputs()}
    if wanted:
        found = torch.autograd.grad(total, list(wanted.values()), retain_graph=True)
        for name, gradient in zip(wanted, found, strict=True):
            compared.check(name, gradient)


_MAPS: dict[str, Callable[..., nn.Module]] = {
    "lavpr/agg_convap": ConvAP,
    "lavpr/agg_cosplace": CosPlace,
    "lavpr/agg_mixvpr": MixVPR,
    "lavpr/agg_gem": lambda **options: GeM(**{**options, "normalise": True}),
}


@handles(*_MAPS)
def from_a_map(case: Case) -> None:
    compared = Compared(case)
    module = loaded(_MAPS[case.name](**case.config), case.state())
    features = case.input("features").requires_grad_()
    descriptor = module(features)
    compared.check("descriptor", descriptor)
    check_gradients(compared, (descriptor * case.input("probe")).sum(), {"grad_features": features})
    compared.assert_complete()


@handles("lavpr/agg_netvlad")
def netvlad(case: Case) -> None:
    compared, config = Compared(case), dict(case.config)
    whiten_dim = config.pop("whiten_dim")
    module = nn.ModuleDict(
        {
            "netvlad": NetVLAD(**config),
            "whiten": nn.Linear(config["input_dim"] * config["num_clusters"], whiten_dim),
        }
    )
    loaded(module, case.state())
    features = case.input("features_normalised").requires_grad_()
    vlad = module["netvlad"](features)
    compared.check("vlad", vlad)
    compared.check("whitened", F.normalize(module["whiten"](vlad), dim=1))
    check_gradients(compared, (vlad * case.input("probe")).sum(), {"grad_features": features})
    compared.assert_complete()


@handles("lavpr/agg_salad", "lavpr/agg_salad_b1")
def salad(case: Case) -> None:
    compared = Compared(case)
    source = case.json.get("state_from")
    weights = Case(f"{case.name.split('/')[0]}/{source}", case.folder) if source else case
    module = Salad(**case.config)
    loaded(module, weights.state())
    features = case.input("features").requires_grad_()
    descriptor = module(features, case.input("token"))
    compared.check("descriptor", descriptor)
    scores = module.scores(features)
    compared.check_if_present("scores", scores)
    compared.check_if_present("log_assignment", module.log_assignment(scores))
    if "probe" in {name.removeprefix("input/") for name in case.tensors}:
        check_gradients(compared, (descriptor * case.input("probe")).sum(), {"grad_features": features})
    compared.assert_complete()


@handles("lavpr/agg_boq")
def boq(case: Case) -> None:
    compared = Compared(case)
    module = BoQ(**case.config)
    loaded(module, case.state())
    features = case.input("features").requires_grad_()
    descriptor, attention = module.attend(features)
    compared.check("descriptor", descriptor)
    case.check("descriptor", module(features))
    for name in case.outputs("attention_*"):
        compared.check(name, attention[int(name.removeprefix("attention_"))])
    check_gradients(compared, (descriptor * case.input("probe")).sum(), {"grad_features": features})
    compared.assert_complete()


@handles("lavpr/sibling_salad", "lavpr/sibling_cosine_salad")
def token_salad(case: Case) -> None:
    compared = Compared(case)
    kind = CosineTokenSalad if "score_anchors" in case.state() else TokenSalad
    module = loaded(kind(**case.config), case.state())
    vision, text, mask = case.input("vision_tokens"), case.input("text_tokens"), case.input("text_mask")[:, 1:]
    with torch.inference_mode():
        compared.check("vision", module(vision))
        compared.check("vision_weighted", module(vision, weights=case.input("w_v")))
        compared.check("text_masked", module(text, mask=mask))
        compared.check("text_weighted", module(text, mask=mask, weights=case.input("w_t")))
    compared.assert_complete()


@handles("lavpr/sibling_local_ot")
def local_transport(case: Case) -> None:
    compared = Compared(case)
    vision, text = case.input("vision_tokens").requires_grad_(), case.input("text_tokens").requires_grad_()
    found = local_ot(vision, text, case.input("text_mask"))
    compared.check("loss", found.loss)
    compared.check("w_v", found.vision_weights)
    compared.check("w_t", found.text_weights)
    check_gradients(compared, found.loss, {"grad_vision": vision, "grad_text": text})
    compared.assert_complete()


@handles("progeo/gem_aggregation")
def gem_aggregation(case: Case) -> None:
    compared, eps = Compared(case), case.config["eps"]
    features, p = case.input("x").requires_grad_(), case.input("p").requires_grad_()
    gem = generalised_mean(features, p, eps=eps, dim=(-2, -1))[..., None, None]
    compared.check("gem", gem)
    check_gradients(compared, (gem * case.input("probe")).sum(), {"grad_x": features, "grad_p": p})
    compared.check("l2norm", F.normalize(features, dim=1))
    state = case.state("state/aggregation.")
    head = nn.Sequential(*cosplace_layers(*reversed(state["3.weight"].shape)).values())
    loaded(head, state)
    head[1].eps = eps  # type: ignore[assignment]
    descriptor = head(features)
    compared.check("agg", descriptor)
    compared.check("agg_1x1", head(case.input("x_1x1")))
    named = {f"agg_grad_{name}": parameter for name, parameter in head.named_parameters()}
    probed = (descriptor * case.input("probe_agg")).sum()
    check_gradients(compared, probed, {"agg_grad_x": features, **named})
    compared.assert_complete()
