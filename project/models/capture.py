"""Captures a part of a model as a CUDA graph, for predictions or with its backward pass."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

VARIABLE = 'OCCUPANCY_CUDA_GRAPHS'
"""Environment variable: 0 runs everything without graphs."""

WARM_UP = 3
"""Number of passes before a capture: cuDNN tries its kernels, Triton compiles, libraries allocate."""


class Part(nn.Module):
    """A method of a model, with the model's parameters and further arguments of the method."""

    def __init__(self, model: nn.Module, compute: Callable[..., Any], options: dict[str, Any]):
        super().__init__()
        self.model, self.compute, self.options = model, compute, options

    def forward(self, *tensors: Tensor) -> Any:
        return self.compute(*tensors, **self.options)

    def aliased(self, inputs: tuple[Tensor, ...]) -> tuple[list[nn.Parameter], list[Tensor], Callable[[], Any]]:
        """The trained parameters, other leaf tensors that share their memory, and the method as a function of the
        latter.

        The parameters themselves may belong to nodes of the default stream, which a capture must not use: through casts
        that autocast caches, and in distributed training.
        """
        leaves = {name: each.detach().requires_grad_(each.requires_grad) for name, each in self.named_parameters()}
        trained = [name for name, leaf in leaves.items() if leaf.requires_grad]
        return (
            [self.get_parameter(name) for name in trained],
            [leaves[name] for name in trained],
            lambda: functional_call(self, leaves, inputs),
        )


class Repeated:
    """Does the same work on a GPU again and again, from the third time on as a CUDA graph."""

    def __init__(self):
        self._key: Any = None
        self._times = 0
        self._replay: Callable[[], Any] | None = None

    def __call__(self, work: Callable[[], Any], key: Any) -> Any:
        """What the work returns, which the next call overwrites.

        Args:
            work: waits for nothing, and reads and writes the same places as long as the key is the same.
            key: another one makes it forget the graph.
        """
        if key != self._key:
            self._key, self._times, self._replay = key, 0, None
        self._times += 1
        if os.environ.get(VARIABLE) == '0':
            return work()
        if self._replay is None and self._times > 2:  # libraries allocate in the first ones
            self._replay = _recorded(work)
        return work() if self._replay is None else self._replay()


def capture_inference(part: Part, inputs: tuple[Tensor, ...]) -> Callable[[], Any]:
    """A function that replays ``part(*inputs)`` with the current content of the inputs; it returns the same memory each
    time."""
    _warm_up(lambda: part(*inputs))
    return _recorded(lambda: part(*inputs))


def capture_training(part: Part, inputs: tuple[Tensor, ...]) -> Callable[[], dict[str, Tensor]]:
    """A function that replays a part that returns a dictionary of losses; their backward pass is a second graph."""
    parameters, leaves, compute = part.aliased(inputs)

    def differentiate(losses: dict[str, Tensor], factors: list[Tensor]) -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(list(losses.values()), leaves, factors, allow_unused=True)

    def both() -> list[Tensor]:
        losses = compute()
        factors = [torch.ones_like(loss) for loss in losses.values()]
        differentiate(losses, factors)
        return factors

    factors = _warm_up(both)
    with recording() as forward:
        losses = compute()
    with recording(forward.pool()) as backward:
        gradients = [
            gradient if gradient is None else _laid_out_as(parameter, gradient)
            for parameter, gradient in zip(parameters, differentiate(losses, factors), strict=True)
        ]
    used = [parameter for parameter, gradient in zip(parameters, gradients, strict=True) if gradient is not None]
    given = [gradient for gradient in gradients if gradient is not None]
    losses = {name: loss.detach() for name, loss in losses.items()}

    class Replay(torch.autograd.Function):
        """The two graphs, as a function of the parameters."""

        @staticmethod
        def forward(ctx, *parameters: Tensor) -> tuple[Tensor, ...]:
            forward.replay()
            return tuple(loss.detach() for loss in losses.values())

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, *incoming: Tensor) -> tuple[Tensor, ...]:
            for factor, value in zip(factors, incoming, strict=True):
                factor.copy_(value)
            backward.replay()
            return tuple(gradient.detach() for gradient in given)

    return lambda: dict(zip(losses, Replay.apply(*used), strict=True))


def _laid_out_as(parameter: Tensor, gradient: Tensor) -> Tensor:
    """A gradient in the memory layout of its parameter.

    Otherwise autograd copies it in each step; and strides of sides of length one, which mean nothing, would keep torch
    from updating many parameters in one kernel.
    """
    shape, strides = parameter.shape, parameter.stride()
    if all(ours == theirs for size, ours, theirs in zip(shape, gradient.stride(), strides, strict=True) if size > 1):
        return gradient.as_strided(shape, strides)
    return torch.empty_like(parameter).copy_(gradient)


def _recorded(work: Callable[[], Any]) -> Callable[[], Any]:
    """A function that replays the work, and returns the same memory each time."""
    with recording() as graph:
        results = work()

    def replay() -> Any:
        graph.replay()
        return results

    return replay


def _warm_up(work: Callable[[], Any]) -> Any:
    """Run the work a few times on another stream; returns the last result."""
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(WARM_UP):
            outputs = work()
    torch.cuda.synchronize()
    return outputs


@contextmanager
def recording(pool: tuple | None = None) -> Iterator[torch.cuda.CUDAGraph]:
    """Record a graph of everything launched inside.

    The graph gets a workspace of cuBLAS of its own. torch keeps one for each stream, and captures all graphs on the
    same stream, so that graphs of two trainings that are replayed at the same time would overwrite each other's.

    Args:
        pool: memory of another graph, which is never replayed at the same time.
    """
    graph = torch.cuda.CUDAGraph()
    torch._C._cuda_clearCublasWorkspaces()  # the next product allocates one, from the memory of the graph
    try:
        # Threads that pin memory or watch other processes may still call the device.
        with torch.cuda.graph(graph, pool=pool, capture_error_mode='thread_local'):
            yield graph
    finally:
        torch._C._cuda_clearCublasWorkspaces()  # no later product may use it


@contextmanager
def unchanged(model: nn.Module) -> Iterator[None]:
    """Restores the model's buffers and the random state: passes for a capture must not count."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    torch.cuda.empty_cache()
    try:
        with torch.random.fork_rng(devices=[torch.cuda.current_device()]):
            yield
    finally:
        for buffer, before in buffers:
            buffer.copy_(before)
        torch.cuda.empty_cache()


@contextmanager
def tuned() -> Iterator[None]:
    """Lets cuDNN try its kernels for the current sizes; the user's choice of precision is kept."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
