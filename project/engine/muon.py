"""Muon: an optimiser that trains in fewer steps, by making the momentum of each weight matrix orthogonal.

Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024). Steps are as long as those of Adam, after
Liu et al., Muon is scalable for LLM training (2025), so that learning rate and weight decay mean the same.
"""

import operator
from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmdet3d.registry import OPTIMIZERS
from torch import Tensor
from torch.optim.adamw import adamw

from project.engine.orthogonal import OrthogonalSteps, sides
from project.models.capture import Repeated

SMALLEST = 8
"""Rows and columns from which on a weight is taken for a matrix."""


@OPTIMIZERS.register_module()
class OccupancyMuon(torch.optim.Optimizer):
    """Muon for matrices, AdamW for all other parameters.

    The weight of a convolution is a matrix whose rows are its output channels. On a GPU updates become a CUDA graph,
    because they consist of hundreds of small products, which the host is slow to issue.

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
        self._updates: dict[int, _Update] = {}

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Train further parameters, on one kind of device."""
        super().add_param_group(param_group)
        # The name tells torch to leave counts of steps on the device when a checkpoint is loaded.
        group = self.param_groups[-1]
        group['fused'] = all(each.is_cuda for each in group['params'])

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over momenta, counts of steps and settings, from another kind of device as well."""
        groups = [dict(group) for group in state_dict['param_groups']]
        for theirs, ours in zip(groups, self.param_groups, strict=False):  # torch says what is wrong with the number
            theirs['fused'] = ours['fused']
        super().load_state_dict({**state_dict, 'param_groups': groups})

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._updates = {}  # they know where the state was

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have gradients; returns the loss of the closure, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for index, group in enumerate(self.param_groups):
            trained = [each for each in group['params'] if each.grad is not None]
            states = [self.state[each] for each in trained]
            update = self._updates.get(index)
            if update is None or not update.fits(trained, states):
                update = self._updates[index] = _Update(trained, states)
            update.step(group)
        return loss


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter is a matrix of more than a few rows and columns."""
    return parameter.dim() >= 2 and sides(parameter)[0] >= SMALLEST


class _Update:
    """Updates the parameters of a group.

    Args:
        parameters: those that have gradients.
        states: what is kept for each, which is filled where it is empty.
    """

    def __init__(self, parameters: list[Tensor], states: list[dict[str, Tensor]]):
        self._parameters, self._states, self._places = parameters, states, _places(parameters)
        self._matrices = [index for index, each in enumerate(parameters) if is_matrix(each)]
        self._others = [index for index, each in enumerate(parameters) if not is_matrix(each)]
        for index in self._matrices:
            if not states[index]:
                states[index].update(momentum=torch.zeros_like(parameters[index]))
        for index in self._others:
            if not states[index]:
                averages = {name: torch.zeros_like(parameters[index]) for name in ('exp_avg', 'exp_avg_sq')}
                states[index].update(step=torch.zeros((), device=parameters[index].device), **averages)
        self._steps = OrthogonalSteps([parameters[index] for index in self._matrices])
        self._repeated = Repeated()
        if parameters and parameters[0].is_cuda:  # a graph reads gradients and rate from the same places each time
            self._gradients = [torch.empty_like(each) for each in parameters]
            self._rate = torch.zeros((), device=parameters[0].device)

    def fits(self, parameters: list[Tensor], states: list[dict[str, Tensor]]) -> bool:
        """Whether these are its parameters, at the places in memory that its graph knows, and its states."""
        same = len(states) == len(self._states) and all(map(operator.is_, states, self._states))
        return same and self._places == _places(parameters)

    def step(self, group: dict[str, Any]) -> None:
        """Update the parameters, with the settings of their group."""
        gradients = [each.grad for each in self._parameters if each.grad is not None]
        if not gradients:
            return
        if not gradients[0].is_cuda:
            return self._change(gradients, group, group['lr'])
        torch._foreach_copy_(self._gradients, gradients)
        self._rate.fill_(group['lr'])
        settings = {name: value for name, value in group.items() if name not in ('params', 'lr')}
        self._repeated(lambda: self._change(self._gradients, group, self._rate), settings)

    def _change(self, gradients: list[Tensor], group: dict[str, Any], rate: float | Tensor) -> None:
        if self._matrices:
            self._change_matrices([gradients[index] for index in self._matrices], group, rate)
        if self._others:
            self._change_others([gradients[index] for index in self._others], group, rate)

    def _change_matrices(self, gradients: list[Tensor], group: dict[str, Any], rate: float | Tensor) -> None:
        means, momentum = [self._states[index]['momentum'] for index in self._matrices], group['momentum']
        torch._foreach_lerp_(means, gradients, 1 - momentum)
        directions = torch._foreach_lerp(gradients, means, momentum)
        torch._foreach_mul_([self._parameters[index] for index in self._matrices], 1 - rate * group['weight_decay'])
        self._steps.take(directions, rate, group['iterations'])

    def _change_others(self, gradients: list[Tensor], group: dict[str, Any], rate: float | Tensor) -> None:
        averages, squares, steps = (
            [self._states[index][name] for index in self._others] for name in ('exp_avg', 'exp_avg_sq', 'step')
        )
        (beta1, beta2), parameters = group['betas'], [self._parameters[index] for index in self._others]
        adamw(
            parameters, gradients, averages, squares, [], steps, fused=gradients[0].is_cuda, amsgrad=False,
            beta1=beta1, beta2=beta2, lr=group['vector_lr'] * rate, weight_decay=group['weight_decay'],
            eps=group['eps'], maximize=False,
        )  # fmt: skip


def _places(parameters: list[Tensor]) -> list[int]:
    return [each.data_ptr() for each in parameters]
