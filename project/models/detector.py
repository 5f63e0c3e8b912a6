"""What both families of models do with a batch, whatever is inside them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from mmdet3d.models import Base3DDetector
from torch import Tensor, nn

from project.models.graphs import Graphs


class OccupancyDetector(Base3DDetector):
    """A detector whose predictions, like its losses, are computed by one method, which may run as a CUDA graph.

    Attributes:
        _compute: method of the family that runs a computation on a batch: ``_compute(computation, inputs, samples)``.
        _outputs: its computation of what the heads say, by name; ``logits``, (B, classes, X, Y, Z), at least.

    Args:
        data_preprocessor, init_cfg: as in every mmdet3d detector.
    """

    _compute: Callable[..., Any]
    _outputs: Callable[..., dict[str, Tensor]]

    def __init__(self, data_preprocessor: dict | nn.Module | None = None, init_cfg: dict | None = None):
        super().__init__(data_preprocessor, init_cfg)
        self._graphs = Graphs(self)

    def predict(self, inputs: dict[str, Tensor], data_samples: Sequence, **kwargs) -> Sequence:
        """The data samples with their predictions: ``pred_occupancy``, (X, Y, Z) uint8 labels, and what further heads
        predict."""
        predictions = self._predictions(self._compute(self._outputs, inputs, data_samples))
        for name, values in predictions.items():
            for sample, value in zip(data_samples, values, strict=True):
                setattr(sample, name, value)
        return data_samples

    def _forward(self, inputs: dict[str, Tensor], data_samples: Sequence, **kwargs) -> Tensor:
        """(B, classes, X, Y, Z) logits."""
        outputs = self._compute(self._outputs, inputs, data_samples)
        return outputs['logits'].clone()  # a graph writes to the same place each time

    def _predictions(self, outputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Fields of the B data samples by name, each with the B samples in its first dimension."""
        return {'pred_occupancy': outputs['logits'].argmax(1).to(torch.uint8)}

    def _apply(self, fn: Callable, recurse: bool = True) -> 'OccupancyDetector':
        """Move or convert the model, and drop graphs, since they use the old memory."""
        super()._apply(fn, recurse)
        self._graphs = Graphs(self)
        return self
