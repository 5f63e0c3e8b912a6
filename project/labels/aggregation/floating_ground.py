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

PATCH_BITS = 6
PATCH = 1 << PATCH_BITS
"""Heights are kept in patches of 64 x 64 squares, where there is ground: a long drive needs little memory."""


@dataclass(frozen=True)
class GroundLevels:
    """The height of the ground in squares, as seen from above.

    Attributes:
        config: thresholds.
        ground: categories of ground.
        first: (2,) int64 index of the first patch of squares along x and y.
        numbers: (X, Y) int32 number of each patch, -1 where there is no ground.
        heights: (P, 64, 64) float32 height in each square of each patch, scene frame, metres.
    """

    config: LabelMistakeConfig
    ground: range
    first: np.ndarray
    numbers: np.ndarray
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
        asked = np.flatnonzero(_is_ground(points, ground) & in_box)
        xyz, result = points.xyz[asked], np.zeros(len(in_box), bool)
        squares = np.floor(xyz[:, :2].astype(np.float64) / config.square_m).astype(np.int64)
        patch, (x, y) = (squares >> PATCH_BITS) - self.first, (squares & (PATCH - 1)).T
        heights = self.heights[self.numbers[patch[:, 0], patch[:, 1]], x, y]
        result[asked] = xyz[:, 2] - heights > config.floating_m
        return result


def ground_levels(labelled: list[Points], ground: range, config: LabelMistakeConfig) -> GroundLevels:
    """Levels of the ground from labelled points of all keyframes.

    The lowest point of each square is taken first. Bumps in these heights that are narrower than `bump_m` are then
    levelled (a morphological opening): at a parked car, no point may lie on the ground. An even slope stays as it is.

    Args:
        labelled: points of each keyframe, scene frame; none is farther than 1 km from the lidar.
        ground: categories of ground.
        config: thresholds.
    """
    patches = [_patches(points, ground, config.square_m) for points in labelled]
    used = np.unique(np.concatenate([*patches, np.zeros((0, 2), np.int64)]), axis=0)
    if not len(used):
        return GroundLevels(config, ground, np.zeros(2, np.int64), np.zeros((0, 0), np.int32), np.zeros((0, 0, 0)))
    first = used.min(axis=0)
    # One patch more on each side: every patch has neighbours.
    numbers = np.full(np.ptp(used, axis=0) + 3, -1, np.int32)
    numbers[tuple((used - first + 1).T)] = np.arange(len(used))
    lowest = np.full((len(used) + 1, PATCH, PATCH), np.inf, np.float32)
    for points in labelled:
        _lower(lowest, numbers, first - 1, config.square_m, points.xyz, _is_ground(points, ground))
    span = round(config.bump_m / config.square_m)
    heights = np.stack([_opened(lowest, numbers[x : x + 3, y : y + 3], span) for x, y in used - first])
    return GroundLevels(config, ground, first, numbers[1:-1, 1:-1], heights)


def _is_ground(points: Points, ground: range) -> np.ndarray:
    """(N,) bool, which points are of the ground."""
    return (points.raw >= ground.start) & (points.raw < ground.stop)


def _patches(points: Points, ground: range, square_m: float) -> np.ndarray:
    """(P, 2) int64 patches of 64 x 64 squares with ground in them."""
    xy = points.xyz[_is_ground(points, ground), :2].astype(np.float64)
    x, y = (np.floor(xy / square_m).astype(np.int64) >> PATCH_BITS).T
    # As one number each, which sorts much faster than pairs do.
    codes = np.unique((x << 32) + y)
    y = (codes + (1 << 31)) % (1 << 32) - (1 << 31)
    return np.stack([(codes - y) >> 32, y], axis=1)


def _opened(lowest: np.ndarray, around: np.ndarray, span: int) -> np.ndarray:
    """Heights of a patch without bumps: (64, 64) float32.

    Args:
        lowest: (P + 1, 64, 64) lowest ground in the squares of each patch; the last one has none.
        around: (3, 3) numbers of the patch and those around it, -1 where there is none.
        span: width of a bump, in squares.
    """
    rows = [np.concatenate([lowest[number] for number in row], axis=1) for row in around]
    near = slice(PATCH - span, 2 * PATCH + span)
    eroded = minimum_filter(np.concatenate(rows)[near, near], span, mode='constant', cval=np.inf)
    eroded[np.isinf(eroded)] = -np.inf
    return maximum_filter(eroded, span, mode='constant', cval=-np.inf)[span:-span, span:-span]


@njit(cache=True, error_model='numpy')
def _lower(lowest, numbers, first, square_m, xyz, on_ground):
    for i in range(len(xyz)):
        if on_ground[i]:
            x, y = int(np.floor(xyz[i, 0] / square_m)), int(np.floor(xyz[i, 1] / square_m))
            number = numbers[(x >> PATCH_BITS) - first[0], (y >> PATCH_BITS) - first[1]]
            x, y = x & (PATCH - 1), y & (PATCH - 1)
            lowest[number, x, y] = min(lowest[number, x, y], xyz[i, 2])
