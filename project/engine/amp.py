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

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Context of the forward pass."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield
