"""Functions of tensors as CUDA graphs: one launch instead of thousands, which the host could not issue in time."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

VARIABLE = 'OCCUPANCY_CUDA_GRAPHS'
"""Environment variable: 0 runs everything without graphs."""

SLACK = 1.1
"""A graph is captured for so many times the capacity asked for, so that the next frame fits in as well."""

STEP = 128
"""Capacities are multiples of this."""

WARM_UP = 3
"""Passes before a capture: cuDNN tries its kernels, Triton compiles, libraries allocate."""


@dataclass(frozen=True)
class _Captured:
    """A graph: what it was captured for, how many queries a camera it computes, and what replays it."""

    settings: tuple
    capacity: int
    replay: Callable[..., Any]


class Graphs:
    """Captures computations of a model, and replays them with other inputs of the same shapes.

    A computation is captured when it gets the same shapes twice in a row, as a single prediction or the last and
    smaller batch of an epoch is not worth the seconds; it keeps one graph, for the shapes it was last captured for.

    A graph knows fixed sizes only. So computations get, beside their tensors, a `capacity` that may be larger than
    need be; where it turns out too small, the graph is captured anew.

    Args:
        model: its parameters and buffers may change, but must stay where they are.
    """

    def __init__(self, model: nn.Module):
        self._model = model
        self._captured: dict[tuple, _Captured] = {}
        self._before: dict[tuple, tuple] = {}
        self._parameters: list[nn.Parameter] = []
        self._refused = False

    def __reduce__(self):
        return Graphs, (self._model,)  # a copy of the model captures graphs of its own

    def usable(self, tensor: Tensor) -> bool:
        """Whether computations on a tensor are to be run as graphs, here and now: on a GPU, under autocast."""
        if self._refused or not tensor.is_cuda or not torch.is_autocast_enabled('cuda'):
            return False
        if os.environ.get(VARIABLE) == '0' or torch.cuda.is_current_stream_capturing() or torch.compiler.is_compiling():
            return False
        # Gradients that are added up over several passes are not ours alone: a replay would overwrite the sum.
        return not torch.is_grad_enabled() or all(each.grad is None for each in self._parameters)

    def __call__(self, compute: Callable[..., Any], tensors: tuple[Tensor, ...], capacity: int) -> Any:
        """``compute(*tensors, capacity=...)``; its results are overwritten by the next call.

        Args:
            compute: a method of the model; it returns a tensor, or a dictionary of them.
            tensors: inputs; they need no gradients.
            capacity: the least that is enough for these inputs.
        """
        # Collecting the parameters of hundreds of modules would take longer than all else here.
        self._parameters = self._parameters or list(self._model.parameters())
        key = (compute.__name__, torch.is_grad_enabled(), self._model.training)
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        settings = (shapes, *((each.data_ptr(), each.requires_grad) for each in self._parameters))
        captured = self._captured.get(key)
        if captured is None or captured.settings != settings or captured.capacity < capacity:
            seen, self._before[key] = self._before.get(key) == settings, settings
            if not seen:
                return compute(*tensors, capacity=capacity)
            self._captured.pop(key, None)
            captured = self._capture(compute, tensors, capacity, settings)
            if captured is None:
                return compute(*tensors, capacity=capacity)
            self._captured[key] = captured
        return captured.replay(*tensors)

    def _capture(
        self, compute: Callable[..., Any], tensors: tuple[Tensor, ...], capacity: int, settings: tuple
    ) -> _Captured | None:
        """The graph, or None if there can be none: the model does something that graphs cannot, or memory is short."""
        capacity = -(-int(SLACK * capacity) // STEP) * STEP
        work = _Work(compute, tuple(tensor.clone() for tensor in tensors), capacity)
        capture = _capture_training if torch.is_grad_enabled() else _capture_inference
        precision = torch.autocast('cuda', torch.get_autocast_dtype('cuda'), cache_enabled=False)
        print_log(f'capturing {compute.__name__} as a CUDA graph, {capacity} queries a camera', logger='current')
        try:
            with _unchanged(self._model), _tuned(), precision:
                return _Captured(settings, capacity, capture(work, self._parameters))
        except RuntimeError as error:
            self._refused = True
            # The generator of random numbers, too, would stay in its state of being captured.
            generator = torch.cuda.default_generators[torch.cuda.current_device()]
            generator.graphsafe_set_state(generator.clone_state())
            print_log(f'no CUDA graphs, which slows down: {error}', logger='current', level=30)
            return None


@dataclass(frozen=True)
class _Work:
    """A method of a model with inputs that stay where they are."""

    compute: Callable[..., Any]
    inputs: tuple[Tensor, ...]
    capacity: int

    def __call__(self) -> Any:
        return self.compute(*self.inputs, capacity=self.capacity)

    def fill(self, tensors: tuple[Tensor, ...]) -> None:
        for static, tensor in zip(self.inputs, tensors, strict=True):
            static.copy_(tensor)


def _capture_inference(work: _Work, parameters: list[nn.Parameter]) -> Callable[..., Any]:
    _warm_up(work)
    with _recording() as graph:
        outputs = work()

    def replay(*tensors: Tensor) -> Any:
        work.fill(tensors)
        graph.replay()
        return outputs

    return replay


def _capture_training(work: _Work, parameters: list[nn.Parameter]) -> Callable[..., dict[str, Tensor]]:
    """Forward and backward pass, a graph each, of a computation that returns a dictionary of losses."""
    # Casts that autocast keeps lead to nodes of another stream, with which a backward pass cannot be captured.
    torch.clear_autocast_cache()
    trained = [each for each in parameters if each.requires_grad]

    def differentiate(losses: dict[str, Tensor], factors: list[Tensor]) -> tuple[Tensor | None, ...]:
        return torch.autograd.grad(list(losses.values()), trained, factors, allow_unused=True)

    factors = [torch.ones_like(loss) for loss in _warm_up(work, differentiate).values()]
    with _recording() as forward:
        losses = work()
    with _recording(forward.pool()) as backward:
        gradients = differentiate(losses, factors)
    used = [parameter for parameter, gradient in zip(trained, gradients, strict=True) if gradient is not None]
    gradients = [gradient for gradient in gradients if gradient is not None]
    losses = {name: loss.detach() for name, loss in losses.items()}  # without nodes of the stream of the capture

    class Replay(torch.autograd.Function):
        """The two graphs, as a function of the parameters."""

        @staticmethod
        def forward(ctx, *parameters: Tensor) -> tuple[Tensor, ...]:
            forward.replay()
            return tuple(loss.detach() for loss in losses.values())

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, *given: Tensor) -> tuple[Tensor, ...]:
            for factor, value in zip(factors, given, strict=True):
                factor.copy_(value)
            backward.replay()
            return tuple(gradient.detach() for gradient in gradients)

    def replay(*tensors: Tensor) -> dict[str, Tensor]:
        work.fill(tensors)
        return dict(zip(losses, Replay.apply(*used), strict=True))

    return replay


def _warm_up(work: _Work, differentiate: Callable | None = None) -> Any:
    """Run the work a few times beside the current stream, backwards too if asked; what it returned last."""
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream()):
        for _ in range(WARM_UP):
            outputs = work()
            if differentiate is not None:
                differentiate(outputs, [torch.ones_like(loss) for loss in outputs.values()])
    torch.cuda.synchronize()
    return outputs


@contextmanager
def _recording(pool: tuple | None = None) -> Iterator[torch.cuda.CUDAGraph]:
    """A graph of what is launched within."""
    graph = torch.cuda.CUDAGraph()
    # Threads that pin memory or watch other processes may go on calling the device meanwhile.
    with torch.cuda.graph(graph, pool=pool, capture_error_mode='thread_local'):
        yield graph


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Leaves the model's buffers and the random numbers as they were: what runs while capturing does not count."""
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
def _tuned() -> Iterator[None]:
    """Lets cuDNN try its kernels for the sizes at hand, and torch multiply in TF32."""
    before = torch.backends.cudnn.benchmark
    torch.backends.cudnn.benchmark = True
    try:
        yield
    finally:
        torch.backends.cudnn.benchmark = before
