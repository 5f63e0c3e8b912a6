"""Beams through the voxels of a grid: the loops of seeing."""

import numpy as np
from numba import njit

from project.labels.beams import origin_of
from project.labels.walk import carried, clipped, walk

IN_BOX, FREE_IN_BOX = 1, 2
"""Marks of voxels whose centre is in a box: not passed through in the frame of the box, or passed through."""


@njit(cache=True, error_model='numpy')
def cast_beams(passes, beam_ends, sweeps, ends, shares, starts, origins, grid_from_scene, minimum, size, shape):
    """Count the beams of some sweeps through and into the voxels of a grid."""
    path = np.empty(shape.sum(), np.int64)
    # Beams from one voxel to one voxel tell about the same: the first is cast. Whence the last beam to a voxel came:
    cast_from = np.full(len(passes), -1, np.int64)
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
            beam_ends[voxel] += leave >= 1
            origin = _origin_key(start)
            if cast_from[voxel] == origin:
                continue
            cast_from[voxel] = origin
            n = walk((start[0] + enter * wx, start[1] + enter * wy, start[2] + enter * wz), last, shape, path)
            # The voxel of the return itself is not free; one in which the beam leaves the grid is.
            for at in range(n - (leave >= 1)):
                passes[path[at]] += 1


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
def mark_boxes(in_box, box_from_grid, grid_from_box, half, minimum, size, shape):
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
def cast_passages(in_box, lines, ended, starts, stops, grid_from_box, minimum, size, shape):
    """Mark the voxels in boxes that beams have passed through in the frame of the box."""
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
