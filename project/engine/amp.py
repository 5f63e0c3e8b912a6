"""Mixed precision in bfloat16."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from mmdet3d.registry import OPTIM_WRAPPERS
from mmengine.optim import OptimWrapper
from torch import Tensor

from project.models.capture import Repeated
from project.models.graphs import side_stream


@OPTIM_WRAPPERS.register_module()
class OccupancyBfloat16OptimWrapper(OptimWrapper):
    """Runs the forward pass under bfloat16 autocast; weights, gradients and the optimiser stay float32.

    bfloat16 has the range of float32, so losses need no scaling. mmengine's ``AmpOptimWrapper`` scales them all the
    same, and refuses to run on a CPU.
    """

    is_read: bool = False
    """Whether the loop calls :meth:`read` after each iteration; otherwise a step logs its norm, and waits for it."""

    _norm: Tensor | None = None
    _clipped: torch.cuda.Event | None = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._repeated = Repeated()

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Context of the forward pass."""
        device = next(model.parameters()).device.type
        with super().optim_context(model), torch.autocast(device, torch.bfloat16):
            yield

    def read(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The figures of the iteration that was just computed, on the CPU: its losses, and the norm of its gradients
        where they were clipped.

        On a GPU where gradients are clipped, the host waits for these only. So it has the time in which the weights are
        updated to write figures down and to begin the next iteration. (mmengine reads the norm before the update, and
        the GPU is idle for all that time.)

        Args:
            losses: () tensors by name, on the device of the model, computed before its gradients were.
        """
        norm, clipped = self._norm, self._clipped
        self._norm = self._clipped = None
        figures = {**({} if norm is None else {self.grad_name: norm}), **losses}
        if clipped is None:
            return {name: figure.detach().cpu() for name, figure in figures.items()}
        with torch.cuda.stream(side_stream(torch.cuda.current_device())):
            clipped.wait()
            values = torch.stack([figure.detach().float() for figure in figures.values()]).cpu()
        return dict(zip(figures, values, strict=True))

    def step(self, **kwargs) -> None:
        """Clip the gradients where that is wanted, and update the parameters."""
        super().step(**kwargs)
        if not self.is_read:
            for name, norm in self.read({}).items():
                self.message_hub.update_scalar(f'train/{name}', norm)

    def _clip_grad(self) -> None:
        groups = self.optimizer.param_groups
        parameters = [each for group in groups for each in group['params'] if each.grad is not None]
        self._norm = self._clip(parameters) if parameters else None
        if self._norm is not None and self._norm.is_cuda:
            self._clipped = torch.cuda.current_stream().record_event()

    def _clip(self, parameters: list[Tensor]) -> Tensor | None:
        """Clip gradients: by a graph, where they come from the graph of a model, which leaves them at one place."""
        options = self.clip_grad_kwargs
        if not parameters[0].is_cuda or options.get('error_if_nonfinite'):
            return self.clip_func(parameters, **options)
        places = [(each.grad.data_ptr(), each.shape) for each in parameters if each.grad is not None]
        return self._repeated(lambda: self.clip_func(parameters, **options), (places, dict(options)))
