"""The points of a scene, sorted by where they belong and when they were seen.

The static world is sorted by tile, each object by its track. Within these groups points are in order of time, so that a
keyframe's window is one run of points in each group, and the votes of a tile stay in the processor's cache.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.labels.read import Points


@dataclass(frozen=True)
class Cloud:
    """Points in G groups, each in order of time.

    Attributes:
        points: all points, group after group.
        starts: (G, time steps + 1) int64, where the points of each group and time step start; the last column is the end.
    """

    points: Points
    starts: np.ndarray

    def window(self, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
        """Starts and stops, each (G,) int64, of the points from time step `first` to `last`, both included."""
        return self.starts[:, first].copy(), self.starts[:, last + 1].copy()


def sort_into_groups(parts: list[tuple[Points, np.ndarray]], n_groups: int) -> Cloud:
    """Cloud of the points of each time step and their groups.

    Args:
        parts: for each time step its points and their (N,) int group 0 to n_groups - 1.
        n_groups: number of groups.
    """
    counts = np.array([np.bincount(groups, minlength=n_groups) for _, groups in parts], np.int64).reshape(-1, n_groups)
    ends = np.cumsum(counts.T).reshape(n_groups, len(parts))
    starts = np.concatenate([np.zeros(1, np.int64), ends.ravel()[:-1]]).reshape(ends.shape)
    total = int(counts.sum())
    points = Points(np.empty((total, 3), np.float32), np.empty(total, np.uint8), np.empty(total, np.uint8))
    for step, (part, groups) in enumerate(parts):
        next_place = starts[:, step].copy()
        _place(part.xyz, part.raw, part.intensity, groups, next_place, points.xyz, points.raw, points.intensity)
    return Cloud(points, np.column_stack([starts, ends[:, -1]]))


@njit(cache=True)
def _place(xyz, raw, intensity, groups, next_place, all_xyz, all_raw, all_intensity):
    for i in range(len(groups)):
        at = next_place[groups[i]]
        next_place[groups[i]] += 1
        all_xyz[at], all_raw[at], all_intensity[at] = xyz[i], raw[i], intensity[i]
