"""The maxima of 3x3 pixels at every second one, as a ResNet begins with."""

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from project.models.ops.operator import triton_obstacle


def max_pool(x: Tensor) -> Tensor:
    """``max_pool2d(x, 3, stride=2, padding=1)``; in Triton where it can run, then channels last.

    Args:
        x: (N, C, H, W).

    Returns:
        (N, C, (H + 1) // 2, (W + 1) // 2), dtype of `x`.
    """
    if triton_obstacle(x.device.type) or x.dtype == torch.float64:
        return max_pool2d(x, 3, 2, 1)
    from project.models.ops import triton_pool

    trained = torch.is_grad_enabled() and x.requires_grad
    return triton_pool.TrainedMaxPool.apply(x) if trained else triton_pool.max_pool(x)
