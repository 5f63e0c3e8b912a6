"""Muon: an optimiser that trains in fewer steps, by making the momentum of each weight matrix orthogonal.

Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024). Steps are as long as those of Adam, after
Liu et al., Muon is scalable for LLM training (2025), so that learning rate and weight decay mean the same.
"""

import math
import os
from collections.abc import Callable, Iterable
from typing import Any, cast

import torch
from mmdet3d.registry import OPTIMIZERS
from torch import Tensor
from torch.optim.adamw import adamw

from project.models.capture import recording
from project.models.graphs import VARIABLE

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the polynomial a x + b x^3 + c x^5 that brings singular values between 0 and 1 near 1 in few iterations."""

SMALLEST = 8
"""Rows and columns from which on a weight is taken for a matrix."""

ADAM_LENGTH = 0.2
"""Root mean square of what a step of Adam usually changes weights by, in learning rates."""


@OPTIMIZERS.register_module()
class OccupancyMuon(torch.optim.Optimizer):
    """Muon for matrices, AdamW for all other parameters.

    The weight of a convolution is a matrix whose rows are its output channels. On a GPU the update of the matrices is a
    CUDA graph, because it consists of hundreds of small products, which the host is slow to issue.

    Args:
        params: parameters or groups of them.
        lr: learning rate of the matrices.
        weight_decay: of matrices and of the others.
        momentum: how much of the mean of gradients a step keeps.
        iterations: of the polynomial.
        vector_lr: learning rate of all other parameters, as a share of `lr`.
        betas, eps: of AdamW.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 4e-3,
        weight_decay: float = 0.01,
        momentum: float = 0.95,
        iterations: int = 5,
        vector_lr: float = 0.25,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
    ):
        defaults = dict(lr=lr, weight_decay=weight_decay, momentum=momentum, iterations=iterations)
        super().__init__(params, {**defaults, 'vector_lr': vector_lr, 'betas': betas, 'eps': eps})
        # The name tells torch to leave counts of steps on the device when a checkpoint is loaded.
        for group in self.param_groups:
            group['fused'] = all(each.is_cuda for each in group['params'])
        self._updates: dict[int, _MatrixUpdate] = {}

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have gradients; returns the loss of the closure, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for index, group in enumerate(self.param_groups):
            trained = [each for each in group['params'] if each.grad is not None]
            self._step_matrices(index, group, [each for each in trained if is_matrix(each)])
            self._step_others(group, [each for each in trained if not is_matrix(each)])
        return loss

    def _step_matrices(self, index: int, group: dict[str, Any], matrices: list[Tensor]) -> None:
        if not matrices:
            return
        for each in matrices:
            if 'momentum' not in self.state[each]:
                self.state[each]['momentum'] = torch.zeros_like(each)
        means = [self.state[each]['momentum'] for each in matrices]
        gradients = _gradients(matrices)
        torch._foreach_lerp_(means, gradients, 1 - group['momentum'])
        update = self._updates.get(index)
        if update is None or not update.fits(matrices):
            update = self._updates[index] = _MatrixUpdate(matrices, group['iterations'])
        torch._foreach_copy_(update.directions, torch._foreach_lerp(gradients, means, group['momentum']))
        update.step(group['lr'], group['weight_decay'])

    def _step_others(self, group: dict[str, Any], others: list[Tensor]) -> None:
        if not others:
            return
        for each in others:
            if not self.state[each]:
                self.state[each].update(step=torch.zeros((), device=each.device))
                self.state[each].update(exp_avg=torch.zeros_like(each), exp_avg_sq=torch.zeros_like(each))
        averages, squares, steps = (
            [self.state[each][name] for each in others] for name in ('exp_avg', 'exp_avg_sq', 'step')
        )
        (beta1, beta2), lr = group['betas'], group['vector_lr'] * group['lr']
        adamw(
            others, _gradients(others), averages, squares, [], steps, fused=group['fused'], amsgrad=False,
            beta1=beta1, beta2=beta2, lr=lr, weight_decay=group['weight_decay'], eps=group['eps'], maximize=False,
        )  # fmt: skip


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [each.grad for each in parameters if each.grad is not None]


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter is a matrix of more than a few rows and columns."""
    return parameter.dim() >= 2 and min(len(parameter), parameter.numel() // len(parameter)) >= SMALLEST


def orthogonal(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Roughly the nearest matrices with orthonormal rows: singular values become 0.7 to 1.2.

    Args:
        matrices: (M, r, c) with r <= c.
        iterations: of the polynomial.

    Returns:
        (M, r, c), dtype of `matrices`.
    """
    a, b, c = COEFFICIENTS
    x = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(iterations):
        products = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(products, products, products, beta=b, alpha=c), x, beta=a)
    return x


class _MatrixUpdate:
    """Updates matrices by the orthogonal form of ``directions``, which the caller fills.

    Args:
        matrices: the parameters, which stay where they are.
        iterations: of the polynomial.
    """

    def __init__(self, matrices: list[Tensor], iterations: int):
        self.matrices, self.iterations = matrices, iterations
        self.directions = [torch.empty_like(each, memory_format=torch.contiguous_format) for each in matrices]
        self._places = [each.data_ptr() for each in matrices]
        # The graph reads the rate, and the share of the weights that the decay leaves, from the device.
        self._rate, self._kept = (torch.zeros((), device=matrices[0].device) for _ in range(2))
        self._steps, self._graph = 0, cast('torch.cuda.CUDAGraph | None', None)
        # Matrices of one size are updated together.
        self._sizes: dict[tuple[int, int], list[int]] = {}
        for index, each in enumerate(matrices):
            self._sizes.setdefault((len(each), each.numel() // len(each)), []).append(index)

    def fits(self, matrices: list[Tensor]) -> bool:
        """Whether these are its matrices, at the places in memory that its graph knows."""
        return self._places == [each.data_ptr() for each in matrices]

    def step(self, rate: float, weight_decay: float) -> None:
        """Update the matrices."""
        self._rate.fill_(rate)
        self._kept.fill_(1 - rate * weight_decay)
        self._steps += 1
        if not self._rate.is_cuda or os.environ.get(VARIABLE) == '0':
            return self._change()
        if self._graph is None and self._steps > 2:  # libraries allocate in the first ones
            torch.cuda.synchronize()
            with recording() as self._graph:
                self._change()
        return self._change() if self._graph is None else self._graph.replay()

    def _change(self) -> None:
        torch._foreach_mul_(self.matrices, self._kept)
        for (rows, columns), indices in self._sizes.items():
            stacked = torch.stack([self.directions[index].reshape(rows, columns) for index in indices])
            stacked = stacked.mT if rows > columns else stacked
            dtype = torch.bfloat16 if stacked.is_cuda else stacked.dtype
            changes = orthogonal(stacked.to(dtype), self.iterations).to(stacked.dtype)
            changes = changes * (self._rate * (ADAM_LENGTH * math.sqrt(max(rows, columns))))
            changes = changes.mT if rows > columns else changes
            for index, change in zip(indices, changes, strict=True):
                self.matrices[index].sub_(change.reshape(self.matrices[index].shape))
