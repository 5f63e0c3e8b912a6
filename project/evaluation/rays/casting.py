"""Casts all rays of a frame through a voxel grid, on the CPU (numba) or on a GPU (Triton).

A ray visits voxels in the order of Amanatides and Woo, "A Fast Voxel Traversal Algorithm for Ray Tracing" (1987),
from the voxel that holds its origin. It ends in the first occupied voxel or, where it meets none, in the last voxel
before it leaves the grid; its depth is the distance at which it leaves that voxel. Both devices do the same float64
operations in the same order, so their results are equal.
"""

import warnings
from typing import Any

import numba
import numpy as np

from project.evaluation.arrays import as_numpy, is_tensor
from project.grid import VoxelGrid


def cast_rays(
    occupied: Any, grid: VoxelGrid, origins: np.ndarray, directions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Cast every direction from every origin.

    Where a ray runs into an edge between voxels it steps along z before y before x, as RayIoU's caster does. An origin
    may lie outside the grid; its rays then start with the voxel where they enter.

    Args:
        occupied: (X, Y, Z) bool array or tensor; a CUDA tensor is worked on where it is.
        grid: the grid of these voxels.
        origins: (O, 3) float, the grid's frame, metres.
        directions: (D, 3) float, the grid's frame; depths are in units of their length.

    Returns:
        (O, D) int32 position of the voxel where each ray ends, in ``grid.ravel`` order, -1 for a ray that never enters
        the grid; and its (O, D) float32 depth, infinite for such a ray.

    Raises:
        ValueError: the voxels do not fit the grid, or an origin or direction is not finite or has no length.
    """
    origins, directions = np.asarray(origins, np.float64), np.asarray(directions, np.float64)
    if tuple(occupied.shape) != grid.shape:
        raise ValueError(f'voxels of shape {tuple(occupied.shape)} do not fit a grid of shape {grid.shape}')
    if not (np.isfinite(origins).all() and np.isfinite(directions).all() and directions.any(axis=1).all()):
        raise ValueError('ray origins and directions must be finite, and no direction may be zero')
    # In units of voxels, but with the ray's own parameter: distances along it stay metres.
    origins = (origins - grid.minimum) / grid.voxel_size
    directions = directions / grid.voxel_size
    if is_tensor(occupied) and occupied.is_cuda:
        caster = _cuda_caster()
        if caster is not None:
            return caster(occupied, origins, directions)
    voxels = np.empty((len(origins), len(directions)), np.int32)
    depths = np.empty(voxels.shape, np.float32)
    _cast(np.ascontiguousarray(as_numpy(occupied)).ravel(), grid.shape, origins, directions, voxels, depths)
    return voxels, depths


def _cuda_caster():
    """The Triton caster, or None (with a warning) where Triton is not installed."""
    try:
        from project.evaluation.rays.casting_cuda import cast
    except ImportError:
        warnings.warn('Triton is not installed: rays are cast on the CPU', stacklevel=3)
        return None
    return cast


@numba.njit(cache=True, nogil=True)
def _cast(occupied, shape, origins, directions, voxels, depths):
    for o in range(len(origins)):
        for d in range(len(directions)):
            voxels[o, d], depths[o, d] = _end_of_ray(occupied, shape, origins[o], directions[d])


@numba.njit(cache=True, nogil=True)
def _end_of_ray(occupied, shape, origin, direction):
    X, Y, Z = shape
    x, step_x, next_x, delta_x = _axis(origin[0], direction[0])
    y, step_y, next_y, delta_y = _axis(origin[1], direction[1])
    z, step_z, next_z, delta_z = _axis(origin[2], direction[2])
    while not (0 <= x < X and 0 <= y < Y and 0 <= z < Z):
        if _lost(x, step_x, X, next_x) or _lost(y, step_y, Y, next_y) or _lost(z, step_z, Z, next_z):
            return -1, np.inf
        if next_z <= next_x and next_z <= next_y:
            z, next_z = z + step_z, next_z + delta_z
        elif next_y <= next_x:
            y, next_y = y + step_y, next_y + delta_y
        else:
            x, next_x = x + step_x, next_x + delta_x
    # Inside, one position in the flat array and the voxels left along each axis say all: this loop is the whole cost.
    voxel = (x * Y + y) * Z + z
    left_x, left_y, left_z = _left(x, step_x, X), _left(y, step_y, Y), _left(z, step_z, Z)
    jump_x, jump_y, jump_z = step_x * Y * Z, step_y * Z, step_z
    while not occupied[voxel]:
        if next_z <= next_x and next_z <= next_y:
            if left_z == 0:
                return voxel, next_z
            left_z -= 1
            voxel += jump_z
            next_z += delta_z
        elif next_y <= next_x:
            if left_y == 0:
                return voxel, next_y
            left_y -= 1
            voxel += jump_y
            next_y += delta_y
        else:
            if left_x == 0:
                return voxel, next_x
            left_x -= 1
            voxel += jump_x
            next_x += delta_x
    return voxel, min(next_x, next_y, next_z)


@numba.njit(cache=True, nogil=True)
def _axis(origin, direction):
    """Voxel of the origin along one axis, step to the next, distance to the border there and between borders."""
    index = int(np.floor(origin))
    if direction > 0:
        return index, 1, (index + 1 - origin) / direction, 1 / direction
    if direction < 0:
        return index, -1, (index - origin) / direction, -1 / direction
    return index, 1, np.inf, np.inf


@numba.njit(cache=True, nogil=True)
def _lost(index, step, size, next_border):
    """Whether a ray outside the grid cannot come back along this axis."""
    return (index < 0 and (step < 0 or next_border == np.inf)) or (
        index >= size and (step > 0 or next_border == np.inf)
    )


@numba.njit(cache=True, nogil=True)
def _left(index, step, size):
    """Voxels between this one and the end of the grid along one axis."""
    return size - 1 - index if step > 0 else index
