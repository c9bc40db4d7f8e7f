"""Processes, devices and precision of a run, through Lightning Fabric."""

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from vprkit import device as devices
from vprkit.errors import ConfigError
from vprkit.extras import require
from vprkit.training.settings import Optimiser, Running
from vprkit.training.task import ParameterGroup

_PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}
_OPTIMISERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}
_ACCELERATORS = {"cpu": "cpu", "mps": "mps"}


def launch(running: Running) -> Any:
    """A Fabric on which every process of the run has started (torchrun and SLURM start them themselves).

    Raises:
        ConfigError: the precision does not fit the device, or torchrun started another number of processes.
        MissingExtra: Lightning is not installed.
        NotAvailable: the device is not here.
    """
    device = devices.resolve_device(running.device)
    precision = devices.resolve_precision(running.precision, device)
    if precision == "fp16" and device.type == "cpu":
        raise ConfigError("fp16 trains on a GPU only; use running.precision=bf16 or fp32 on a CPU")
    if device.index is not None and running.devices != 1:
        raise ConfigError(f"running.device={device} is one device, but running.devices is {running.devices}")
    if device.type == "cpu":
        if running.devices == -1:
            raise ConfigError("running.devices=-1 means all GPUs; on a CPU give the number of processes")
        devices.enable_fast_fp32()
    _check_started(running)
    chosen: Any = running.devices if device.index is None or device.type == "cpu" else [device.index]
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    many = running.devices != 1 or running.nodes > 1
    fabric = require("train", "lightning.fabric").Fabric(
        accelerator=_ACCELERATORS.get(device.type, "gpu"),
        devices=chosen,
        num_nodes=running.nodes,
        # Several networks carry parameters that nothing depends on (a norm or mask token that released files hold).
        strategy="ddp_find_unused_parameters_true" if many else "auto",
        precision=_PRECISIONS[precision],
    )
    # Batches come as tasks made them: Lightning rounds what is float32 in them (vectors of texts) to the precision of
    # the network, which autocast does where it is due.
    fabric.strategy.precision.convert_input = lambda batch: batch
    with warnings.catch_warnings(), devices.plain_products():
        warnings.filterwarnings("ignore", message=".*SLURM.*srun.*")
        fabric.launch()
    return fabric


def _check_started(running: Running) -> None:
    """Refuse processes of torchrun that would each train alone, into one folder."""
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return
    started = int(os.environ["WORLD_SIZE"])
    wanted = running.nodes * (devices.count_gpus() if running.devices == -1 else running.devices)
    if started != wanted:
        raise ConfigError(
            f"torchrun started {started} processes, but running.devices x running.nodes is {wanted}; give "
            "running.devices=N, what --nproc-per-node says, and running.nodes=N, what --nnodes says"
        )


@contextmanager
def expected_warnings() -> Iterator[None]:
    """Inside, data parallelism does not tell that no parameter was unused: looking for them is our choice."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*find_unused_parameters=True was specified.*")
        yield


def precision_of(fabric: Any, running: Running) -> str:
    """The precision that the run's networks compute in."""
    return devices.resolve_precision(running.precision, fabric.device)


def make_optimiser(settings: Optimiser, learning: Sequence[ParameterGroup]) -> torch.optim.Optimizer:
    """The optimiser of some groups of parameters, none of them empty.

    Raises:
        ConfigError: nothing learns.
    """
    if not learning:
        raise ConfigError("nothing learns: every parameter is frozen")
    groups = [
        {
            "params": list(group.parameters),
            "lr": settings.rate * group.rate,
            "weight_decay": settings.weight_decay if group.weight_decay is None else group.weight_decay,
        }
        for group in learning
    ]
    extra: dict[str, Any] = {"momentum": settings.momentum} if settings.kind == "sgd" else {"betas": settings.betas}
    optimiser: torch.optim.Optimizer = _OPTIMISERS[settings.kind](groups, lr=settings.rate, **extra)
    return optimiser
