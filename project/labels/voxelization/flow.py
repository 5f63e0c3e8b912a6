"""How fast each voxel moves, from the track of the box that it belongs to."""

import numpy as np
from scipy.spatial.transform import Rotation

from project.formats import OccupancyLabels
from project.labels.aggregation.boxes import OUTSIDE, Boxes, box_of_points
from project.sources.base import Scene


def flow_of(labels: OccupancyLabels, scene: Scene, k: int) -> np.ndarray:
    """Velocity of every occupied voxel.

    A voxel moves with a box that reaches into it and has its label: along with the box's centre, and around it as the
    box turns. All others, and objects annotated at no neighbouring keyframe, have velocity 0.

    Args:
        labels: N occupied voxels of the keyframe.
        scene: the scene.
        k: the keyframe.

    Returns:
        (N, 3) float32 over ground, along the axes of the grid, m/s.
    """
    grid, tracks = labels.grid, scene.tracks
    seconds = (scene.timestamps_us[scene.keyframe_sweeps] - scene.timestamps_us[0]) / 1e6
    grid_from_global = scene.grid_from_global(k, grid.frame)
    present = np.flatnonzero(tracks.present[k])
    grid_from_box = grid_from_global @ tracks.global_from_box[k, present]
    # A box reaches into voxels whose middles are up to half a diagonal outside.
    sizes = tracks.sizes[k, present] + np.linalg.norm(grid.voxel_size)
    categories = scene.taxonomy.label_of[tracks.categories[present]]
    boxes = Boxes(present, grid_from_box, sizes, categories, np.zeros(len(present), bool))
    centres = grid.centres(labels.indices)
    box = box_of_points(centres.astype(np.float32), labels.classes, boxes)
    moving = np.flatnonzero(box != OUTSIDE)
    moving = moving[categories[box[moving]] == labels.classes[moving]]
    linear, angular = _velocities(tracks.present, tracks.global_from_box, seconds, k)
    turn, owner = grid_from_global[:3, :3], box[moving]
    arms = centres[moving] - grid_from_box[owner, :3, 3]
    flow = np.zeros((len(centres), 3), np.float32)
    flow[moving] = (linear[present] @ turn.T)[owner] + np.cross((angular[present] @ turn.T)[owner], arms)
    return flow


def _velocities(
    present: np.ndarray, global_from_box: np.ndarray, seconds: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Velocity (T, 3) and turning velocity (T, 3; radians) of tracks from the keyframe before to the one after."""
    linear, angular = np.zeros((present.shape[1], 3)), np.zeros((present.shape[1], 3))
    before, after = max(k - 1, 0), min(k + 1, len(seconds) - 1)
    for first, last in ((before, k), (k, after), (before, after)):
        # The widest interval that a track is annotated at both ends of counts: it comes last.
        both = np.flatnonzero(present[[first, k, last]].all(axis=0))
        if first == last or not len(both):
            continue
        start, stop, span = global_from_box[first, both], global_from_box[last, both], seconds[last] - seconds[first]
        linear[both] = (stop[:, :3, 3] - start[:, :3, 3]) / span
        turns = stop[:, :3, :3] @ np.swapaxes(start[:, :3, :3], 1, 2)
        angular[both] = Rotation.from_matrix(turns).as_rotvec() / span
    return linear, angular
