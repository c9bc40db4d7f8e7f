"""ProGEO's two optimisation loops against their cases."""

import torch
from torch import Tensor

from tests.reference.handlers.progeo_networks import encoder_config, image_state, prompts_of, tower_of
from tests.reference.handlers.vit import Compared
from tests.reference.runner import Case, handles
from vprkit.losses.batch_triplet import weighted
from vprkit.methods.progeo.network import build
from vprkit.methods.progeo.stage_one import prompt_loss, prompt_rate
from vprkit.methods.progeo.stage_two import Freezing, ProGEORecipe, TextTerm, TripletTerm
from vprkit.training.classes import ClassLosses


@handles("progeo/stage1_training")
def stage_one(case: Case) -> None:
    compared, config, state = Compared(case), case.config, case.state()
    groups, tower = config["groups"], tower_of(config, state)
    learnt = [prompts_of(state, f"prompt_learner.{g}.", config["token_ids"]) for g in range(groups)]
    # One optimiser for all groups, as the engine has it.
    optimiser = torch.optim.Adam([prompts.cls_ctx for prompts in learnt], config["lr"])
    losses, rates = [], []
    for epoch in range(config["epochs"]):
        group = epoch % groups
        optimiser.param_groups[0]["lr"] = prompt_rate(epoch, config["epochs"], groups, config["lr"])
        for rows in torch.split(case.input(f"perm{epoch}"), config["batch"]):
            features, labels = (case.input(f"{part}{group}")[rows] for part in ("features", "labels"))
            loss = prompt_loss(learnt[group], tower, features, labels)
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            losses.append(loss.detach())
        rates.append(prompt_rate(epoch + groups, config["epochs"], groups, config["lr"]))
    compared.check("losses", torch.stack(losses))
    compared.check("lr_after_epoch", torch.tensor(rates, dtype=torch.float64))
    for group in range(groups):
        compared.check(f"cls_ctx{group}", learnt[group].cls_ctx)
    compared.assert_complete()


@handles("progeo/stage2_training")
def stage_two(case: Case) -> None:
    compared, config, state = Compared(case), case.config, case.state()
    network = build(encoder_config(config, config["embed_dim"]))
    own = {n: v for n, v in image_state(state).items() if not n.startswith("classifier.")}
    network.load_state_dict(own)
    Freezing(stages=config["freeze_cnn"]).apply(network.backbone)
    texts = [case.input(f"text_features{g}") for g in range(config["groups"])]
    triplet = TripletTerm(config["batch_size"], weighted)
    published = ProGEORecipe()
    terms = [TextTerm(texts, published.smoothing), *([triplet] if config["soft_triplet"] else [])]
    losses = ClassLosses(config["embed_dim"], config["classes"], published.scale, published.margin, terms)
    losses.load_state_dict(
        {n.replace("classifier.", "classifiers."): v for n, v in state.items() if "classifier." in n}
    )
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    heads = losses.parameter_group(config["classifiers_lr"], config["lr"])
    rates = [{"params": learning}, {"params": list(heads.parameters), "lr": config["lr"] * heads.rate}]
    optimiser = torch.optim.Adam(rates, config["lr"])
    totals, parts = [], []
    for step in range(config["iterations"]):
        group, targets = step % config["groups"], case.input(f"targets{step}")
        vectors = network.train()(case.input(f"images{step}"))
        found = losses(vectors, targets, group)
        found["loss"].backward()
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        totals.append(found["loss"].detach())
        parts.append(torch.stack([found["cosface"], found["text"], triplet(vectors, targets, group).detach()]))
    compared.check("losses", torch.stack(totals))
    compared.check("loss_parts_cosface_text_triplet", torch.stack(parts))
    after: dict[str, Tensor] = {**network.state_dict()}
    after |= {f"classifier.{g}.weight": head.weight for g, head in enumerate(losses.classifiers)}
    for name, value in after.items():
        compared.check_if_present(name, value)
    with torch.no_grad():
        compared.check("desc_eval_after", network.eval()(case.input("images_eval")))
    compared.assert_complete()
