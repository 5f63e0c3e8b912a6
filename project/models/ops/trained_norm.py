"""Batch norm by the batch's own statistics, a residual, and ReLU, in few passes over memory.

``torch`` below is the plain reference that defines the result.
"""

from torch import Tensor, nn

from project.models.ops.operator import Backend, Operator, runs_anywhere, triton_obstacle


def trains(norm: nn.Module) -> bool:
    """Whether a layer is a batch norm in training, of one device, with all that batch norms usually have."""
    # Subclasses may do anything else: one of them gathers its statistics from all devices.
    if type(norm) is not nn.BatchNorm2d or not norm.training:
        return False
    return norm.affine and norm.track_running_stats and norm.momentum is not None


def torch_norm(x: Tensor, norm: nn.Module, residual: Tensor | None, activate: bool) -> Tensor:
    """Any norm, by torch; arguments as of ``normalise``."""
    out = norm(x)
    if residual is not None:
        out = out + residual
    return out.relu() if activate else out


def _triton(x: Tensor, norm: nn.BatchNorm2d, residual: Tensor | None, activate: bool) -> Tensor:
    if residual is not None and residual.dtype != x.dtype:
        return torch_norm(x, norm, residual, activate)
    from project.models.ops.triton_trained_norm import triton_trained_norm

    return triton_trained_norm(x, norm, residual, activate)


TRAINED_NORM = Operator(
    'trained_norm', [Backend('triton', _triton, triton_obstacle), Backend('torch', torch_norm, runs_anywhere)]
)
