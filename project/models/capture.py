"""Captures a part of a model as a CUDA graph, for predictions or with its backward pass."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

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


def capture_inference(part: Part, inputs: tuple[Tensor, ...]) -> Callable[[], Any]:
    """A function that replays ``part(*inputs)`` with the current content of the inputs; it returns the same memory each
    time."""
    _warm_up(lambda: part(*inputs))
    with recording() as graph:
        outputs = part(*inputs)

    def replay() -> Any:
        graph.replay()
        return outputs

    return replay


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
        gradients = differentiate(losses, factors)
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
