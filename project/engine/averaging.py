"""Moving averages of weights: they are validated and saved, and predict better than the weights of a single step."""

import torch
from mmdet3d.registry import HOOKS, MODELS
from mmengine.hooks import EMAHook
from mmengine.model import ExponentialMovingAverage
from torch import Tensor, nn

_Places = list[tuple[dict[str, Tensor], dict[str, Tensor], str]]


@MODELS.register_module()
class OccupancyMovingAverage(ExponentialMovingAverage):
    """mmengine's average, computed for all parameters at once, and over fewer steps at the start of training.

    Args:
        model, momentum, interval, device: as in mmengine; running statistics are the model's own. After the first
            update the model must keep its modules and the names of their tensors, which are looked up once.
    """

    _with: tuple[nn.Module, _Places, _Places] | None = None

    @torch.no_grad()
    def update_parameters(self, model: nn.Module) -> None:
        """Take the model's parameters into account."""
        if self._with is None or self._with[0] is not model:
            # Looked up once: torch needs milliseconds to walk through all modules. A tuple, since torch would take a
            # model itself for a part of this one.
            self._with = model, _places(self.module, model, '_parameters'), _places(self.module, model, '_buffers')
        _, parameters, buffers = self._with
        step = int(self.steps)
        if step % self.interval == 0:
            ours, theirs = zip(*_tensors(parameters), strict=True)
            # The average covers a tenth of the steps so far: otherwise, at step 50, half of it would be random weights.
            torch._foreach_lerp_(ours, theirs, max(self.momentum, min(1.0, 10 / (step + 10))))
        _copy(_tensors(buffers))
        self.steps += 1


def _places(ours: nn.Module, theirs: nn.Module, kind: str) -> _Places:
    """Where each tensor of two equal models is: in which dictionaries of their modules, and under which name."""
    found: dict[int, tuple[dict[str, Tensor], dict[str, Tensor], str]] = {}
    for our, their in zip(ours.modules(), theirs.modules(), strict=True):
        for name, tensor in getattr(their, kind).items():
            if tensor is not None:
                found.setdefault(id(tensor), (getattr(our, kind), getattr(their, kind), name))  # shared ones once
    return list(found.values())


def _tensors(places: _Places) -> list[tuple[Tensor, Tensor]]:
    return [(ours[name], theirs[name]) for ours, theirs, name in places]


def _copy(pairs: list[tuple[Tensor, Tensor]]) -> None:
    """Copy the second of each pair to the first, those of one type at a time: torch copies a mixture one by one, each
    in a kernel of its own."""
    types: dict[torch.dtype, list[tuple[Tensor, Tensor]]] = {}
    for pair in pairs:
        types.setdefault(pair[0].dtype, []).append(pair)
    for same in types.values():
        torch._foreach_copy_(*zip(*same, strict=True))


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
