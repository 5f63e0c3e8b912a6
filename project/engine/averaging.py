"""Moving averages of weights: they are validated and saved, and predict better than the weights of a single step."""

import torch
from mmdet3d.registry import HOOKS, MODELS
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from torch import Tensor, nn


@MODELS.register_module()
class OccupancyMovingAverage(ExponentialMovingAverage):
    """mmengine's average, computed for all parameters at once, and over fewer steps at the start of training.

    Args:
        model, momentum, interval, device: as in mmengine; running statistics are the model's own.
    """

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the model's parameters into account."""
        ours, theirs = (list(each.parameters()) for each in (self.module, model))
        step = int(self.steps)
        if step % self.interval == 0:
            # The average covers a tenth of the steps so far: otherwise, at step 50, half of it would be random weights.
            torch._foreach_lerp_(ours, theirs, max(self.momentum, min(1.0, 10 / (step + 10))))
        _copy(list(self.module.buffers()), list(model.buffers()))
        self.steps += 1


def _copy(ours: list[Tensor], theirs: list[Tensor]) -> None:
    """Copy tensors, those of one type at a time: torch copies a mixture one by one, each in a kernel of its own."""
    pairs: dict[torch.dtype, list[tuple[Tensor, Tensor]]] = {}
    for pair in zip(ours, theirs, strict=True):
        pairs.setdefault(pair[0].dtype, []).append(pair)
    for same in pairs.values():
        torch._foreach_copy_(*map(list, zip(*same, strict=True)))


@HOOKS.register_module()
class OccupancyAverageHook(EMAHook):
    """mmengine's hook, with exact resuming; checkpoints that are only loaded are left to the runner.

    Args:
        momentum: how much the newest step counts.
    """

    def __init__(self, momentum: float = 0.001):
        super().__init__(ema_type='OccupancyMovingAverage', momentum=momentum)

    def after_load_checkpoint(self, runner, checkpoint: dict) -> None:
        """Continue the average of a checkpoint that training resumes from."""
        if runner._resume and 'ema_state_dict' in checkpoint:
            super().after_load_checkpoint(runner, checkpoint)

    def before_test_epoch(self, runner) -> None:
        """Test the weights that were loaded."""

    def after_test_epoch(self, runner, metrics: dict[str, float] | None = None) -> None:
        """Nothing was changed for the test."""
