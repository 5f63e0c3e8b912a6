"""Batch norm, residual and ReLU after a convolution of a ResNet, in one pass if the norm is frozen.

In a frozen norm, mean, variance, factor and offset of each channel are given and not learned; detectors usually keep
the norms of their backbone so. ``torch`` in ``trained_norm`` is the plain reference that defines the result, and that
module has the operator of norms that are being trained.
"""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from project.models.ops.operator import Backend, Operator, runs_anywhere, triton_obstacle
from project.models.ops.trained_norm import TRAINED_NORM, torch_norm, trains


def normalise(
    x: Tensor, norm: nn.Module, residual: Tensor | None = None, activate: bool = True, backend: str | None = None
) -> Tensor:
    """Normalise, add, and clamp at zero.

    Args:
        x: (N, C, H, W).
        norm: usually a ``BatchNorm2d``.
        residual: (N, C, H, W), added after the norm.
        activate: whether a ReLU follows.
        backend: name of a backend; by default that of ``OCCUPANCY_FROZEN_NORM`` or ``OCCUPANCY_TRAINED_NORM``, or the
            first that can run. Norms that are neither frozen nor trained by the batch's statistics are torch's.

    Returns:
        (N, C, H, W), dtype of `x`.
    """
    if trains(norm):
        return TRAINED_NORM.choose(x.device.type, backend).compute(x, norm, residual, activate)
    if backend is None and not is_frozen(norm):
        backend = 'torch'
    return FROZEN_NORM.choose(x.device.type, backend).compute(x, norm, residual, activate)


def is_frozen(norm: nn.Module) -> bool:
    """Whether a layer is a batch norm that computes and learns nothing."""
    if not isinstance(norm, _BatchNorm) or norm.training or norm.running_mean is None or norm.weight is None:
        return False
    return not (norm.weight.requires_grad and torch.is_grad_enabled())


def _triton(x: Tensor, norm: _BatchNorm, residual: Tensor | None, activate: bool) -> Tensor:
    from project.models.ops.triton_norm import triton_frozen_norm

    return triton_frozen_norm(x, norm, residual, activate)


FROZEN_NORM = Operator(
    'frozen_norm', [Backend('triton', _triton, triton_obstacle), Backend('torch', torch_norm, runs_anywhere)]
)
