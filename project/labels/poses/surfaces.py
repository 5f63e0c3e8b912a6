"""The points of a sweep that registration uses: thinned points of static surfaces, ground and others."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.geometry.traversal import transformed
from project.labels.aggregation.aggregate import Sweeps
from project.labels.aggregation.boxes import box_of_points
from project.labels.aggregation.sweeps import UNLABELLED
from project.labels.config import PoseConfig

_DEEPEST_M, _HIGHEST_M = -6.0, 10.0
"""Heights between which points are kept, ego frame."""

_BIN_M = 0.1
"""Step of the heights among which the ground near the car is searched."""

_NEAR_M = 15.0
"""Reach of the ground near the car."""


@dataclass(frozen=True)
class Surfaces:
    """Points of static surfaces of a sweep.

    Attributes:
        xyz: (N, 3) float64, ego frame, metres.
        is_ground: (N,) bool, whether a point is of the ground.
    """

    xyz: np.ndarray
    is_ground: np.ndarray

    @property
    def walls(self) -> 'Surfaces':
        """Points that are not ground: walls, poles, trees, all that constrains x, y and yaw."""
        return Surfaces(self.xyz[~self.is_ground], self.is_ground[~self.is_ground])


def surfaces_of(sweeps: Sweeps, sweep: int, ego_from_scene: np.ndarray, config: PoseConfig) -> Surfaces:
    """Surfaces of a sweep, without points in boxes and points labelled as movable.

    Raises:
        FileNotFoundError, ValueError: the file of the sweep is missing or damaged; the message names it.
    """
    points, boxes = sweeps.read(sweep)
    static = sweeps.scene.taxonomy.static
    still = (points.raw == UNLABELLED) | ((points.raw >= static.start) & (points.raw < static.stop))
    still &= box_of_points(points.xyz, points.raw, boxes) < 0
    return thinned_surfaces(points.xyz[still], ego_from_scene, config)


def thinned_surfaces(points: np.ndarray, ego_from_points: np.ndarray, config: PoseConfig) -> Surfaces:
    """Surfaces of (N, 3) points of static things, in any frame."""
    xyz, lowest = _thin(points, ego_from_points, config)
    return Surfaces(xyz, _is_ground(xyz, lowest, _ground_height(lowest), config))


@njit(cache=True, error_model='numpy')
def _thin(points, ego_from_points, config):
    """The first point of each cell, ego frame, and the lowest height in each square metre."""
    reach, cell = config.reach_m, config.thinned_m
    width, height = int(np.ceil(2 * reach / cell)), int(np.ceil((_HIGHEST_M - _DEEPEST_M) / cell))
    taken = np.zeros((width, width, height), np.bool_)
    lowest = np.full((int(np.ceil(2 * reach)), int(np.ceil(2 * reach))), np.inf)
    kept, n = np.empty((len(points), 3)), 0
    for i in range(len(points)):
        x, y, z = transformed(ego_from_points, points[i])
        # A coordinate that is not a number fails this comparison.
        if not ((x * x + y * y < reach * reach) & (z > _DEEPEST_M) & (z < _HIGHEST_M)):
            continue
        u, v = int(x + reach), int(y + reach)
        lowest[u, v] = min(lowest[u, v], z)
        a, b, c = int((x + reach) / cell), int((y + reach) / cell), int((z - _DEEPEST_M) / cell)
        if not taken[a, b, c]:
            taken[a, b, c] = True
            kept[n] = x, y, z
            n += 1
    return kept[:n].copy(), lowest


@njit(cache=True, error_model='numpy')
def _ground_height(lowest):
    """The height that the lowest points around the car have most often, ego frame."""
    counts = np.zeros(int((_HIGHEST_M - _DEEPEST_M) / _BIN_M) + 1, np.int64)
    middle = len(lowest) / 2
    for u in range(len(lowest)):
        for v in range(len(lowest)):
            near = (u + 0.5 - middle) ** 2 + (v + 0.5 - middle) ** 2 < _NEAR_M**2
            if near and np.isfinite(lowest[u, v]):
                counts[int((lowest[u, v] - _DEEPEST_M) / _BIN_M)] += 1
    smooth = counts[:-2] + counts[1:-1] + counts[2:]
    return _DEEPEST_M + (np.argmax(smooth) + 1.5) * _BIN_M


@njit(cache=True, error_model='numpy')
def _is_ground(xyz, lowest, height, config):
    is_ground = np.empty(len(xyz), np.bool_)
    for i in range(len(xyz)):
        x, y, z = xyz[i]
        off = config.ground_rise_m + config.ground_slope * np.hypot(x, y)
        u, v = int(x + config.reach_m), int(y + config.reach_m)
        # Where a thing hides the ground below it, its foot is the lowest point of its square metre, but not of those
        # around.
        around = lowest[max(u - 1, 0) : u + 2, max(v - 1, 0) : v + 2].min()
        low = min(lowest[u, v] + config.ground_step_m, around + config.ground_rise_m)
        is_ground[i] = (z <= low) & (abs(z - height) < off)
    return is_ground
