"""The part of the world that a scene's labels can show, cut into tiles seen from above.

Only tiles near the path of the car exist, so that a map of small cells stays small however far the car drives.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

TILE_CELLS = 32
CELL_M = 0.25
TILE_M = TILE_CELLS * CELL_M

REACH_M = 86.0
"""Horizontal reach of a keyframe's labels: the corner of the widest format (+-60 m)."""

HEIGHT_M = 11.0
"""Vertical reach: that format's +-10 m, and a metre for a car that leans."""


class Domain(NamedTuple):
    """Tiles of 8 m and their cells of 0.25 m, scene frame. A named tuple of arrays, so that numba can take it.

    Attributes:
        origin: (3,) float64 lowest corner.
        tiles: (TX, TY) int32 number of each tile, -1 where it is out of reach.
        centres: (T, 2) float64 centre of each tile, x and y.
        height: number of cells along z.
    """

    origin: np.ndarray
    tiles: np.ndarray
    centres: np.ndarray
    height: int


def domain_around(positions: np.ndarray) -> Domain:
    """Domain of everything within reach of (K, 3) positions of the lidar at keyframes, scene frame."""
    reach = np.array([REACH_M, REACH_M, HEIGHT_M])
    origin = np.floor((positions.min(axis=0) - reach) / TILE_M) * TILE_M
    shape = np.ceil((positions.max(axis=0) + reach - origin)[:2] / TILE_M).astype(int)
    centres = origin[:2] + (np.stack(np.indices(shape), axis=-1) + 0.5) * TILE_M
    within = np.zeros(shape, bool)
    for position in positions:
        within |= (np.abs(centres - position[:2]) < REACH_M + TILE_M).all(axis=-1)
    tiles = np.where(within, np.cumsum(within).reshape(shape) - 1, -1).astype(np.int32)
    height = int(np.ceil((positions[:, 2].max() + HEIGHT_M - origin[2]) / CELL_M))
    return Domain(origin, tiles, centres[within], height)


@njit(inline='always')
def column_at(domain, x, y):
    """Number of the column of cells at a point seen from above, -1 out of reach: tile * 1024 + cell."""
    ix = int(np.floor((x - domain.origin[0]) / CELL_M))
    iy = int(np.floor((y - domain.origin[1]) / CELL_M))
    return column_of(domain, ix, iy)


@njit(inline='always')
def column_of(domain, ix, iy):
    """Number of the column at cell indices that count through all tiles, -1 out of reach."""
    tx, ty = ix // TILE_CELLS, iy // TILE_CELLS
    if not (0 <= tx < domain.tiles.shape[0] and 0 <= ty < domain.tiles.shape[1]):
        return -1
    tile = domain.tiles[tx, ty]
    if tile < 0:
        return -1
    return (tile * TILE_CELLS + ix % TILE_CELLS) * TILE_CELLS + iy % TILE_CELLS
