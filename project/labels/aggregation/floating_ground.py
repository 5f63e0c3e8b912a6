"""Finds points of objects that lidarseg calls ground although the ground lies lower.

Where an object ends in the image of a lidar, lidarseg strays: points of a car take the label of the road beside it. A
few of them lift the mean height of the ground, and sweeps between keyframes then call everything in boxes at that
height road. But the ground is seen at many keyframes, and nearly all of its points lie on it.

Outside boxes ground may be above ground: high grass is terrain in lidarseg, and banks are steep.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.ndimage import maximum_filter, minimum_filter

from project.labels.aggregation.sweeps import Points
from project.labels.config import LabelMistakeConfig


@dataclass(frozen=True)
class GroundLevels:
    """The height of the ground in squares, as seen from above.

    Attributes:
        config: thresholds.
        ground: categories of ground.
        first: (2,) int64 index of the first square along x and y.
        heights: (X, Y) float32 height in each square, scene frame, metres; minus infinity where no ground is near.
    """

    config: LabelMistakeConfig
    ground: range
    first: np.ndarray
    heights: np.ndarray

    def floats(self, points: Points, in_box: np.ndarray) -> np.ndarray:
        """Which points in boxes are labelled as ground and lie too high for it.

        Args:
            points: N points of those that the levels were made of, scene frame.
            in_box: (N,) bool, whether each lies in a box.

        Returns:
            (N,) bool.
        """
        config, ground = self.config, self.ground
        on_ground = (points.raw >= ground.start) & (points.raw < ground.stop)
        asked = np.flatnonzero(on_ground & in_box)
        xyz, result = points.xyz[asked], np.zeros(len(in_box), bool)
        x, y = (np.floor(xyz[:, :2].astype(np.float64) / config.square_m).astype(np.int64) - self.first).T
        result[asked] = xyz[:, 2] - self.heights[x, y] > config.floating_m
        return result


def ground_levels(labelled: list[Points], ground: range, config: LabelMistakeConfig) -> GroundLevels:
    """Levels of the ground from labelled points of all keyframes.

    The lowest point of each square is taken first. Bumps in these heights that are narrower than `bump_m` are then
    levelled (a morphological opening): at a parked car, no point may lie on the ground. An even slope stays as it is.

    Args:
        labelled: points of each keyframe, scene frame.
        ground: categories of ground.
        config: thresholds.
    """
    places = [points.xyz[:, :2].T for points in labelled if len(points.xyz)]
    if not places:
        return GroundLevels(config, ground, np.zeros(2, np.int64), np.zeros((0, 0), np.float32))
    corners = np.array([[(axis.min(), axis.max()) for axis in xy] for xy in places], np.float64)
    squares = np.floor(corners / config.square_m).astype(np.int64)
    span = round(config.bump_m / config.square_m)
    # So wide that slopes stay as they are, also at the border of what was seen.
    first, last = squares.min(axis=(0, 2)) - span, squares.max(axis=(0, 2)) + span
    lowest = np.full(last - first + 1, np.inf, np.float32)
    for points in labelled:
        _lower(lowest, first, config.square_m, ground.start, ground.stop, points.xyz, points.raw)
    eroded = minimum_filter(lowest, span, mode='constant', cval=np.inf)
    eroded[np.isinf(eroded)] = -np.inf
    return GroundLevels(config, ground, first, maximum_filter(eroded, span, mode='constant', cval=-np.inf))


@njit(cache=True, error_model='numpy')
def _lower(lowest, first, square_m, ground_start, ground_stop, xyz, raw):
    for i in range(len(xyz)):
        if ground_start <= raw[i] < ground_stop:
            x, y = int(np.floor(xyz[i, 0] / square_m)) - first[0], int(np.floor(xyz[i, 1] / square_m)) - first[1]
            lowest[x, y] = min(lowest[x, y], xyz[i, 2])
