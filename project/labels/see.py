"""Step 5, see: which voxels lidar has observed in the window, as occupied or as free.

A beam is free up to its return. What it tells depends on whose voxel it crosses: the static world is the same at all
times, so a beam of any time of the window shows that nothing static is there; an object is judged in the frame of its
own box. At the time of the keyframe a voxel is free when it is free of the static world and, inside a box, also of the
box's object.
"""

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.ndimage import maximum_filter

from project.formats import OccupancyLabels
from project.grid import VoxelGrid
from project.labels.beams import Beams, origin_of, read_beams
from project.labels.boxes import MARGIN_M
from project.labels.geometry import inverse
from project.labels.passages import Passages, find_passages
from project.labels.scene import Scene
from project.labels.walk import carried, clipped, walk

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
        free: (X, Y, Z) bool as :func:`seen_free` returns it.
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


def seen_free(scene: Scene, sight: Sight, k: int, num_sweeps: int, grid: VoxelGrid) -> np.ndarray:
    """Voxels that beams of the window around a keyframe have passed through.

    Args:
        scene: the scene.
        sight: its beams.
        k: the keyframe.
        num_sweeps: keyframes before and after it that are in the window.
        grid: the voxels, around the lidar or the car at this keyframe.

    Returns:
        (X, Y, Z) bool. Occupied voxels are among them, since a beam can pass beside what is in a voxel.
    """
    first, last = 2 * max(k - num_sweeps, 0), 2 * min(k + num_sweeps, len(scene.keyframes) - 1)
    grid_from_global = scene.grid_from_global(k, grid.frame)
    tracks = np.flatnonzero(scene.tracks.present[k])
    grid_from_box = grid_from_global @ scene.tracks.global_from_box[k, tracks]
    sweeps = np.flatnonzero((scene.ticks >= first) & (scene.ticks <= last))
    beams, passages = sight.beams, sight.passages
    minimum, size, shape = np.array(grid.minimum), np.array(grid.voxel_size), np.array(grid.shape)

    grid_from_scene = grid_from_global @ inverse(sight.scene_from_global)
    free = np.zeros(grid.size, np.uint8)
    _cast_beams(
        free, sweeps, beams.ends, beams.shares, beams.starts, beams.origins, grid_from_scene, minimum, size, shape
    )
    in_box = np.zeros(grid.size, np.uint8)
    _mark_boxes(
        in_box,
        inverse(grid_from_box),
        grid_from_box,
        scene.tracks.sizes[k, tracks] / 2 + MARGIN_M,
        minimum,
        size,
        shape,
    )
    starts, stops = passages.starts[tracks, first], passages.starts[tracks, last + 1]
    _cast_passages(in_box, passages.lines, passages.ended, starts, stops, grid_from_box, minimum, size, shape)
    return ((free == 1) & (in_box != IN_BOX)).reshape(grid.shape)


IN_BOX, FREE_IN_BOX = 1, 2


@njit(cache=True, error_model='numpy')
def _cast_beams(free, sweeps, ends, shares, starts, origins, grid_from_scene, minimum, size, shape):
    path = np.empty(shape.sum(), np.int64)
    # Beams from one voxel to one voxel tell about the same: the first is cast. Whence the last beam to a voxel came:
    cast_from = np.full(len(free), -1, np.int64)
    for sweep in sweeps:
        for i in range(starts[sweep], starts[sweep + 1]):
            start = carried(grid_from_scene, origin_of(origins[sweep], shares[i]), minimum, size)
            stop = carried(grid_from_scene, ends[i], minimum, size)
            enter, leave = clipped(start, stop, shape)
            if enter >= leave:
                continue
            wx, wy, wz = stop[0] - start[0], stop[1] - start[1], stop[2] - start[2]
            last = (start[0] + leave * wx, start[1] + leave * wy, start[2] + leave * wz)
            voxel = _position(last, shape)
            origin = _origin_key(start)
            if cast_from[voxel] == origin:
                continue
            cast_from[voxel] = origin
            n = walk((start[0] + enter * wx, start[1] + enter * wy, start[2] + enter * wz), last, shape, path)
            # The voxel of the return itself is not free; one in which the beam leaves the grid is.
            for at in range(n - (leave >= 1)):
                free[path[at]] = 1


@njit(inline='always', error_model='numpy')
def _position(point, shape):
    x = min(max(int(np.floor(point[0])), 0), shape[0] - 1)
    y = min(max(int(np.floor(point[1])), 0), shape[1] - 1)
    z = min(max(int(np.floor(point[2])), 0), shape[2] - 1)
    return (x * shape[1] + y) * shape[2] + z


@njit(inline='always', error_model='numpy')
def _origin_key(point):
    """A number for the voxel of a point that may be far outside the grid; never negative."""
    x, y, z = int(np.floor(point[0])), int(np.floor(point[1])), int(np.floor(point[2]))
    return ((x & 0xFFFFF) << 40) | ((y & 0xFFFFF) << 20) | (z & 0xFFFFF)


@njit(cache=True, error_model='numpy')
def _mark_boxes(in_box, box_from_grid, grid_from_box, half, minimum, size, shape):
    """Mark the voxels whose centres lie in boxes."""
    for b in range(len(half)):
        low, high = np.empty(3, np.int64), np.empty(3, np.int64)
        for axis in range(3):
            m = grid_from_box[b, axis]
            reach = abs(m[0]) * half[b, 0] + abs(m[1]) * half[b, 1] + abs(m[2]) * half[b, 2]
            low[axis] = max(int(np.floor((m[3] - reach - minimum[axis]) / size[axis])), 0)
            high[axis] = min(int(np.floor((m[3] + reach - minimum[axis]) / size[axis])) + 1, shape[axis])
        for x in range(low[0], high[0]):
            for y in range(low[1], high[1]):
                for z in range(low[2], high[2]):
                    cx, cy, cz = (
                        minimum[0] + (x + 0.5) * size[0],
                        minimum[1] + (y + 0.5) * size[1],
                        minimum[2] + (z + 0.5) * size[2],
                    )
                    inside = True
                    for axis in range(3):
                        m = box_from_grid[b, axis]
                        inside = inside and abs(m[0] * cx + m[1] * cy + m[2] * cz + m[3]) <= half[b, axis]
                    if inside:
                        in_box[(x * shape[1] + y) * shape[2] + z] = IN_BOX


@njit(cache=True, error_model='numpy')
def _cast_passages(in_box, lines, ended, starts, stops, grid_from_box, minimum, size, shape):
    path = np.empty(shape.sum(), np.int64)
    for b in range(len(starts)):
        for i in range(starts[b], stops[b]):
            start = carried(grid_from_box[b], lines[i, 0], minimum, size)
            stop = carried(grid_from_box[b], lines[i, 1], minimum, size)
            enter, leave = clipped(start, stop, shape)
            if enter >= leave:
                continue
            wx, wy, wz = stop[0] - start[0], stop[1] - start[1], stop[2] - start[2]
            first = (start[0] + enter * wx, start[1] + enter * wy, start[2] + enter * wz)
            last = (start[0] + leave * wx, start[1] + leave * wy, start[2] + leave * wz)
            n = walk(first, last, shape, path)
            for at in range(n - (ended[i] and leave >= 1)):
                if in_box[path[at]] == IN_BOX:
                    in_box[path[at]] = FREE_IN_BOX
