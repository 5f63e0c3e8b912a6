"""Steps 5 and 6 together: the masks that say which voxels of a keyframe's labels are known."""

import numpy as np

from project.formats import OccupancyLabels
from project.labels.ground import RAW_GROUND
from project.labels.look import seen_by_cameras
from project.labels.scene import Scene
from project.labels.see import BeamCounts, observed
from project.taxonomy import LabelMapping


def add_masks(labels: OccupancyLabels, scene: Scene, k: int, beams: BeamCounts, mapping: LabelMapping) -> None:
    """Add both masks to labels.

    Args:
        labels: the labels of the keyframe; takes the masks.
        scene: the scene.
        k: the keyframe.
        beams: beams through the voxels of the labels' grid.
        mapping: label of each lidarseg index.
    """
    occupied = labels.grid.dense(labels.indices, np.ones(len(labels.indices), bool), False)
    labels.mask_lidar = observed(beams.free, labels, mapping.learning_map[list(RAW_GROUND)])
    grid_from_global = scene.grid_from_global(k, labels.grid.frame)
    # As in Occ3D's files: what a camera sees but lidar never did has no known state to be scored by.
    labels.mask_camera = labels.mask_lidar & seen_by_cameras(scene.cameras[k], grid_from_global, labels.grid, occupied)
