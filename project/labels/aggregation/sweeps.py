"""The points of a sweep that are returns from the world, in the scene frame, and their categories."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.geometry.traversal import transformed
from project.labels.config import SweepConfig
from project.sources.base import Scene
from project.sources.point_labels import read_categories
from project.sources.returns import returns_of

FAR_M = 1000.0
"""No lidar of a car measures that far: some drivers write no-returns as 1e5 m, 1e30 m or infinity."""

UNLABELLED = 255
"""In place of a category where a point has none."""


@dataclass
class Points:
    """N points with labels.

    Attributes:
        xyz: (N, 3) float32, metres; functions that take points name the frame.
        raw: (N,) uint8 category of the taxonomy, 255 where unlabelled.
        intensity: (N,) uint8.
    """

    xyz: np.ndarray
    raw: np.ndarray
    intensity: np.ndarray

    def __getitem__(self, selection: np.ndarray) -> 'Points':
        return Points(self.xyz[selection], self.raw[selection], self.intensity[selection])


def read_sweep(scene: Scene, sweep: int, scene_from_lidar: np.ndarray, config: SweepConfig) -> Points:
    """Read a sweep without no-returns and points on the own vehicle.

    Args:
        scene: the scene.
        sweep: which of its sweeps.
        scene_from_lidar: (4, 4) float64.
        config: which returns are from the world.

    Returns:
        The points in the scene frame, whose origin is where the ego vehicle starts. Within a kilometre of the origin
        float32 is exact to 0.06 mm; for global coordinates of some thousand metres it is exact to 0.2 mm only.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged; the message names it.
    """
    returns = returns_of(scene, sweep).points
    raw = np.full(len(returns), UNLABELLED, np.uint8)
    if scene.label_files[sweep] is not None:
        raw = read_categories(scene, sweep, len(returns))
    own_vehicle = -1 if scene.taxonomy.own_vehicle is None else scene.taxonomy.own_vehicle
    ego_from_lidar, own_box = scene.ego_from_lidar[sweep], scene.rig.own_box
    parts = scene_from_lidar, ego_from_lidar, own_box, config.near_m, own_vehicle
    return Points(*_keep_world(returns, raw, *parts, *scene.own_cells(sweep)))


@njit(inline='always', error_model='numpy')
def hits_world(point, ego_from_lidar, own_box, near_m, own_cells, low_m, cell_m):
    """Whether a return (lidar frame) is from the world: neither a no-return nor on the own vehicle."""
    x, y, z = point
    u, v, w = transformed(ego_from_lidar, point)
    # No branches: numba counts references to arrays that are used in branches, which takes longer. A coordinate that is
    # not a number fails these comparisons.
    beside = (u < own_box[0, 0]) | (u >= own_box[1, 0]) | (v < own_box[0, 1]) | (v >= own_box[1, 1])
    beside |= (w < own_box[0, 2]) | (w >= own_box[1, 2])
    side = len(own_cells)
    i, j, k = (x - low_m) / cell_m, (y - low_m) / cell_m, (z - low_m) / cell_m
    inside = (i >= 0) & (i < side) & (j >= 0) & (j < side) & (k >= 0) & (k < side)
    own = inside & own_cells[_clipped(i, side - 1), _clipped(j, side - 1), _clipped(k, side - 1)]
    squared_m = x * x + y * y + z * z
    return (squared_m > near_m * near_m) & (squared_m < FAR_M * FAR_M) & beside & (not own)


@njit(inline='always', error_model='numpy')
def _clipped(index, last):
    """The nearest index of 0 to `last`, 0 if the index is not a number."""
    index = index if index > 0 else 0.0
    # Unsigned: numba checks all other indices for negative values.
    return np.uint64(index if index < last else last)


@njit(cache=True, error_model='numpy')
def _keep_world(sweep, raw, scene_from_lidar, ego_from_lidar, own_box, near_m, own_vehicle, own_cells, low_m, cell_m):
    xyz = np.empty((len(sweep), 3), np.float32)
    kept_raw = np.empty(len(sweep), np.uint8)
    intensity = np.empty(len(sweep), np.uint8)
    n = 0
    for i in range(len(sweep)):
        point = np.float64(sweep[i, 0]), np.float64(sweep[i, 1]), np.float64(sweep[i, 2])
        if raw[i] == own_vehicle or not hits_world(point, ego_from_lidar, own_box, near_m, own_cells, low_m, cell_m):
            continue
        xyz[n] = transformed(scene_from_lidar, point)
        kept_raw[n] = raw[i]
        intensity[n] = min(max(np.rint(sweep[i, 3]), 0), 255)
        n += 1
    return xyz[:n].copy(), kept_raw[:n].copy(), intensity[:n].copy()
