"""The result of an evaluation, as a table and as plain data."""

import math
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from project.evaluation.confusion import class_iou, geometric_iou, mean_iou
from project.label_set import LabelSet

ABSENT = '\\'
"""Stands in a table for a class that does not occur."""


@dataclass(frozen=True)
class VoxelScores:
    """The counts of one evaluation.

    Attributes:
        matrix: (18, 18) int64 confusion matrix of all voxels that count, rows are the ground truth.
        samples: number of keyframes.
        mask: ``'camera'`` or ``'lidar'`` where only voxels of that mask counted, else None.
        bands: confusion matrix of each distance band, by the band's name.
        labels: which classes there are, and their names.
    """

    matrix: np.ndarray
    samples: int
    mask: str | None = None
    bands: dict[str, np.ndarray] = field(default_factory=dict)
    labels: LabelSet = field(default_factory=LabelSet)

    def metrics(self) -> dict[str, float]:
        """Figures in percent, by the names that logs and ``save_best`` use; classes that do not occur are left out."""
        metrics = {'mIoU': self._mean_iou(self.matrix), 'geometric_IoU': geometric_iou(self.matrix)}
        metrics |= {f'IoU/{name}': value for name, value in self._class_iou(self.matrix).items()}
        for band, matrix in self.bands.items():
            metrics |= {f'mIoU/{band}': self._mean_iou(matrix), f'geometric_IoU/{band}': geometric_iou(matrix)}
        return {name: 100 * float(value) for name, value in metrics.items() if not math.isnan(value)}

    def as_json(self) -> dict:
        """Everything as plain data; a figure of something that does not occur is None."""
        return {
            'samples': self.samples,
            'mask': self.mask,
            **self._figures(self.matrix),
            'bands': {band: self._figures(matrix) for band, matrix in self.bands.items()},
            'confusion_matrix': self.matrix.tolist(),
        }

    def table(self, geometric: bool = False) -> str:
        """Lines of text: a row for each class, in percent; then, on request, the geometric IoU; the mIoU last."""
        columns = {'IoU': self.matrix, **self.bands}
        by_class = [self._class_iou(matrix) for matrix in columns.values()]
        rows = [[name, *(_percent(values[name]) for values in by_class)] for name in self.labels.class_names]
        summary = [['geometric IoU', *(_percent(geometric_iou(m)) for m in columns.values())]] if geometric else []
        summary.append(['mIoU', *(_percent(self._mean_iou(m)) for m in columns.values())])
        counted = f'{self.mask} mask' if self.mask else 'all observed voxels'
        return f'{self.samples} keyframes, {counted}, %\n' + _text_table(['class', *columns], rows, summary)

    def _class_iou(self, matrix: np.ndarray) -> dict[str, float]:
        values = class_iou(matrix, list(self.labels.classes))
        return dict(zip(self.labels.class_names, values.tolist(), strict=True))

    def _mean_iou(self, matrix: np.ndarray) -> float:
        return mean_iou(matrix, list(self.labels.classes))

    def _figures(self, matrix: np.ndarray) -> dict:
        iou = {name: _rounded(value) for name, value in self._class_iou(matrix).items()}
        return {'mIoU': _rounded(self._mean_iou(matrix)), 'geometric_IoU': _rounded(geometric_iou(matrix)), 'IoU': iou}


def band_names(edges: tuple[float, ...]) -> list[str]:
    """Names of the bands between distances: (20, 35) gives ``0-20 m``, ``20-35 m``, ``35+ m``."""
    ends = [0, *edges]
    return [f'{low:g}-{high:g} m' for low, high in pairwise(ends)] + [f'{ends[-1]:g}+ m']


def _rounded(value: float) -> float | None:
    """Percent, fine enough for every comparison."""
    return None if math.isnan(value) else round(100 * float(value), 6)


def _percent(value: float) -> str:
    return ABSENT if math.isnan(value) else f'{100 * value:.3f}'


def _text_table(header: list[str], rows: list[list[str]], summary: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *rows, *summary, strict=True)]
    rule = '-' * (sum(widths) + 2 * (len(widths) - 1))

    def line(cells: list[str]) -> str:
        first, *numbers = cells
        return '  '.join([first.ljust(widths[0]), *map(str.rjust, numbers, widths[1:])])

    return '\n'.join([rule, line(header), rule, *map(line, rows), rule, *map(line, summary), rule])
