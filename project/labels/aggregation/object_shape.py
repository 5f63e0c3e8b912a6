"""The labelled shape of each object in its box frame; it separates a wheel from the road under the car."""

import numpy as np
from scipy.ndimage import binary_dilation

from project.labels.aggregation.sweeps import Points
from project.labels.config import LabelConfig


class ObjectShapes:
    """Cells of each track's box with labelled points of the object in them or next to them.

    Args:
        points: N labelled points of objects, each in the frame of its box.
        tracks: (N,) the track of each.
        sizes: (T, 3) largest size of each track's box.
        config: thresholds.
    """

    def __init__(self, points: Points, tracks: np.ndarray, sizes: np.ndarray, config: LabelConfig):
        margin_m, self._cell_m = config.boxes.margin_m, config.propagation.object_cell_m
        self._corners = -sizes / 2 - margin_m
        self._shapes = np.ceil((sizes + 2 * margin_m) / self._cell_m).astype(np.int64) + 1
        self._starts = np.concatenate([[0], np.cumsum(self._shapes.prod(axis=1))])
        self._seen = np.zeros(self._starts[-1], bool)
        self._seen[self._cells(points.xyz, tracks)] = True
        for track, shape in enumerate(self._shapes):
            box = self._seen[self._starts[track] : self._starts[track + 1]].reshape(shape)
            box[:] = binary_dilation(box, np.ones((3, 3, 3), bool))

    def at(self, xyz: np.ndarray, tracks: np.ndarray) -> np.ndarray:
        """(N,) bool, whether labelled points of the object are near (N, 3) points in the frame of its box."""
        return self._seen[self._cells(xyz, tracks)]

    def _cells(self, xyz: np.ndarray, tracks: np.ndarray) -> np.ndarray:
        indices = np.floor((xyz - self._corners[tracks]) / self._cell_m).astype(np.int64)
        shapes = self._shapes[tracks]
        indices = np.clip(indices, 0, shapes - 1)
        return self._starts[tracks] + (indices[:, 0] * shapes[:, 1] + indices[:, 1]) * shapes[:, 2] + indices[:, 2]
