"""The rays of RayIoU: their origins and directions.

Source: H. Liu et al., "Fully Sparse 3D Occupancy Prediction" (SparseOcc), ECCV 2024, and its released metric.
"""

import math
from collections.abc import Sequence

import numpy as np

MAX_ORIGINS = 8
MARGIN = 1.0
"""Origins closer than this to the sides of the grid are left out, metres."""


def ray_fan() -> np.ndarray:
    """Unit vectors of a lidar-like fan: 39 pitches, ascending, times 360 azimuths in steps of one degree.

    The lowest ten pitches look at flat ground at 1, 2, ..., 10 times the sensor's height; from there on they rise in
    equal steps past the top of the nuScenes lidar's field of view (0.21 rad).

    Returns:
        (14040, 3) float64; azimuth runs fastest, from x towards y.
    """
    pitches = [-math.atan2(1, distance) for distance in range(1, 11)]
    step = pitches[-1] - pitches[-2]
    while pitches[-1] < 0.21:
        pitches.append(pitches[-1] + step)
    pitch, azimuth = np.meshgrid(pitches, np.deg2rad(np.arange(360)), indexing='ij')
    rays = np.stack([np.cos(pitch) * np.cos(azimuth), np.cos(pitch) * np.sin(azimuth), np.sin(pitch)], axis=-1)
    return rays.reshape(-1, 3)


def ray_origins(
    grid_from_global: np.ndarray, global_from_lidars: Sequence[np.ndarray], extent: Sequence[float]
) -> np.ndarray:
    """Lidar positions of a scene from which the rays of one of its keyframes start.

    Args:
        grid_from_global: 4x4 float64 into the frame of the keyframe's grid.
        global_from_lidars: 4x4 float64 of each keyframe of the scene, in order of time.
        extent: range of the grid (``VoxelGrid.extent``), metres; only positions more than a metre inside its sides
            count (height does not matter), which for Occ3D's grid means within 39 m.

    Returns:
        (O, 3) float64, the grid's frame, metres; where there are more than 8, 8 spread evenly over them.
    """
    positions = np.stack(list(global_from_lidars))[:, :, 3] @ grid_from_global.T
    low, high = np.asarray(extent[:2]) + MARGIN, np.asarray(extent[3:5]) - MARGIN
    origins = positions[((positions[:, :2] > low) & (positions[:, :2] < high)).all(axis=1), :3]
    if len(origins) > MAX_ORIGINS:
        origins = origins[np.rint(np.linspace(0, len(origins) - 1, MAX_ORIGINS)).astype(int)]
    return origins
