"""Decides when computations of a model run as CUDA graphs: one launch instead of thousands of slow ones."""

import gc
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from project.models.capture import VARIABLE, Part, capture_inference, capture_training, tuned, unchanged
from project.models.resnet import OccupancyResNet

SLACK = 1.1
"""A graph is captured for this multiple of the requested capacity, so that the next frame fits as well."""

STEP = 128
"""Capacities are multiples of this."""


@dataclass(frozen=True)
class _Captured:
    """A graph: its key, the number of queries that it computes per camera, and the function that replays it."""

    settings: tuple
    capacity: int | None
    replay: Callable[..., Any]


class Graphs:
    """Captures computations of a model, and replays them with other inputs of the same shapes.

    A computation is captured when it gets the same shapes twice in a row: for a single prediction, or the last and
    smaller batch of an epoch, a capture would not pay off. Each computation keeps one graph, for the shapes and the
    autocast dtype of the last capture.

    A graph has fixed sizes. So computations get, besides their tensors, a `capacity` that may be larger than needed. If
    it is too small, the graph is captured again.

    Args:
        model: its parameters and buffers may change their values, but not their memory.
    """

    def __init__(self, model: nn.Module):
        self._model = model
        self._captured: dict[tuple, _Captured] = {}
        self._before: dict[tuple, tuple] = {}
        self._parameters: list[nn.Parameter] = []
        self._refused: set[tuple] = set()

    def __reduce__(self):
        return Graphs, (self._model,)  # a copy of the model captures graphs of its own

    def usable(self, tensor: Tensor) -> bool:
        """Whether computations on a tensor may run as graphs now: on a GPU, under autocast."""
        if not tensor.is_cuda or not torch.is_autocast_enabled('cuda'):
            return False
        if os.environ.get(VARIABLE) == '0' or torch.cuda.is_current_stream_capturing() or torch.compiler.is_compiling():
            return False
        # If gradients are accumulated over several passes, a replay would overwrite the sum.
        return not torch.is_grad_enabled() or all(each.grad is None for each in self._parameters)

    def __call__(
        self, compute: Callable[..., Any], tensors: tuple[Tensor, ...], needed: Callable[[], Tensor] | None = None
    ) -> Any:
        """``compute(*tensors)``, or ``compute(*tensors, capacity=...)`` where something is `needed`.

        Results are overwritten by the next call.

        A graph is launched before the host knows the `needed` capacity, so that the device does not wait for the host.
        In the rare case that the graph is too small, its results are discarded; but they were counted once in running
        statistics, and random numbers were drawn.

        Args:
            compute: a method of the model; it returns a tensor, or a dictionary of them.
            tensors: inputs; they need no gradients.
            needed: returns () int64 on the same device, the least capacity that is enough for these inputs; None if
                sizes do not depend on the inputs.
        """
        # Collecting the parameters of hundreds of modules would take longer than everything else here.
        self._parameters = self._parameters or list(self._model.parameters())
        key = (compute.__name__, torch.is_grad_enabled(), self._model.training)
        shapes = tuple((tensor.shape, tensor.dtype) for tensor in tensors)
        places = tuple((each.data_ptr(), each.requires_grad) for each in self._parameters)
        settings = shapes, places, torch.get_autocast_dtype('cuda')
        captured, capacity = self._captured.get(key), None
        seen, self._before[key] = self._before.get(key) == settings, settings
        if captured is not None and captured.settings == settings:
            if needed is None:
                return captured.replay(*tensors)
            results, capacity = _result_and_number(lambda: captured.replay(*tensors), needed)
            if capacity <= captured.capacity:
                return results
            del results
        else:
            capacity = None if needed is None else int(needed())
        options = {} if capacity is None else {'capacity': capacity}
        if not seen or key in self._refused:
            return compute(*tensors, **options)
        if captured is not None:
            del captured, self._captured[key]
            gc.collect()  # it is full of cycles, and its memory is to serve the next one
        captured = self._capture(compute, tensors, capacity, settings)
        if captured is None:
            self._refused.add(key)
            return compute(*tensors, **options)
        self._captured[key] = captured
        return captured.replay(*tensors)

    def _capture(
        self, compute: Callable[..., Any], tensors: tuple[Tensor, ...], capacity: int | None, settings: tuple
    ) -> _Captured | None:
        """The graph; None if a capture is impossible: the model does something that graphs cannot, or memory is
        short."""
        capacity = None if capacity is None else -(-int(SLACK * capacity) // STEP) * STEP
        options = {} if capacity is None else {'capacity': capacity}
        part, inputs = Part(self._model, compute, options), tuple(tensor.clone() for tensor in tensors)
        capture = capture_training if torch.is_grad_enabled() else capture_inference
        precision = torch.autocast('cuda', torch.get_autocast_dtype('cuda'), cache_enabled=False)
        room = '' if capacity is None else f', {capacity} queries a camera'
        print_log(f'capturing {compute.__name__} as a CUDA graph{room}', logger='current')
        try:
            with unchanged(self._model), tuned(), precision:
                replay = capture(part, inputs)
        except RuntimeError as error:
            # The random number generator would stay in its capture state, too.
            generator = torch.cuda.default_generators[torch.cuda.current_device()]
            generator.graphsafe_set_state(generator.clone_state())
            print_log(
                f'{compute.__name__} runs without a CUDA graph, which slows down: {error}',
                logger='current',
                level=logging.WARNING,
            )
            return None

        resnets = [module for module in self._model.modules() if isinstance(module, OccupancyResNet)]
        folded = [resnet.folded() for resnet in resnets if resnet.folds('cuda')]

        def filled(*tensors: Tensor) -> Any:
            for weights in folded:
                weights.refresh()  # here, as a graph cannot
            for static, tensor in zip(inputs, tensors, strict=True):
                static.copy_(tensor)
            return replay()

        return _Captured(settings, capacity, filled)


def _result_and_number(work: Callable[[], Any], number: Callable[[], Tensor]) -> tuple[Any, int]:
    """The result of the work, which is launched first, and a number; the host waits only for the number."""
    if not torch.cuda.is_available():
        return work(), int(number())
    before = torch.cuda.current_stream().record_event()
    result = work()
    with torch.cuda.stream(side_stream(torch.cuda.current_device())):
        before.wait()
        return result, int(number())


@cache
def side_stream(device: int) -> torch.cuda.Stream:
    """A stream on which the host reads a number while the device goes on with other work."""
    return torch.cuda.Stream(device)
