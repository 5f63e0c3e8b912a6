"""Exact areas of surfaces inside voxels: every triangle is cut at the planes between the voxels."""

import numpy as np
from numba import njit

from project.grid import VoxelGrid
from project.synthetic.clipping import area, clip
from project.synthetic.terrain import Ground, surface

LEAST_AREA = 1e-6
"""Square metres of surface below which a voxel counts as not touched."""


def surface_areas(
    triangles: np.ndarray,
    labels: np.ndarray,
    grid: VoxelGrid,
    ground: Ground | None = None,
    town_from_grid: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Surface inside each voxel.

    Args:
        triangles: (T, 3, 3) float64 corners, the grid's frame, metres.
        labels: (T,) uint8.
        grid: the voxels.
        ground: where given, what lies below it is left out.
        town_from_grid: (4, 4), wanted together with `ground`.

    Returns:
        One entry for each voxel and each label in it, ascending: (N,) int64 position in ``grid.ravel`` order, (N,)
        uint8 label, (N,) float64 area in square metres. Surface in the plane between two voxels belongs to the higher
        one.
    """
    above = np.zeros((0, 0)) if ground is None else town_from_grid
    inside = ((triangles.max(axis=1) >= grid.minimum) & (triangles.min(axis=1) < grid.maximum)).all(axis=1)
    cells = (triangles[inside] - grid.minimum) / grid.voxel_size
    arrays = _NO_GROUND if ground is None else ground.arrays
    size, shape, minimum = np.array(grid.voxel_size), np.array(grid.shape), np.array(grid.minimum)
    positions, sources, areas = _pieces(cells, size, shape, minimum, above, *arrays)
    keys = positions * 256 + labels[inside][sources]
    unique, inverse = np.unique(keys, return_inverse=True)
    total = np.bincount(inverse, weights=areas, minlength=len(unique))
    kept = total > LEAST_AREA
    return unique[kept] // 256, (unique[kept] % 256).astype(np.uint8), total[kept]


_NO_GROUND = (np.zeros(2), np.zeros(2), np.zeros((2, 2)), np.zeros((1, 1), bool), np.zeros((1, 1, 2), np.uint8))


@njit(cache=True)
def _pieces(cells, size, shape, minimum, town_from_grid, *ground):
    """Cut triangles, given in units of voxels, into one piece a voxel: position, triangle and area of each piece."""
    capacity, count = 1024, 0
    positions, sources, areas = np.empty(capacity, np.int64), np.empty(capacity, np.int64), np.empty(capacity)
    for t in range(len(cells)):
        x0, x1 = _span(cells[t], 0, shape)
        for x in range(x0, x1 + 1):
            slab = _between(cells[t], 0, x)
            if len(slab) == 0:
                continue
            y0, y1 = _span(slab, 1, shape)
            for y in range(y0, y1 + 1):
                column = _between(slab, 1, y)
                if len(column) == 0:
                    continue
                z0, z1 = _span(column, 2, shape)
                for z in range(z0, z1 + 1):
                    piece = _between(column, 2, z)
                    if len(piece) == 0:
                        continue
                    piece = piece * size + minimum
                    if len(town_from_grid) > 0:
                        piece = _above_ground(piece, town_from_grid, *ground)
                    if count == capacity:
                        capacity *= 2
                        positions, sources = _longer(positions), _longer(sources)
                        areas = np.concatenate((areas, np.empty_like(areas)))
                    positions[count] = (x * shape[1] + y) * shape[2] + z
                    sources[count] = t
                    areas[count] = area(piece)
                    count += 1
    return positions[:count], sources[:count], areas[:count]


@njit(cache=True)
def _longer(array):
    return np.concatenate((array, np.empty_like(array)))


@njit(cache=True)
def _span(polygon, axis, shape):
    """First and last voxel along an axis that a polygon reaches inside the grid."""
    low, high = np.floor(polygon[:, axis].min()), np.floor(polygon[:, axis].max())
    return max(0, int(low)), min(shape[axis] - 1, int(high))


@njit(cache=True)
def _between(polygon, axis, cell):
    """The part of a polygon between two neighbouring planes."""
    normal = np.zeros(3)
    if polygon[:, axis].max() > cell + 1:
        normal[axis] = 1.0
        polygon = clip(polygon, normal, cell + 1.0)
    if len(polygon) > 0 and polygon[:, axis].min() < cell:
        normal[axis] = -1.0
        polygon = clip(polygon, normal, -float(cell))
    return polygon


@njit(cache=True)
def _above_ground(polygon, town_from_grid, x_lines, y_lines, heights, falling, raw):
    """The part of a small polygon above the ground's plane under its middle."""
    m = town_from_grid
    middle = np.zeros(3)
    for i in range(len(polygon)):
        middle += polygon[i] / len(polygon)
    x = m[0, 0] * middle[0] + m[0, 1] * middle[1] + m[0, 2] * middle[2] + m[0, 3]
    y = m[1, 0] * middle[0] + m[1, 1] * middle[1] + m[1, 2] * middle[2] + m[1, 3]
    a, b, c = surface(x_lines, y_lines, heights, falling, raw, x, y)
    # a x + b y + c - z <= 0 in the town frame, written in the grid's frame.
    normal = a * m[0, :3] + b * m[1, :3] - m[2, :3]
    return clip(polygon, normal, -(c + a * m[0, 3] + b * m[1, 3] - m[2, 3]))
