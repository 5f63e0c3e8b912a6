"""The lidar mask and the camera mask of a keyframe's labels: the voxels whose state is known."""

import numpy as np

from project.formats import OccupancyLabels
from project.labels.config import DEFAULT, LabelConfig
from project.labels.visibility.camera_mask import camera_mask
from project.labels.visibility.free_space import observed
from project.sources.base import Scene


def masks_of(
    labels: OccupancyLabels, scene: Scene, k: int, free: np.ndarray, config: LabelConfig = DEFAULT
) -> tuple[np.ndarray, np.ndarray]:
    """Both masks of labels.

    Args:
        labels: the labels of the keyframe.
        scene: the scene.
        k: the keyframe.
        free: (X, Y, Z) bool, as :func:`.free_space.free_space` returns it for the labels' grid.

        config: thresholds.

    Returns:
        ``mask_lidar`` and ``mask_camera`` of :class:`OccupancyLabels`.
    """
    occupied = labels.grid.dense(labels.indices, np.ones(len(labels.indices), bool), False)
    ground = scene.taxonomy.label_of[list(scene.taxonomy.ground)]
    mask_lidar = observed(free, labels, ground, config.visibility)
    grid_from_global = scene.grid_from_global(k, labels.grid.frame)
    # As in Occ3D's files: a voxel that a camera sees but lidar never observed has no known state to score against.
    seen = camera_mask(scene.cameras[k], grid_from_global, labels.grid, occupied, config.visibility)
    return mask_lidar, mask_lidar & seen
