"""The engine: epochs of batches, optimiser steps, validation, weights, and going on after a kill.

Lightning Fabric brings devices, processes and precision. The loop is ours, because every draw must follow from seed,
epoch and batch alone for a run that was killed to go on exactly (and because it is short).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vprkit import config
from vprkit.data.benchmark import Benchmark
from vprkit.errors import VprError
from vprkit.evaluation.result import Result
from vprkit.method import Method
from vprkit.training import fabric as fabrics
from vprkit.training.feed import Fed, Feed
from vprkit.training.gathering import gather_names, shareable
from vprkit.training.keeping import LAST, Keeper, kept_name
from vprkit.training.logs import Logs
from vprkit.training.randomness import seed_everything
from vprkit.training.reporting import Pace, Reporter, name_broken
from vprkit.training.run_folder import RunFolder
from vprkit.training.settings import TrainingConfig
from vprkit.training.state import Learning, Position, load_state, save_state
from vprkit.training.stepping import Stepper
from vprkit.training.stopping import StopRequest, stop_requests
from vprkit.training.task import Task
from vprkit.training.validating import Monitor, Validator


@dataclass(frozen=True)
class Run:
    """What a training run left.

    Attributes:
        folder: where.
        weights: the best weights by the monitored recall, else the last.
        epochs: epochs done.
        steps: optimiser steps done.
        best: the monitored recall of the best weights in percent, None without validation.
        rank: which of the processes that trained together this is; the first one wrote the files.
        broken: images that could not be read and were left out, in this session; `broken.txt` names them.
    """

    folder: Path
    weights: Path
    epochs: int
    steps: int
    best: float | None
    rank: int = 0
    broken: int = 0


class Engine:
    """One run of one task.

    Args:
        name: of the recipe.
        settings: its configuration.
        task: what is trained.
        fabric: the launched Lightning Fabric.
        folder: where the run lives.
        validation: sets that are measured during training.
        monitor: what decides which weights are best; None without validation sets.
        reporter: told what happens, on the first rank.
    """

    def __init__(
        self,
        name: str,
        settings: TrainingConfig,
        task: Task,
        fabric: Any,
        folder: RunFolder,
        validation: Mapping[str, Benchmark],
        monitor: Monitor | None,
        reporter: Reporter,
    ) -> None:
        self.name, self.settings, self.task, self.fabric = name, settings, task, fabric
        self.folder, self.monitor, self.reporter = folder, monitor, reporter
        self.validator = Validator(validation, settings, reporter)
        self.running = settings.running
        self.first = bool(fabric.is_global_zero)
        self.position = Position()
        self.keeper = Keeper(folder.path, settings.validation.keep, task.write)
        self.feed = Feed(task, self.running, fabric.device, settings.seed, fabric.global_rank, fabric.world_size)
        self.logs: Logs | None = None
        self._finite: Tensor | None = None
        self._unwritten = False
        self._shown = (float("nan"), float("nan"))

    def run(self, going_on: bool) -> Run:
        """Train to the end, from where the folder's state stands if `going_on`."""
        self._prepare(going_on)
        self.logs = Logs(self.running.logs, self.folder.log, self.position.step) if self.first else None
        try:
            with stop_requests(self.reporter.say) as request:
                self._validate_where_due()
                while self.position.epoch < self.settings.epochs and not self._patience_is_over():
                    self._train_epoch(request)
                    self._close_epoch()
                    self._validate_where_due()
        finally:
            if self.logs is not None:
                self.logs.close()
        if self.first and self._last_is_old():
            self._write(LAST)
        broken = gather_names(self.task.broken)
        if self.first:
            name_broken(broken, self.folder.path, self.reporter)
        self.fabric.barrier()
        kept = self.keeper.kept()
        weights = kept[0].path if kept else self.folder.path / LAST
        at = self.position
        return Run(self.folder.path, weights, at.epoch, at.step, at.best, self.fabric.global_rank, len(broken))

    def _prepare(self, going_on: bool) -> None:
        """Module and optimiser on their device, with the state of an earlier session where there is one."""
        self.stepper = Stepper(self.settings, self.task)
        self.learning = Learning(self.task)
        parts: dict[str, Any] = {}
        if going_on:
            self.position, parts = load_state(self.folder.state)
            self.learning.restore(parts["task"], parts["frozen"], self.folder.state)
            self.reporter.say(self.position.told(self.settings.epochs))
        if self.running.channels_last:
            self.task.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.running.sync_batch_norm:
            convert: Any = torch.nn.SyncBatchNorm.convert_sync_batchnorm
            self.task.network = convert(self.task.network)
        self.module = self.stepper.set_up(self.fabric)
        if going_on:
            self.stepper.optimiser.load_state_dict(parts["optimiser"])
            if parts["scaler"]:  # nothing of a session that needed no scaling, such as on a CPU
                self.fabric.strategy.precision.load_state_dict(parts["scaler"])

    def _train_epoch(self, request: StopRequest) -> None:
        """The batches of an epoch that are left."""
        epoch = self.position.epoch
        every = self.running.group(epoch)
        self.task.start_epoch(epoch, self.fabric.device)
        rows = shareable(self.task.batches(epoch))
        calendar = self.running.calendar(len(rows))
        rows = rows[: self.running.batches(epoch, len(rows))]
        if not len(rows):
            raise VprError(f"epoch {epoch + 1} of '{self.name}' has no batch: the training set is smaller than one")
        self.task.start_training()
        for fed in self.feed.batches(epoch, rows, self.position.batch):
            group = fed.number // every * every
            members = min(every, len(rows) - group)
            last = fed.number + 1 == group + members
            losses = self._backward(epoch, fed, members, last)
            if last:
                rate = self.stepper.step(self.position, calendar)
                self.position.batch = fed.number + 1
                self._after_step(losses, rate, request)
            self._pace(fed, len(rows))
        self.task.end_epoch()
        self.position.epoch, self.position.batch = epoch + 1, 0

    def _backward(self, epoch: int, fed: Fed, members: int, last: bool) -> Mapping[str, Tensor]:
        seed_everything(self.settings.seed, epoch, fed.number, self.fabric.global_rank)
        batch = self.fabric.to_device(fed.batch)
        with self.fabric.no_backward_sync(self.module, enabled=not last):
            losses: Mapping[str, Tensor] = self.module(batch)
            self.fabric.backward(losses["loss"] / members)
        losses = {name: value.detach() for name, value in losses.items()}
        finite = torch.isfinite(losses["loss"])
        self._finite = finite if self._finite is None else self._finite & finite
        return losses

    def _after_step(self, losses: Mapping[str, Tensor], rate: float, request: StopRequest) -> None:
        step, every = self.position.step, self.running.checkpoint_every
        logged = step % self.running.log_every == 0 or step == 1
        if logged:
            self._check_finite()
            self._shown = (float(losses["loss"]), rate)
            if self.logs is not None:
                values = {name: float(value) for name, value in losses.items()}
                skipped = {"skipped": self.position.skipped} if self.running.skip_nonfinite else {}
                self.logs.write(step, epoch=self.position.epoch, rate=rate, **values, **skipped)
        for record in self.task.take_records():
            if self.logs is not None:
                self.logs.write(step, epoch=self.position.epoch, **record)
        stop = self._agreed(request.asked) if self.fabric.world_size == 1 or logged else False
        if stop or (every and step % every == 0):
            self._save_state()
        if stop:
            raise KeyboardInterrupt

    def _close_epoch(self) -> None:
        """Write what the epoch came to, before anything else can fail."""
        self._check_finite()
        saves = self.position.epoch == self.settings.epochs or self.task.saves(self.position.epoch)
        if self.first and saves and self.position.epoch % self.running.last_every == 0:
            self._write(LAST)
        self._unwritten = not saves
        kept = self.running.keep_every
        if self.first and kept and (
            self.position.epoch % kept == 0 or self.position.epoch == self.settings.epochs
        ):  # fmt: skip
            self._write(kept_name(self.position.epoch))
        if saves:
            self._save_state()

    def _last_is_old(self) -> bool:
        """Whether the last weights were left out so far; a run that ended, but was killed before this, tells by its
        epoch alone.
        """
        left_out = self._unwritten or self.position.epoch % self.running.last_every != 0
        return left_out or not (self.folder.path / LAST).exists()

    def _validate_where_due(self) -> None:
        """Measure every validation set; keep the weights if they are among the best."""
        if self.monitor is None or not self.validator.due(self.position):
            return
        method = self._method()
        results = self.validator.measure(method, self.task.broken)
        value = float(self.fabric.broadcast(self.monitor.value(results) if self.first else 0.0))
        better = self.position.best is None or value > self.position.best
        if self.first:
            self._record(method, results, value, better)
        self.position.measured(value, self.settings.validation.min_delta)
        self._save_state()

    def _record(self, method: Method, results: Mapping[str, Result], value: float, better: bool) -> None:
        recalls = {name: {f"R@{k}": recall for k, recall in result.recalls.items()} for name, result in results.items()}
        self.keeper.offer(method, value, self.position.epoch, {**self._notes(), "recalls": recalls})
        if better:
            for name, result in results.items():
                result.save(self.folder.path / f"best-{name}.json", True)
        if self.logs is not None:
            flat = {f"{name}:{key}": recall for name, row in recalls.items() for key, recall in row.items()}
            self.logs.write(self.position.step, epoch=self.position.epoch, **flat)
        shown = "; ".join(
            f"{name} " + ", ".join(f"{k} {v:.1f}" for k, v in row.items()) for name, row in recalls.items()
        )
        mark = f" (best {self.monitor} so far)" if better else ""
        self.reporter.say(f"epoch {self.position.epoch}: {shown}{mark}")

    def _method(self) -> Method:
        precision = fabrics.precision_of(self.fabric, self.running)
        return self.task.method(self.fabric.device, precision, self.position.epoch)

    def _notes(self) -> dict[str, Any]:
        return {"recipe": self.name, "step": self.position.step, "settings": config.to_dict(self.settings)}

    def _write(self, name: str) -> None:
        notes = {**self._notes(), "epoch": self.position.epoch}
        self.task.write(self.folder.path / name, self._method, notes)

    def _save_state(self) -> None:
        self._check_finite()
        if not self.first:
            return
        parts = {
            "task": self.learning.state_dict(),
            "frozen": self.learning.frozen_sha256,
            "optimiser": self.stepper.optimiser.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "recipe": {"name": self.name, "settings": config.to_dict(self.settings)},
        }
        save_state(self.folder.state, self.position, parts)

    def _check_finite(self) -> None:
        """Looked at only now and then, because asking a GPU waits for it."""
        if self._finite is not None and not bool(self._finite) and not self.running.skip_nonfinite:
            before = f". The state before is in {self.folder.state}" if self.folder.state.exists() else ""
            raise VprError(
                f"the loss was not finite shortly before step {self.position.step}; lower optimiser.rate, lengthen the "
                f"warm-up, set running.clip, or use another precision{before}"
            )
        self._finite = None

    def _agreed(self, asked: bool) -> bool:
        """Whether any rank was asked to stop."""
        if self.fabric.world_size == 1:
            return asked
        flag = torch.tensor(float(asked), device=self.fabric.device)
        return bool(self.fabric.all_reduce(flag, reduce_op="sum") > 0)

    def _patience_is_over(self) -> bool:
        patience = self.settings.validation.patience
        if patience is None or self.position.stale < patience:
            return False
        self.reporter.say(
            f"stopped after epoch {self.position.epoch}: no better {self.monitor} in {patience} validations"
        )
        return True

    def _pace(self, fed: Fed, batches: int) -> None:
        if self.first:
            images, epochs = fed.images * self.fabric.world_size, self.settings.epochs
            epoch = min(self.position.epoch + 1, epochs)
            self.reporter.pace(Pace(epoch, epochs, fed.number + 1, batches, images, *self._shown))
