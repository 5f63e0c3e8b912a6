"""The object of each voxel: the track of the box that reaches into it."""

import numpy as np

from project.formats import OccupancyLabels
from project.labels.aggregation.boxes import OUTSIDE, Boxes, box_of_points
from project.sources.base import Scene, Tracks


def track_of_voxels(labels: OccupancyLabels, scene: Scene, k: int) -> np.ndarray:
    """The track of each occupied voxel: that of a box that reaches into the voxel and has its label.

    Args:
        labels: N occupied voxels of the keyframe.
        scene: the scene.
        k: the keyframe.

    Returns:
        (N,) int32 track of the scene, :data:`OUTSIDE` for none.
    """
    grid, tracks = labels.grid, scene.tracks
    present = np.flatnonzero(tracks.present[k])
    grid_from_box = scene.grid_from_global(k, grid.frame) @ tracks.global_from_box[k, present]
    # A box reaches into voxels whose middles are up to half a diagonal outside.
    sizes = tracks.sizes[k, present] + np.linalg.norm(grid.voxel_size)
    categories = scene.taxonomy.label_of[tracks.categories[present]]
    boxes = Boxes(present, grid_from_box, sizes, categories, np.zeros(len(present), bool))
    box = box_of_points(grid.centres(labels.indices).astype(np.float32), labels.classes, boxes)
    # The position OUTSIDE is the last one of what is appended.
    own = np.append(categories, 0)[box] == labels.classes
    return np.where(own & (box != OUTSIDE), np.append(present, OUTSIDE)[box], OUTSIDE).astype(np.int32)


def instances_of(track: np.ndarray, tracks: Tracks) -> np.ndarray:
    """(N,) uint32 instances of voxels: 1 + the number of the track in the scene, the same at all its keyframes; 0 where
    there is none."""
    # The position OUTSIDE is the last one.
    return (np.append(tracks.numbers, OUTSIDE)[track] + 1).astype(np.uint32)
