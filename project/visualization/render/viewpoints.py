"""The ego car and the standard views of it, for grids that are fixed to the ego or to the lidar frame."""

import numpy as np

from project.grid import VoxelGrid
from project.visualization.render.camera import Camera

LIDAR_MOUNT = (0.94, 0.0, 1.84)
"""Where nuScenes' lidar sits in the ego frame, metres; close enough to draw the car around it."""

EGO_BODY = ((-0.8, -0.87, 0.25, 3.3, 0.87, 0.95), (-0.7, -0.78, 0.95, 2.1, 0.78, 1.55))
"""Body and cabin of the car, x_min, y_min, z_min, x_max, y_max, z_max in the ego frame, metres."""

NEAR_RANGE = 40.0
"""Half the width of the world that the following camera is set up for, metres."""


FIELD_OF_VIEW_DEG = 46
"""Height of the following camera's view."""


def forward(grid: VoxelGrid) -> np.ndarray:
    """(3,) unit vector of the driving direction in the grid's frame."""
    return np.array([0.0, 1.0, 0.0]) if grid.frame == 'lidar' else np.array([1.0, 0.0, 0.0])


def from_ego(grid: VoxelGrid, points: np.ndarray) -> np.ndarray:
    """Ego-frame points (N, 3) in the grid's frame, with the nominal place of the lidar."""
    points = np.asarray(points, float)
    if grid.frame != 'lidar':
        return points
    # The lidar looks along y where the ego frame looks along x.
    moved = points - LIDAR_MOUNT
    return np.stack([-moved[:, 1], moved[:, 0], moved[:, 2]], axis=1)


def ego_car(grid: VoxelGrid) -> np.ndarray:
    """(2, 6) boxes of the ego car, x_min, y_min, z_min, x_max, y_max, z_max in the grid's frame, metres."""
    corners = from_ego(grid, np.reshape(EGO_BODY, (-1, 3))).reshape(-1, 2, 3)
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def following_pose(grid: VoxelGrid) -> np.ndarray:
    """(2, 3) place and target of a camera behind and above the ego car, steep enough to look over roadside trees."""
    reach = min(1.0, max(np.abs(np.array(grid.extent)[[0, 1, 3, 4]])) / NEAR_RANGE)
    return from_ego(grid, np.array([(-17.0 * reach, 0.0, 24.0 * reach), (8.0 * reach, 0.0, 0.0)]))


def overhead_pose(grid: VoxelGrid) -> np.ndarray:
    """(2, 3) place and target of a perspective camera that sees the whole grid from above, driving direction up."""
    low, high = np.array(grid.minimum), np.array(grid.maximum)
    target = np.array([*(low + high)[:2] / 2, high[2]])
    rise = 0.52 * max((high - low)[:2]) / np.tan(np.radians(FIELD_OF_VIEW_DEG / 2))
    # Exactly above the target "up" would have no meaning.
    return np.stack([target + rise * (np.array([0, 0, 1]) - 0.001 * forward(grid)), target])


def following_view(grid: VoxelGrid, width_px: int, height_px: int) -> Camera:
    """The ego car and what lies ahead, from :func:`following_pose`."""
    position, target = following_pose(grid)
    return Camera.look_at(position, target, FIELD_OF_VIEW_DEG, width_px, height_px)


def overhead_view(grid: VoxelGrid, width_px: int, height_px: int) -> Camera:
    """The whole grid from above, driving direction up, without perspective."""
    low, high = np.array(grid.minimum), np.array(grid.maximum)
    up = forward(grid)
    along, across = np.abs(up) @ (high - low), np.abs(np.cross(up, (0, 0, 1))) @ (high - low)
    height = max(along, across * height_px / width_px)
    centre = np.array([*(low + high)[:2] / 2, high[2] + 1])
    return Camera.overhead(centre, up, height, width_px, height_px)
