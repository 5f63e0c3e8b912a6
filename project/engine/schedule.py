"""Schedules of the learning rate: the baseline's, for comparisons, and how any schedule continues in a resumed run.

The schedule of this project needs no code of its own: mmengine's ``LinearLR`` and ``CosineAnnealingLR``.
"""

import math
import warnings
from collections.abc import Sequence

from mmdet3d.registry import PARAM_SCHEDULERS
from mmengine.optim.scheduler.lr_scheduler import LRSchedulerMixin
from mmengine.optim.scheduler.param_scheduler import _ParamScheduler


@PARAM_SCHEDULERS.register_module()
class OccupancyBaselineLR(LRSchedulerMixin, _ParamScheduler):
    """Linear warm-up, then a cosine over all of training, like the baseline.

    It lags by one step, and its start and its floor are the same for all groups: the backbone, with a tenth of the
    others' rate, starts at half of its peak and ends at a twentieth of it.

    Args:
        optimizer: the optimiser.
        warmup: iterations of the warm-up.
        start: rate of the first iteration.
        floor: rate that the cosine ends at.
        kwargs: of every schedule by iterations; ``end`` is the length of training, which the runner fills in.
    """

    def __init__(self, optimizer, warmup: int, start: float = 1e-5, floor: float = 1e-6, **kwargs):
        self.warmup, self.start, self.floor = warmup, start, floor
        super().__init__(optimizer, **kwargs)
        if self.by_epoch:
            raise ValueError('OccupancyBaselineLR counts iterations: set by_epoch=False')

    def _get_value(self) -> list[float]:
        step = max(self.last_step - 1, 0)
        return [self._rate(step, base) for base in self.base_values]

    def _rate(self, step: int, base: float) -> float:
        if step < self.warmup:
            return self.start + step * (base - self.start) / self.warmup
        return self.floor + (base - self.floor) * (1 + math.cos(math.pi * step / self.end)) / 2


def replay(schedulers: Sequence[_ParamScheduler], iterations: int, epoch_length: int) -> None:
    """Advance new schedulers by a number of iterations.

    They reproduce their earlier rates to the last bit. Saved states would restore the length and the rate of the
    earlier schedule: a longer run would stay at the floor at which the shorter one ended.

    Raises:
        ValueError: one depends on more than the place.
    """
    if any(getattr(scheduler, 'need_val_args', False) for scheduler in schedulers):
        raise ValueError('schedules that follow scores of validation cannot be resumed')
    with warnings.catch_warnings(action='ignore'):  # that no step of the optimiser is among them
        for iteration in range(1, iterations + 1):
            for scheduler in schedulers:
                if not scheduler.by_epoch or iteration % epoch_length == 0:
                    scheduler.step()
