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
"""Environment variable: 1 allows graphs, under autocast on a GPU, in training and for predictions.

They have been tested and timed on single batches, not yet in whole runs of tools/train.py; so they are asked for."""

SLACK = 1.1
"""A graph is captured for so many times the capacity asked for, so that the next frame fits in as well."""

STEP = 128
"""Capacities are multiples of this."""


@dataclass(frozen=True)
class _Captured:
    """A graph: how many queries a camera it computes, the tensors' places at its capture, and what replays it."""

    capacity: int
    weights: tuple
    replay: Callable[..., Any]


class Graphs:
    """Captures the computations of a model at their first call, and replays them with other inputs of the same shapes.

    A graph knows fixed sizes only. So computations get, beside their tensors, a `capacity` that may be larger than
    need be; where it turns out too small, the graph is captured anew.

    Args:
        model: its parameters and buffers may change, but must stay where they are.
    """

    def __init__(self, model: nn.Module):
        self._model = model
        self._captured: dict[tuple, _Captured] = {}
        self._parameters: list[nn.Parameter] = []

    def __reduce__(self):
        return Graphs, (self._model,)  # a copy of the model captures graphs of its own

    def usable(self, tensor: Tensor) -> bool:
        """Whether computations on a tensor are to be run as graphs, here and now."""
        if not tensor.is_cuda or not torch.is_autocast_enabled('cuda') or os.environ.get(VARIABLE) != '1':
            return False
        if torch.cuda.is_current_stream_capturing() or torch.compiler.is_compiling():
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
        with_gradients = torch.is_grad_enabled()
        key = (compute.__name__, with_gradients, *((tensor.shape, tensor.dtype) for tensor in tensors))
        # Collecting the parameters of hundreds of modules would take longer than all else here.
        self._parameters = self._parameters or list(self._model.parameters())
        weights = tuple((each.data_ptr(), each.requires_grad) for each in self._parameters)
        captured = self._captured.get(key)
        if captured is None or captured.capacity < capacity or captured.weights != weights:
            self._captured.pop(key, None)
            capacity = -(-int(SLACK * capacity) // STEP) * STEP
            print_log(f'capturing {compute.__name__} as a CUDA graph, {capacity} queries a camera', logger='current')
            capture = _capture_training if with_gradients else _capture_inference
            part, inputs = _Part(self._model, compute, capacity), tuple(tensor.clone() for tensor in tensors)
            precision = torch.autocast('cuda', torch.get_autocast_dtype('cuda'), cache_enabled=False)
            with _unchanged(self._model), _tuned(), precision:
                replay = capture(part, inputs)
            captured = self._captured[key] = _Captured(capacity, weights, replay)
        return captured.replay(*tensors)


class _Part(nn.Module):
    """A method of a model, with the model's parameters."""

    def __init__(self, model: nn.Module, compute: Callable[..., Any], capacity: int):
        super().__init__()
        self.model, self.compute, self.capacity = model, compute, capacity

    def forward(self, *tensors: Tensor) -> Any:
        return self.compute(*tensors, capacity=self.capacity)


def _capture_inference(part: _Part, inputs: tuple[Tensor, ...]) -> Callable[..., Any]:
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(2):
            part(*inputs)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        outputs = part(*inputs)

    def replay(*tensors: Tensor) -> Any:
        for static, tensor in zip(inputs, tensors, strict=True):
            static.copy_(tensor)
        graph.replay()
        return outputs

    return replay


def _capture_training(part: _Part, inputs: tuple[Tensor, ...]) -> Callable[..., Any]:
    # Casts that autocast keeps lead to nodes of another stream, with which a backward pass cannot be captured.
    torch.clear_autocast_cache()
    return torch.cuda.make_graphed_callables(part, inputs, allow_unused_input=True)


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Leaves the model's buffers and the random numbers as they were: what runs while capturing does not count."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    with torch.random.fork_rng(devices=[torch.cuda.current_device()]):
        yield
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
