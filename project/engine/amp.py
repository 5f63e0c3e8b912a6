"""Mixed precision in bfloat16."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmdet3d.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper


@OPTIM_WRAPPERS.register_module()
class OccupancyBfloat16OptimWrapper(OptimWrapper):
    """Runs the forward pass under bfloat16 autocast; weights, gradients and the optimiser stay float32.

    bfloat16 has the range of float32, so losses need no scaling. mmengine's ``AmpOptimWrapper`` scales them all the
    same, and refuses to run on a CPU.
    """

    _norm: torch.Tensor | None = None

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Context of the forward pass."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield

    def step(self, **kwargs) -> None:
        """Clip the gradients where that is wanted, update the parameters, and only then wait for the gradients' norm.

        (mmengine waits before the update, and the GPU is idle for that time.)
        """
        super().step(**kwargs)
        if self._norm is not None:
            self.message_hub.update_scalar(f'train/{self.grad_name}', float(self._norm))

    def _clip_grad(self) -> None:
        groups = self.optimizer.param_groups
        parameters = [each for group in groups for each in group['params'] if each.grad is not None]
        self._norm = self.clip_func(parameters, **self.clip_grad_kwargs) if parameters else None
