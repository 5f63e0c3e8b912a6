"""Muon: an optimiser that trains in fewer steps, by making the momentum of each weight matrix orthogonal.

Jordan et al., Muon: an optimizer for hidden layers in neural networks (2024). Steps are as long as those of Adam, after
Liu et al., Muon is scalable for LLM training (2025), so that learning rate and weight decay mean the same.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmdet3d.registry import OPTIMIZERS
from torch import Tensor
from torch.optim.adamw import adamw

from project.engine.orthogonal import OrthogonalSteps
from project.models.capture import Repeated

SMALLEST = 8
"""Rows and columns from which on a weight is taken for a matrix."""


@OPTIMIZERS.register_module()
class OccupancyMuon(torch.optim.Optimizer):
    """Muon for matrices, AdamW for all other parameters.

    The weight of a convolution is a matrix whose rows are its output channels. On a GPU an update is a CUDA graph,
    because it consists of hundreds of small products, which the host is slow to issue.

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
        self._updates: dict[int, _Update] = {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over momenta, counts of steps and settings."""
        super().load_state_dict(state_dict)
        self._updates.clear()  # they know where the state was

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters that have gradients; returns the loss of the closure, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for index, group in enumerate(self.param_groups):
            trained = [each for each in group['params'] if each.grad is not None]
            settings = {name: value for name, value in group.items() if name not in ('params', 'lr')}
            update = self._updates.get(index)
            if update is None or not update.fits(trained, settings):
                update = self._updates[index] = _Update(trained, [self.state[each] for each in trained], settings)
            update.step(group['lr'])
        return loss


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter is a matrix of more than a few rows and columns."""
    return parameter.dim() >= 2 and min(len(parameter), parameter.numel() // len(parameter)) >= SMALLEST


class _Update:
    """Updates the parameters of a group.

    Args:
        parameters: those that have gradients.
        states: what is kept for each, which is filled where it is empty.
        settings: of the group, without its rate.
    """

    def __init__(self, parameters: list[Tensor], states: list[dict[str, Tensor]], settings: dict[str, Any]):
        self._parameters, self._settings, self._places = parameters, settings, _places(parameters)
        # A graph reads gradients and rate from the same places each time.
        self._gradients = [torch.empty_like(each) for each in parameters]
        triples = list(zip(parameters, self._gradients, states, strict=True))
        self._matrices = [triple for triple in triples if is_matrix(triple[0])]
        self._others = [triple for triple in triples if not is_matrix(triple[0])]
        self._steps = OrthogonalSteps([parameter for parameter, _, _ in self._matrices], settings['iterations'])
        for parameter, _, state in self._matrices:
            if not state:
                state.update(momentum=torch.zeros_like(parameter))
        for parameter, _, state in self._others:
            if not state:
                state.update(step=torch.zeros((), device=parameter.device))
                state.update(exp_avg=torch.zeros_like(parameter), exp_avg_sq=torch.zeros_like(parameter))
        self._rate = torch.zeros((), device=parameters[0].device) if parameters else torch.zeros(())
        self._change_by_rate = Repeated(lambda: self._change(self._rate))

    def fits(self, parameters: list[Tensor], settings: dict[str, Any]) -> bool:
        """Whether these are its parameters, at the places in memory that its graph knows, and its settings."""
        return self._settings == settings and self._places == _places(parameters)

    def step(self, rate: float) -> None:
        """Update the parameters."""
        if not self._parameters:
            return
        torch._foreach_copy_(self._gradients, [each.grad for each in self._parameters if each.grad is not None])
        if not self._rate.is_cuda:
            return self._change(rate)
        self._rate.fill_(rate)
        self._change_by_rate()

    def _change(self, rate: float | Tensor) -> None:
        if self._matrices:
            self._change_matrices(rate)
        if self._others:
            self._change_others(rate)

    def _change_matrices(self, rate: float | Tensor) -> None:
        matrices, gradients, states = zip(*self._matrices, strict=True)
        means, momentum = [state['momentum'] for state in states], self._settings['momentum']
        torch._foreach_lerp_(means, gradients, 1 - momentum)
        directions = torch._foreach_lerp(gradients, means, momentum)
        torch._foreach_mul_(matrices, 1 - rate * self._settings['weight_decay'])
        self._steps.take(directions, rate)

    def _change_others(self, rate: float | Tensor) -> None:
        parameters, gradients, states = (list(each) for each in zip(*self._others, strict=True))
        averages, squares, steps = ([state[name] for state in states] for name in ('exp_avg', 'exp_avg_sq', 'step'))
        of, (beta1, beta2) = self._settings, self._settings['betas']
        adamw(
            parameters, gradients, averages, squares, [], steps, fused=of['fused'], amsgrad=False, beta1=beta1,
            beta2=beta2, lr=of['vector_lr'] * rate, weight_decay=of['weight_decay'], eps=of['eps'], maximize=False,
        )  # fmt: skip


def _places(parameters: list[Tensor]) -> list[int]:
    return [each.data_ptr() for each in parameters]
