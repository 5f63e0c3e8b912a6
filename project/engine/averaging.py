"""Moving averages of weights: they are what is validated and kept, and predict better than those of any one step."""

import torch
from mmdet3d.registry import HOOKS, MODELS
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from torch import Tensor, nn


@MODELS.register_module()
class OccupancyMovingAverage(ExponentialMovingAverage):
    """mmengine's average, over all parameters in one go, and over few steps while there have been few.

    Args:
        model, momentum, interval, device: as in mmengine; running statistics are the model's own.
    """

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the model's parameters into account."""
        ours, theirs = (list(each.parameters()) for each in (self.module, model))
        step = int(self.steps)
        if step % self.interval == 0:
            # A tenth of the steps so far counts: what is averaged over 100 is not half of random weights at step 50.
            torch._foreach_lerp_(ours, theirs, max(self.momentum, min(1.0, 10 / (step + 10))))
        _copy(list(self.module.buffers()), list(model.buffers()))
        self.steps += 1


def _copy(ours: list[Tensor], theirs: list[Tensor]) -> None:
    if ours:
        torch._foreach_copy_(ours, theirs)


@HOOKS.register_module()
class OccupancyAverageHook(EMAHook):
    """mmengine's hook, which resumes exactly, and leaves checkpoints that are only loaded to the runner.

    Args:
        momentum: how much the newest step counts.
    """

    def __init__(self, momentum: float = 0.001):
        super().__init__(ema_type='OccupancyMovingAverage', momentum=momentum)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Go on with the average of a checkpoint that training resumes from."""
        if runner._resume and 'ema_state_dict' in checkpoint:
            super().after_load_checkpoint(runner, checkpoint)

    def before_test_epoch(self, runner) -> None:
        """Test the weights that were loaded."""

    def after_test_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Nothing was changed for the test."""
