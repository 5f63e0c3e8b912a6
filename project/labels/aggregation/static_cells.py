"""Cells of the static world, in blocks that exist only where there are points: a long drive over hills needs little
memory.

A block has 8 x 8 columns of 64 layers, which start a little below the ground of the block. Points above or below these
layers are in no cell.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from project.geometry.bitgrid import BLOCK, BLOCK_BITS, MOST_LAYERS
from project.labels.aggregation.point_groups import ScenePoints
from project.labels.aggregation.tiles import TILE_M

COLUMNS = BLOCK**2
BLOCK_CELLS = COLUMNS * MOST_LAYERS

_UNKNOWN = np.int32(1 << 30)


class StaticCells(NamedTuple):
    """Cells of the static world. A named tuple of arrays, so that numba can take it.

    Attributes:
        origin: (2,) float64 lowest corner, scene frame.
        cell_m: edge of a cell along x and y.
        layer_m: height of a cell; layer 0 begins at z = 0 of the scene frame.
        numbers: (X, Y) int32 number of each block, -1 where there is none.
        places: (B, 2) int32 block indices along x and y of each block.
        bases: (B,) int32 lowest layer of each block.
    """

    origin: np.ndarray
    cell_m: float
    layer_m: float
    numbers: np.ndarray
    places: np.ndarray
    bases: np.ndarray


def static_cells(
    world: ScenePoints, is_ground: np.ndarray, cell_m: float, layer_m: float, below_m: float
) -> StaticCells:
    """Cells around all points of the static world.

    Args:
        world: the points.
        is_ground: (256,) bool, categories that are ground.
        cell_m: edge of a cell along x and y.
        layer_m: height of a cell.
        below_m: how far a block starts below its lowest ground, or below its lowest point if it has no ground.
    """
    origin = world.tile_centres.min(axis=0) - TILE_M / 2
    shape = np.ceil((np.ptp(world.tile_centres, axis=0) + TILE_M) / (BLOCK * cell_m)).astype(int)
    lowest = np.full((2, *shape), _UNKNOWN, np.int32)
    static = world.static
    _find_lowest(static.points.xyz, static.points.raw, static.starts, is_ground, origin, cell_m, layer_m, lowest)
    lowest = np.where(lowest[1] < _UNKNOWN, lowest[1], lowest[0])
    used = lowest < _UNKNOWN
    numbers = np.where(used, np.cumsum(used).reshape(used.shape) - 1, -1).astype(np.int32)
    bases = lowest[used] - np.int32(np.ceil(below_m / layer_m))
    return StaticCells(origin, cell_m, layer_m, numbers, np.argwhere(used).astype(np.int32), bases)


@njit(cache=True, error_model='numpy')
def _find_lowest(xyz, raw, starts, is_ground, origin, cell_m, layer_m, lowest):
    """Lowest layer with a point, and with a point of the ground, of each block."""
    for group in range(len(starts)):
        for i in range(np.uint64(starts[group, 0]), np.uint64(starts[group, -1])):
            x, y, layer = cell_indices(origin, cell_m, layer_m, xyz[i])
            bx, by = np.uint64(x >> BLOCK_BITS), np.uint64(y >> BLOCK_BITS)
            lowest[0, bx, by] = min(lowest[0, bx, by], layer)
            if is_ground[raw[i]]:
                lowest[1, bx, by] = min(lowest[1, bx, by], layer)


@njit(inline='always', error_model='numpy')
def cell_indices(origin, cell_m, layer_m, point):
    """Indices of the cell at a point (scene frame) along x, y, z; x and y are not negative inside the tiles."""
    x = np.int64((point[0] - origin[0]) / cell_m)
    y = np.int64((point[1] - origin[1]) / cell_m)
    return x, y, np.int64(np.floor(point[2] / layer_m))


@njit(inline='always')
def cell_number(numbers, bases, x, y, layer):
    """Number of the cell at these indices, from its block, column and layer; -1 where there is no cell."""
    if not (0 <= x < numbers.shape[0] << BLOCK_BITS and 0 <= y < numbers.shape[1] << BLOCK_BITS):
        return np.int64(-1)
    block = np.int64(numbers[x >> BLOCK_BITS, y >> BLOCK_BITS])
    if block < 0:
        return np.int64(-1)
    above = layer - bases[block]
    if not 0 <= above < MOST_LAYERS:
        return np.int64(-1)
    column = ((x & (BLOCK - 1)) << BLOCK_BITS) + (y & (BLOCK - 1))
    return (block * COLUMNS + column) * MOST_LAYERS + above


@njit(inline='always')
def cell_of_point(numbers, bases, x, y, layer):
    """The same, faster, for a point that the cells were built from: it is in a block, but may be too high."""
    # Unsigned: numba checks all other indices for negative values.
    block = np.uint64(numbers[np.uint64(x >> BLOCK_BITS), np.uint64(y >> BLOCK_BITS)])
    above = layer - bases[block]
    column = ((x & (BLOCK - 1)) << BLOCK_BITS) + (y & (BLOCK - 1))
    cell = (np.int64(block) * COLUMNS + column) * MOST_LAYERS + above
    return cell if 0 <= above < MOST_LAYERS else np.int64(-1)


def indices_of(cells: StaticCells, numbers: np.ndarray) -> np.ndarray:
    """(N, 3) int64 indices along x, y, z of (N,) cell numbers: inverse of :func:`cell_number`."""
    block, inside = np.divmod(numbers, BLOCK_CELLS)
    column, above = np.divmod(inside, MOST_LAYERS)
    xy = cells.places[block] * BLOCK + np.stack(np.divmod(column, BLOCK), axis=1)
    return np.column_stack([xy, cells.bases[block] + above])
