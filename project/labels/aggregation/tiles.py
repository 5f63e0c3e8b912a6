"""Tiles, seen from above, of the part of the world that a scene's labels can show.

Only tiles near the car's path exist, so a map of small cells needs little memory however far the car drives.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from project.labels.config import DEFAULT, TileConfig

TILE_BITS = 5
TILE_CELLS = 1 << TILE_BITS
CELL_M = 0.25
TILE_M = TILE_CELLS * CELL_M


class TileMap(NamedTuple):
    """Tiles of 8 m and their cells of 0.25 m, scene frame. A named tuple of arrays, so that numba can take it.

    Attributes:
        origin: (3,) float64 lowest corner.
        tiles: (TX, TY) int32 number of each tile, -1 where it is out of reach; all tiles along the border are.
        centres: (T, 2) float64 centre of each tile, x and y.
        height: number of cells along z.
    """

    origin: np.ndarray
    tiles: np.ndarray
    centres: np.ndarray
    height: int


def tile_map_around(positions: np.ndarray, config: TileConfig = DEFAULT.tiles) -> TileMap:
    """Tiles of everything within reach of (K, 3) positions of the lidar at keyframes, scene frame."""
    reach = np.array([config.reach_m, config.reach_m, config.height_m])
    origin = np.floor((positions.min(axis=0) - reach) / TILE_M) * TILE_M
    shape = np.ceil((positions.max(axis=0) + reach - origin)[:2] / TILE_M).astype(int)
    along_x, along_y = (origin[axis] + (np.arange(shape[axis]) + 0.5) * TILE_M for axis in (0, 1))
    within = np.zeros(shape, bool)
    for x, y in positions[:, :2]:
        # Only these are touched, not all tiles: an hour's drive has 7,200 keyframes and millions of tiles around it.
        near_x = np.flatnonzero(np.abs(along_x - x) < config.reach_m + TILE_M)
        near_y = np.flatnonzero(np.abs(along_y - y) < config.reach_m + TILE_M)
        within[near_x[0] : near_x[-1] + 1, near_y[0] : near_y[-1] + 1] = True
    ix, iy = np.nonzero(within)
    tiles = np.full(shape, -1, np.int32)
    tiles[ix, iy] = np.arange(len(ix))
    height = int(np.ceil((positions[:, 2].max() + config.height_m - origin[2]) / CELL_M))
    centres = np.stack([along_x[ix], along_y[iy]], axis=-1)
    return TileMap(origin - (TILE_M, TILE_M, 0), np.pad(tiles, 1, constant_values=-1), centres, height)


@njit(cache=True, error_model='numpy')
def tile_of_points(tile_map, xyz):
    """Tile of (N, 3) float32 points of the scene frame: (N,) int32, -1 outside the tile map."""
    origin, tiles, height = tile_map.origin, tile_map.tiles, tile_map.height
    result = np.empty(len(xyz), np.int32)
    for i in range(len(xyz)):
        ix, iy, iz = cell_indices(origin, xyz[i])
        column = column_of(tiles, ix, iy)
        result[i] = column >> (2 * TILE_BITS) if 0 <= iz < height else -1
    return result


@njit(inline='always', error_model='numpy')
def cell_indices(origin, point):
    """Indices of the cell at a point of the scene frame; they count through all tiles."""
    ix = int(np.floor((point[0] - origin[0]) / CELL_M))
    iy = int(np.floor((point[1] - origin[1]) / CELL_M))
    iz = int(np.floor((point[2] - origin[2]) / CELL_M))
    return ix, iy, iz


@njit(inline='always', error_model='numpy')
def column_of(tiles, ix, iy):
    """Number of a column of cells: tile * 1024 + cell of the tile; negative out of reach.

    No branches: numba counts references to arrays that are used in branches, which takes longer. Points beyond the
    border are out of reach, like the border itself.
    """
    tx = min(max(ix >> TILE_BITS, 0), tiles.shape[0] - 1)
    ty = min(max(iy >> TILE_BITS, 0), tiles.shape[1] - 1)
    tile = np.int64(tiles[tx, ty])
    return (((tile << TILE_BITS) | (ix & (TILE_CELLS - 1))) << TILE_BITS) | (iy & (TILE_CELLS - 1))


@njit(cache=True, error_model='numpy')
def cells_of_points(tile_map, xyz):
    """Column and cell of (N, 3) points inside the tile_map: two (N,) int64 arrays."""
    origin, tiles, height = tile_map.origin, tile_map.tiles, tile_map.height
    columns, cells = np.empty(len(xyz), np.int64), np.empty(len(xyz), np.int64)
    for i in range(len(xyz)):
        ix, iy, iz = cell_indices(origin, xyz[i])
        columns[i] = column_of(tiles, ix, iy)
        cells[i] = columns[i] * height + iz
    return columns, cells


def near_offsets(reach_m: float, dimensions: int) -> np.ndarray:
    """Offsets of the cells within reach of a cell, nearest first: (N, dimensions + 1) int64, the last one d squared."""
    span = np.arange(-int(reach_m / CELL_M), int(reach_m / CELL_M) + 1)
    offsets = np.stack(np.meshgrid(*[span] * dimensions, indexing='ij'), axis=-1).reshape(-1, dimensions)
    squares = (offsets**2).sum(axis=1)
    order = np.lexsort((*offsets.T, squares))
    order = order[squares[order] * CELL_M**2 <= reach_m**2]
    return np.column_stack([offsets[order], squares[order]])
