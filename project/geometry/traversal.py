"""The voxels that a straight line passes through (Amanatides and Woo, "A Fast Voxel Traversal Algorithm", 1987)."""

import numpy as np
from numba import njit


def longest_traversal(shape: tuple[int, int, int]) -> int:
    """Most voxels that a line can pass through in an array of a shape."""
    return sum(shape) - 2


@njit(inline='always', error_model='numpy')
def transformed(m, point):
    """A point by a (4, 4) transform."""
    x, y, z = np.float64(point[0]), np.float64(point[1]), np.float64(point[2])
    u = m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]
    v = m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]
    w = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
    return u, v, w


@njit(inline='always', error_model='numpy')
def clip_to_grid(start, stop, shape):
    """The part of a line inside the grid, as two shares of the line; the second is the lower one if there is none."""
    enter, leave = 0.0, 1.0
    for axis in range(3):
        step = stop[axis] - start[axis]
        if step == 0.0:
            if not 0 <= start[axis] < shape[axis]:
                leave = -1.0
            continue
        low, high = -start[axis] / step, (shape[axis] - start[axis]) / step
        enter, leave = max(enter, min(low, high)), min(leave, max(low, high))
    return enter, leave


@njit(inline='always', error_model='numpy')
def _axis(start, stop, n, stride):
    """Along one axis: first voxel, number of steps, stride of a step, share of the line at the next and per step."""
    cell = min(max(int(np.floor(start)), 0), n - 1)
    last = min(max(int(np.floor(stop)), 0), n - 1)
    if cell == last:
        return cell, 0, 0, np.inf, 0.0
    share = 1 / (stop - start)
    if last > cell:
        return cell, last - cell, stride, (cell + 1 - start) * share, share
    return cell, cell - last, -stride, (cell - start) * share, -share


@njit(error_model='numpy')
def traverse(start, stop, shape, path, walls=None):
    """Walk along a line, given in units of voxels, inside the grid.

    Args:
        start, stop: (x, y, z); what rounding puts outside the grid counts as its border voxel.
        shape: of the grid.
        path: takes the positions of the voxels in ``grid.ravel`` order; :func:`longest_traversal` tells how many.
        walls: (voxels,) bool; if given, the traversal ends early in the first of these after the voxel it starts in.

    Returns:
        Number of voxels; the first holds `start` and the last, unless there was a wall, `stop`.
    """
    x, nx, sx, tx, dx = _axis(start[0], stop[0], shape[0], shape[1] * shape[2])
    y, ny, sy, ty, dy = _axis(start[1], stop[1], shape[1], shape[2])
    z, nz, sz, tz, dz = _axis(start[2], stop[2], shape[2], 1)
    position = (x * shape[1] + y) * shape[2] + z
    path[0] = position
    n = nx + ny + nz
    for i in range(1, n + 1):
        if tx <= ty and tx <= tz:
            position += sx
            nx -= 1
            # A border that rounding lets the line reach too early is not crossed twice.
            tx = tx + dx if nx else np.inf
        elif ty <= tz:
            position += sy
            ny -= 1
            ty = ty + dy if ny else np.inf
        else:
            position += sz
            nz -= 1
            tz = tz + dz if nz else np.inf
        path[i] = position
        if walls is not None and walls[position]:
            return i + 1
    return n + 1
