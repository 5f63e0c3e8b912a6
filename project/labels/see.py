"""Step 5, see: which voxels lidar has observed in the window, as occupied or as free.

A beam is free up to its return. What it tells depends on whose voxel it crosses: the static world is the same at all
times, so a beam of any time of the window shows that nothing static is there; an object is judged in the frame of its
own box. At the time of the keyframe a voxel is free when it is free of the static world and, inside a box, also of the
box's object.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter

from project.formats import OccupancyLabels
from project.grid import VoxelGrid
from project.labels.beams import Beams, read_beams
from project.labels.boxes import MARGIN_M
from project.labels.geometry import inverse
from project.labels.passages import Passages, find_passages
from project.labels.scene import Scene
from project.labels.through import IN_BOX, cast_beams, cast_passages, mark_boxes

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


def sight_of(scene: Scene, scene_from_global: np.ndarray) -> Sight:
    """Read what a scene's lidar has looked through.

    Raises:
        FileNotFoundError, ValueError: a file of the scene is missing or damaged; the message names it.
    """
    beams = read_beams(scene, scene_from_global)
    return Sight(beams, find_passages(scene, beams, scene_from_global), scene_from_global)


def observed(free: np.ndarray, labels: OccupancyLabels, ground: np.ndarray) -> np.ndarray:
    """Voxels whose state lidar has shown: those with a label, and those that are free without doubt.

    Between the rings that a lidar draws on the road no beam ends, and those to the farther ring pass through the road's
    voxels at a grazing angle, above the road and yet inside. So where a column has no voxel of ground, what is level
    with ground nearby is not known.

    Args:
        free: (X, Y, Z) bool, passed through as :class:`BeamCounts` has it.
        labels: what is occupied.
        ground: labels that are ground.

    Returns:
        (X, Y, Z) bool.
    """
    is_ground = labels.grid.dense(labels.indices, np.isin(labels.classes, ground), False)
    reach = 2 * np.ceil(GAP_M / np.array(labels.grid.voxel_size[:2])).astype(int) + 1
    level = maximum_filter(is_ground, (*reach, 1), mode='constant')
    known = free & ~(level & ~is_ground.any(axis=2, keepdims=True))
    known[tuple(labels.indices.T)] = True
    return known


@dataclass(frozen=True)
class BeamCounts:
    """What the beams of a window tell about the voxels of a grid.

    Attributes:
        passes: (X, Y, Z) int32 beams that pass through a voxel; beams from one voxel to one voxel count once.
        ends: (X, Y, Z) int32 beams that end in it.
        free: (X, Y, Z) bool, passed through and, where the keyframe has a box, passed through in the box's frame as
            well. Occupied voxels are among them, since a beam can pass beside what is in a voxel.
    """

    passes: np.ndarray
    ends: np.ndarray
    free: np.ndarray


def count_beams(scene: Scene, sight: Sight, k: int, num_sweeps: int, grid: VoxelGrid) -> BeamCounts:
    """Cast the beams of the window around a keyframe.

    Args:
        scene: the scene.
        sight: its beams.
        k: the keyframe.
        num_sweeps: keyframes before and after it that are in the window.
        grid: the voxels, around the lidar or the car at this keyframe.
    """
    first, last = 2 * max(k - num_sweeps, 0), 2 * min(k + num_sweeps, len(scene.keyframes) - 1)
    grid_from_global = scene.grid_from_global(k, grid.frame)
    tracks = np.flatnonzero(scene.tracks.present[k])
    grid_from_box = grid_from_global @ scene.tracks.global_from_box[k, tracks]
    sweeps = np.flatnonzero((scene.ticks >= first) & (scene.ticks <= last))
    beams, passages = sight.beams, sight.passages
    minimum, size, shape = np.array(grid.minimum), np.array(grid.voxel_size), np.array(grid.shape)

    grid_from_scene = grid_from_global @ inverse(sight.scene_from_global)
    passes, ends = np.zeros(grid.size, np.int32), np.zeros(grid.size, np.int32)
    cast_beams(
        passes,
        ends,
        sweeps,
        beams.ends,
        beams.shares,
        beams.starts,
        beams.origins,
        grid_from_scene,
        minimum,
        size,
        shape,
    )
    in_box = np.zeros(grid.size, np.uint8)
    half = scene.tracks.sizes[k, tracks] / 2 + MARGIN_M
    mark_boxes(in_box, inverse(grid_from_box), grid_from_box, half, minimum, size, shape)
    starts, stops = passages.starts[tracks, first], passages.starts[tracks, last + 1]
    cast_passages(in_box, passages.lines, passages.ended, starts, stops, grid_from_box, minimum, size, shape)
    free = (passes > 0) & (in_box != IN_BOX)
    return BeamCounts(passes.reshape(grid.shape), ends.reshape(grid.shape), free.reshape(grid.shape))
