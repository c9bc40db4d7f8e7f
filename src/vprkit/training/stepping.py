"""One optimiser step after another: rate and weight decay of the step, clipping, steps that are not finite."""

from typing import Any

import torch

from vprkit.errors import VprError
from vprkit.training import fabric as fabrics
from vprkit.training.schedules import Calendar
from vprkit.training.settings import TrainingConfig
from vprkit.training.state import Position
from vprkit.training.task import Task


class Stepper:
    """The optimiser of a task and what happens to it at every step.

    Args:
        settings: of the recipe.
        task: whose parameters learn.

    Raises:
        ConfigError: nothing learns.
    """

    def __init__(self, settings: TrainingConfig, task: Task) -> None:
        self.settings, self.task = settings, task
        self.schedule = settings.schedule.over(settings.epochs)
        self.groups = [group for group in task.parameter_groups() if group.parameters]
        self.optimiser: Any = fabrics.make_optimiser(settings.optimiser, self.groups)

    def set_up(self, fabric: Any) -> Any:
        """Bring task and optimiser to their device; returns the task as data parallelism wraps it."""
        self.fabric = fabric
        self.module, self.optimiser = fabric.setup(self.task, self.optimiser)
        return self.module

    def step(self, position: Position, calendar: Calendar) -> float:
        """One step from the gradients that are there, which moves `position` on.

        Returns:
            The learning rate of the first group.

        Raises:
            VprError: too many gradients in a row were not finite.
        """
        self._set_rates(position, calendar)
        clip = self.settings.running.clip
        if clip is not None:
            self.fabric.clip_gradients(self.module, self.optimiser, max_norm=clip, error_if_nonfinite=False)
        # A loss scaler leaves such steps out itself, and has to see them to lower its scale.
        if self._finite(position) or self.fabric.strategy.precision.state_dict():
            self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        position.step += 1
        return float(self.optimiser.param_groups[0]["lr"])

    def _set_rates(self, position: Position, calendar: Calendar) -> None:
        optimiser = self.settings.optimiser
        own = self.task.rate(position.epoch, optimiser.rate)
        rate = self.schedule.rate(position.step, optimiser.rate, calendar) if own is None else own
        decay = optimiser.weight_decay
        if optimiser.weight_decay_end is not None:
            decay = self.schedule.weight_decay(position.step, decay, optimiser.weight_decay_end, calendar)
        for group, settings in zip(self.optimiser.param_groups, self.groups, strict=True):
            group["lr"] = rate * settings.rate
            group["weight_decay"] = decay if settings.weight_decay is None else settings.weight_decay

    def _finite(self, position: Position) -> bool:
        """Whether this step counts; asked only where such steps are left out, because asking a GPU waits for it."""
        limit = self.settings.running.skip_nonfinite
        if not limit or bool(torch.isfinite(torch.nn.utils.get_total_norm(self._gradients()))):
            position.skipped_now = 0
            return True
        position.skipped, position.skipped_now = position.skipped + 1, position.skipped_now + 1
        if position.skipped_now > limit:
            raise VprError(
                f"gradients were not finite in {position.skipped_now} steps in a row, the last one step "
                f"{position.step + 1}; lower optimiser.rate, set running.clip, or use another precision"
            )
        return False

    def _gradients(self) -> list[torch.Tensor]:
        parameters = (parameter for group in self.groups for parameter in group.parameters)
        return [parameter.grad for parameter in parameters if parameter.grad is not None]
