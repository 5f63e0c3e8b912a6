"""The voxels that a straight line passes through (Amanatides and Woo, "A Fast Voxel Traversal Algorithm", 1987)."""

import numpy as np
from numba import njit


def longest_traversal(shape: tuple[int, int, int]) -> int:
    """The largest number of voxels that a line can pass through in an array of this shape."""
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
    """Along one axis: first voxel, steps left, stride of a step, share of the line at the next border and per voxel."""
    cell = min(max(int(np.floor(start)), 0), n - 1)
    last = min(max(int(np.floor(stop)), 0), n - 1)
    if cell == last:
        return cell, 0, 0, np.inf, 0.0
    share = 1 / (stop - start)
    if last > cell:
        return cell, last - cell, stride, (cell + 1 - start) * share, share
    return cell, cell - last, -stride, (cell - start) * share, -share


@njit(inline='always', error_model='numpy')
def begin(start, stop, shape):
    """Start the traversal of a line inside the grid, in units of voxels.

    A point that rounding puts outside the grid counts as its border voxel.

    Returns:
        Position of the first voxel in ``grid.ravel`` order, number of steps to the last, and the state for
        :func:`advance`.
    """
    x, nx, sx, tx, dx = _axis(start[0], stop[0], shape[0], shape[1] * shape[2])
    y, ny, sy, ty, dy = _axis(start[1], stop[1], shape[1], shape[2])
    z, nz, sz, tz, dz = _axis(start[2], stop[2], shape[2], 1)
    state = nx, ny, nz, tx, ty, tz, sx, sy, sz, dx, dy, dz
    return (x * shape[1] + y) * shape[2] + z, nx + ny + nz, state


@njit(inline='always')
def advance(state):
    """Step into the next voxel.

    Returns:
        Change of the position, axis along which the line crosses into the voxel, share of the line at which it does,
        and the next state.
    """
    nx, ny, nz, tx, ty, tz, sx, sy, sz, dx, dy, dz = state
    # A border that rounding lets the line reach too early is not crossed twice.
    if tx <= ty and tx <= tz:
        return sx, 0, tx, (nx - 1, ny, nz, tx + dx if nx > 1 else np.inf, ty, tz, sx, sy, sz, dx, dy, dz)
    if ty <= tz:
        return sy, 1, ty, (nx, ny - 1, nz, tx, ty + dy if ny > 1 else np.inf, tz, sx, sy, sz, dx, dy, dz)
    return sz, 2, tz, (nx, ny, nz - 1, tx, ty, tz + dz if nz > 1 else np.inf, sx, sy, sz, dx, dy, dz)


@njit(error_model='numpy')
def traverse(start, stop, shape, path, walls=None):
    """List the voxels along a line inside the grid, in units of voxels.

    Args:
        start, stop: (x, y, z).
        shape: of the grid.
        path: receives the positions of the voxels in ``grid.ravel`` order; :func:`longest_traversal` gives its size.
        walls: (voxels,) bool; if given, the traversal ends early in the first of these after the voxel it starts in.

    Returns:
        Number of voxels; the first holds `start` and the last, unless there was a wall, `stop`.
    """
    position, steps, state = begin(start, stop, shape)
    path[0] = position
    for i in range(1, steps + 1):
        change, _, _, state = advance(state)
        position += change
        path[i] = position
        if walls is not None and walls[position]:
            return i + 1
    return steps + 1


@njit(error_model='numpy')
def first_occupied(start, stop, shape, occupied):
    """The first occupied voxel on a line inside the grid, in units of voxels.

    Args:
        start, stop: (x, y, z).
        shape: of the grid.
        occupied: (voxels,) bool in ``grid.ravel`` order.

    Returns:
        Its position, -1 if there is none; the axis along which the line enters it, -1 if it starts there; the share of
        the line at which it does.
    """
    position, steps, state = begin(start, stop, shape)
    if occupied[position]:
        return position, -1, 0.0
    for _ in range(steps):
        change, axis, share, state = advance(state)
        position += change
        if occupied[position]:
            return position, axis, share
    return -1, -1, np.inf
