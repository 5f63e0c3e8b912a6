"""The maxima of 3x3 pixels at every second one, as a ResNet begins with.

``torch`` below is the plain reference that defines the result.
"""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from project.models.ops.operator import Backend, Operator, runs_anywhere, triton_obstacle


def max_pool(x: Tensor, backend: str | None = None) -> Tensor:
    """Maxima of pixels and their neighbours; the gradient goes to the first of equal ones.

    Args:
        x: (N, C, H, W).
        backend: name of a backend; by default ``OCCUPANCY_MAX_POOL`` or the first that can run.

    Returns:
        (N, C, (H + 1) // 2, (W + 1) // 2), dtype of `x`.
    """
    return MAX_POOL.choose(x.device.type, backend).compute(x)


def _torch(x: Tensor) -> Tensor:
    return max_pool2d(x, 3, stride=2, padding=1)


def _triton(x: Tensor) -> Tensor:
    if x.dtype == torch.float64:  # its kernels compare in float32
        return _torch(x)
    from project.models.ops import triton_pool

    trained = torch.is_grad_enabled() and x.requires_grad
    return triton_pool.TrainedMaxPool.apply(x) if trained else triton_pool.max_pool(x)


MAX_POOL = Operator('max_pool', [Backend('triton', _triton, triton_obstacle), Backend('torch', _torch, runs_anywhere)])
