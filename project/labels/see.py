"""Step 5, see: which voxels lidar has observed in the window, as occupied or as free.

A beam is free up to its return. What it tells depends on whose voxel it crosses: the static world is the same at all
times, so a beam of any time of the window shows that nothing static is there; an object is judged in the frame of its
own box. At the time of the keyframe a voxel is free when it is free of the static world and, inside a box, also of the
box's object.
"""

from dataclasses import dataclass

import numpy as np

from project.formats import OccupancyLabels
from project.grid import VoxelGrid
from project.labels.beams import Beams
from project.labels.boxes import MARGIN_M
from project.labels.columns import columns_of, layers_of, layers_of_columns, spread, voxels_of
from project.labels.geometry import inverse
from project.labels.passages import Passages, find_passages
from project.labels.scene import Scene
from project.labels.through import cast_beams, cast_passages, mark_boxes

GAP_M = 1.2
"""How far from labelled ground the ground may go on between the rings of the lidar."""


@dataclass(frozen=True)
class Sight:
    """What the lidar of a scene has looked through.

    Attributes:
        beams: all beams.
        passages: their parts inside boxes.
        scene_from_global: (4, 4) float64, the frame of the beams.
    """

    beams: Beams
    passages: Passages
    scene_from_global: np.ndarray


def sight_of(scene: Scene, beams: Beams, scene_from_global: np.ndarray) -> Sight:
    """What a scene's lidar has looked through."""
    return Sight(beams, find_passages(scene, beams, scene_from_global), scene_from_global)


def free_space(scene: Scene, sight: Sight, k: int, num_sweeps: int, grid: VoxelGrid) -> np.ndarray:
    """Cast the beams of the window around a keyframe.

    Args:
        scene: the scene.
        sight: its beams.
        k: the keyframe.
        num_sweeps: keyframes before and after it that are in the window.
        grid: the voxels, around the lidar or the car at this keyframe; at most 64 layers.

    Returns:
        (X, Y, Z) bool, voxels that a beam passes through and, where their centre is in a box of the keyframe, one that
        passes through in the box's frame as well. Occupied voxels are among them, since a beam can pass beside what
        is in a voxel.
    """
    first, last = 2 * max(k - num_sweeps, 0), 2 * min(k + num_sweeps, len(scene.keyframes) - 1)
    sweeps = np.flatnonzero((scene.ticks >= first) & (scene.ticks <= last))
    grid_from_global = scene.grid_from_global(k, grid.frame)
    voxels_from_scene = grid.voxels_from_frame @ grid_from_global @ inverse(sight.scene_from_global)
    beams, passages = sight.beams, sight.passages
    unseen = columns_of(layers_of(np.ones(grid.shape, bool)), grid.shape[2])
    cast_beams(unseen, sweeps, beams.ends, beams.shares, beams.starts, beams.origins, voxels_from_scene)

    tracks = np.flatnonzero(scene.tracks.present[k])
    grid_from_box = grid_from_global @ scene.tracks.global_from_box[k, tracks]
    box_from_voxels = inverse(grid_from_box) @ np.linalg.inv(grid.voxels_from_frame)
    voxels_from_box = grid.voxels_from_frame @ grid_from_box
    unseen_in_box = columns_of(layers_of(np.zeros(grid.shape, bool)), grid.shape[2])
    mark_boxes(unseen_in_box, box_from_voxels, voxels_from_box, scene.tracks.sizes[k, tracks] / 2 + MARGIN_M)
    starts, stops = passages.starts[tracks, first], passages.starts[tracks, last + 1]
    cast_passages(unseen_in_box, passages.lines, passages.ended, starts, stops, voxels_from_box)
    return voxels_of(~(layers_of_columns(unseen) | layers_of_columns(unseen_in_box)), grid.shape[2])


def observed(free: np.ndarray, labels: OccupancyLabels, ground: np.ndarray) -> np.ndarray:
    """Voxels whose state lidar has shown: those with a label, and those that are free without doubt.

    Between the rings that a lidar draws on the road no beam ends, and those to the farther ring pass through the road's
    voxels at a grazing angle, above the road and yet inside. So where a column has no voxel of ground, what is level
    with ground nearby is not known.

    Args:
        free: (X, Y, Z) bool, as :func:`free_space` returns it.
        labels: what is occupied.
        ground: labels that are ground.

    Returns:
        (X, Y, Z) bool.
    """
    of_ground = layers_of(labels.grid.dense(labels.indices, np.isin(labels.classes, ground), False))
    reach = np.ceil(GAP_M / np.array(labels.grid.voxel_size[:2])).astype(int)
    level = spread(spread(of_ground, reach[0]).T, reach[1]).T
    known = free & ~voxels_of(np.where(of_ground, np.uint64(0), level), free.shape[2])
    known[tuple(labels.indices.T)] = True
    return known
