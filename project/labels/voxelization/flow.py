"""The velocity of each voxel, from the track of the box that it belongs to."""

import numpy as np
from scipy.spatial.transform import Rotation

from project.formats import OccupancyLabels
from project.labels.aggregation.boxes import OUTSIDE
from project.sources.base import Scene


def flow_of(labels: OccupancyLabels, track: np.ndarray, scene: Scene, k: int) -> np.ndarray:
    """Velocity of every occupied voxel.

    A voxel of a track moves with the centre of the track's box, and around it as the box turns. All other voxels, and
    objects without an annotation at a neighbouring keyframe, have velocity 0.

    Args:
        labels: N occupied voxels of the keyframe.
        track: (N,) int32 track of each voxel, as :func:`.instances.track_of_voxels` returns it.
        scene: the scene.
        k: the keyframe.

    Returns:
        (N, 3) float32 over ground, along the axes of the grid, m/s.
    """
    grid, tracks = labels.grid, scene.tracks
    seconds = (scene.timestamps_us[scene.keyframe_sweeps] - scene.timestamps_us[0]) / 1e6
    grid_from_global = scene.grid_from_global(k, grid.frame)
    linear, angular = _velocities(tracks.present, tracks.global_from_box, seconds, k)
    moving = np.flatnonzero(track != OUTSIDE)
    present, owner = np.unique(track[moving], return_inverse=True)
    boxes = (grid_from_global @ tracks.global_from_box[k, present])[:, :3, 3]
    turn = grid_from_global[:3, :3]
    arms = grid.centres(labels.indices[moving]) - boxes[owner]
    flow = np.zeros((len(track), 3), np.float32)
    flow[moving] = (linear[present] @ turn.T)[owner] + np.cross((angular[present] @ turn.T)[owner], arms)
    return flow


def _velocities(
    present: np.ndarray, global_from_box: np.ndarray, seconds: np.ndarray, k: int
) -> tuple[np.ndarray, np.ndarray]:
    """Velocity (T, 3) and angular velocity (T, 3; radians) of tracks from the keyframe before to the one after."""
    linear, angular = np.zeros((present.shape[1], 3)), np.zeros((present.shape[1], 3))
    before, after = max(k - 1, 0), min(k + 1, len(seconds) - 1)
    for first, last in ((before, k), (k, after), (before, after)):
        # The widest interval with annotations at both ends counts: it comes last.
        both = np.flatnonzero(present[[first, k, last]].all(axis=0))
        if first == last or not len(both):
            continue
        start, stop, span = global_from_box[first, both], global_from_box[last, both], seconds[last] - seconds[first]
        linear[both] = (stop[:, :3, 3] - start[:, :3, 3]) / span
        turns = stop[:, :3, :3] @ np.swapaxes(start[:, :3, :3], 1, 2)
        angular[both] = Rotation.from_matrix(turns).as_rotvec() / span
    return linear, angular
