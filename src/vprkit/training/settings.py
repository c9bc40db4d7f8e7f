"""What every recipe can be told: optimiser, validation, and how a run goes."""

from dataclasses import dataclass
from typing import Literal

from vprkit.config import option
from vprkit.device import TF32
from vprkit.errors import ConfigError
from vprkit.evaluation.two_stage import Source
from vprkit.rerank.reranker import Ties
from vprkit.retrieval.local_codec import LocalDtype
from vprkit.training.schedules import Calendar, Schedule

Log = Literal["jsonl", "tensorboard", "wandb"]


@dataclass(frozen=True)
class Optimiser:
    """How weights follow gradients."""

    kind: Literal["adamw", "adam", "sgd"] = option("adamw", "adamw, adam or sgd")
    rate: float = option(1e-4, "learning rate that the schedule scales")
    weight_decay: float = option(0.0, "pulls weights towards zero; adamw apart from the gradient, others with it")
    weight_decay_end: float | None = option(
        None, "weight decay at the end of the schedule, reached along half a cosine; none: it stays as it is"
    )
    momentum: float = option(0.9, "sgd: momentum")
    betas: tuple[float, float] = option((0.9, 0.999), "adam, adamw: decay of the running means")

    def __post_init__(self) -> None:
        if self.rate <= 0 or min(self.weight_decay, self.weight_decay_end or 0) < 0:
            raise ConfigError(f"the rate must be positive and the weight decay not negative, got {self}")


@dataclass(frozen=True)
class Validation:
    """When the deployed metric is measured, and what decides which weights are best."""

    every: int = option(1, "epochs between validations; 0: never")
    first: bool = option(False, "validate once before training")
    monitor: str = option("", "NAME:R@K that decides, such as val:R@1; empty: R@1 of the first validation set")
    recalls: tuple[int, ...] = option((1, 5, 10, 20), "the K of Recall@K")
    patience: int | None = option(None, "stop after so many validations without a better one; none: never")
    min_delta: float = option(0.0, "points of recall by which one must be better for patience to begin anew")
    rerank: int | None = option(
        None, "candidates that the method's second stage looks at again; none: first stage alone"
    )
    rerank_set: tuple[str, ...] = option(
        (), "KEY=VALUE of the second stage, as --rerank-set of vpr evaluate: [saliency=0.3, similarity=0.6]"
    )
    ties: Ties = option("first_stage", "who is first of equal scores of the second stage: first_stage or reversed")
    local: Source = option(
        "store", "[free] where candidates' local features are kept: store (a disk), ram, or recompute (nowhere)"
    )
    local_dtype: LocalDtype = option("float16", "as what: float32, float16 or int8")
    folder: str | None = option(
        None, "[free] where a disk keeps what is described while it is compared; none: the system's temporary folder"
    )
    keep: int = option(3, "best weights that are kept, best-1.safetensors first")
    batch_size: int = option(32, "images per forward pass while describing")

    def __post_init__(self) -> None:
        if self.every < 0 or self.keep < 0 or self.batch_size < 1 or (self.patience is not None and self.patience < 1):
            raise ConfigError("validation needs every >= 0, keep >= 0, batch_size >= 1 and patience >= 1 or none")
        if self.min_delta < 0:
            raise ConfigError(f"validation.min_delta must be at least 0, got {self.min_delta}")
        if self.rerank_set and self.rerank is None:
            raise ConfigError("validation.rerank_set changes the second stage; ask for one with validation.rerank=N")
        if not self.recalls or min(self.recalls) < 1:
            raise ConfigError(f"the K of Recall@K must be positive whole numbers, got {list(self.recalls)}")


@dataclass(frozen=True)
class Running:
    """Devices, memory, logs: how a run goes. What is marked [free] may differ when a run is resumed."""

    device: str = option("auto", "[free] auto, cpu, cuda or mps")
    devices: int = option(1, "processes per node, one per GPU; -1: all GPUs")
    nodes: int = option(1, "machines that train together (torchrun and SLURM are recognised)")
    precision: str = option("auto", "fp32, bf16 or fp16; auto: bf16 on a GPU that has it, fp32 on a CPU")
    tf32: TF32 = option(
        "convolutions", "what a GPU may round to TF32 in fp32: none, convolutions, or all, products of matrices too"
    )
    deterministic: bool = option(False, "cuDNN's deterministic algorithms alone; nothing on a CPU")
    accumulate: int = option(1, "batches per optimiser step, their losses averaged")
    accumulate_from: int = option(0, "epochs in which every batch is a step of its own, before they are accumulated")
    chunk: int | None = option(None, "gradient caching: images per pass, gradient of the whole batch; none: off")
    clip: float | None = option(None, "greatest norm of the gradient; none: unclipped")
    skip_nonfinite: int = option(
        0,
        "optimiser steps in a row that are left out, and counted, where a gradient is not finite; one more stops the "
        "run; 0: the first stops it",
    )
    sync_batch_norm: bool = option(False, "statistics of batch normalisation over all GPUs")
    channels_last: bool = option(False, "[free] memory order of convolutions; faster on most GPUs and CPUs")
    steps_per_epoch: int | None = option(None, "cut epochs after so many optimiser steps; none: whole epochs")
    workers: int | None = option(None, "[free] decoding threads per process; none: one per core, at most 16")
    ahead: int | None = option(None, "[free] batches decoded ahead; none: 3 beside a GPU, 0 on a CPU")
    on_error: Literal["fail", "skip"] = option(
        "fail", "an unreadable image: fail; or skip: leave it out (some recipes take another), count and name it"
    )
    checkpoint_every: int = option(500, "[free] optimiser steps between last.ckpt inside an epoch; 0: at its end only")
    last_every: int = option(
        1, "[free] epochs between last.safetensors, which is written at the end of the run too; nothing goes on from it"
    )
    keep_every: int = option(
        0, "[free] epochs between weights that are kept for good, epoch-00010.safetensors; 0: none"
    )
    log_every: int = option(10, "[free] optimiser steps between lines of the log")
    logs: tuple[Log, ...] = option(("jsonl",), "[free] jsonl, tensorboard, wandb")

    def __post_init__(self) -> None:
        positive = ("nodes", "accumulate", "chunk", "steps_per_epoch", "workers", "log_every", "last_every")
        at_least_none = ("ahead", "accumulate_from")
        for name, limit in [
            *((name, 1) for name in positive),
            *((name, 0) for name in at_least_none),
            ("checkpoint_every", 0),
            ("keep_every", 0),
            ("skip_nonfinite", 0),
            ("devices", -1),
        ]:
            value = getattr(self, name)
            if value is not None and value < limit:
                raise ConfigError(f"running.{name} must be at least {limit}, got {value}")
        if self.clip is not None and self.clip <= 0:
            raise ConfigError(f"running.clip must be positive or none, got {self.clip}")

    def group(self, epoch: int) -> int:
        """Batches of an optimiser step in this epoch (0-based)."""
        return self.accumulate if epoch >= self.accumulate_from else 1

    def batches(self, epoch: int, there: int) -> int:
        """Batches of this epoch, of so many that are there."""
        return there if self.steps_per_epoch is None else min(there, self.steps_per_epoch * self.group(epoch))

    def calendar(self, there: int) -> Calendar:
        """Optimiser steps of every epoch, where each has so many batches."""
        first, then = (-(-self.batches(epoch, there) // self.group(epoch)) for epoch in (0, self.accumulate_from))
        return Calendar(first, then, self.accumulate_from)


@dataclass(frozen=True)
class TrainingConfig:
    """What every recipe has; a recipe adds its own fields and sets its own defaults."""

    epochs: int = option(10, "[free] passes over the training set")
    seed: int = option(0, "decides initial weights and every draw")
    initial: str | None = option(None, "weights to start from: a file, or the folder of an earlier run (its best)")
    optimiser: Optimiser = option(factory=Optimiser, help="how weights follow gradients")
    schedule: Schedule = option(factory=Schedule, help="how the learning rate changes")
    validation: Validation = option(factory=Validation, help="the deployed metric during training")
    running: Running = option(factory=Running, help="devices, memory, logs")

    def __post_init__(self) -> None:
        if self.epochs < 0 or self.seed < 0:
            raise ConfigError(f"epochs and seed must not be negative, got {self.epochs} and {self.seed}")
        if self.seed >= 2**63:
            raise ConfigError(f"seed must be below 2**63, got {self.seed}")
