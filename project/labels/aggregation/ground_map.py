"""A map of the ground from above: its classes and their heights, from labelled points.

Between the rings of a lidar, the next labelled point along the road is far away, but 10 cm above the road is no longer
road. So labels of the ground spread far along the ground and hardly upwards.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.ndimage import distance_transform_edt, gaussian_filter

from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import CELL_M, TILE_CELLS, TILE_M, TileMap, cells_of_points
from project.labels.config import GroundConfig

FAR_ABOVE_M = 100.0

WINDOW_TILES = 64
"""Edge of the parts that the map is made of: 512 m, more than most scenes of 20 s."""

_AT_LABELS = 0.01


class GroundMap(NamedTuple):
    """Classes of ground seen from above, in columns of 0.25 m. A named tuple of arrays, so that numba can take it.

    Attributes:
        tile_map: what the columns are part of.
        distances: (columns, C) float32 distance along the ground to each of C categories of ground; infinity where it
            is out of reach.
        heights: (columns, C) float32 mean height of each category at its nearest place, scene frame.
        config: thresholds.
    """

    tile_map: TileMap
    distances: np.ndarray
    heights: np.ndarray
    config: GroundConfig


def ground_map(tile_map: TileMap, labelled: Points, ground: range, config: GroundConfig) -> GroundMap:
    """Map of the ground.

    Args:
        tile_map: the tiles.
        labelled: labelled points inside the tiles.
        ground: categories of ground.
        config: thresholds.
    """
    on_ground = (labelled.raw >= ground.start) & (labelled.raw < ground.stop)
    columns, _ = cells_of_points(tile_map, labelled.xyz[on_ground])
    # Whole millimetres: sums of integers do not depend on the order of the points.
    millimetres = np.rint(labelled.xyz[on_ground, 2].astype(np.float64) * 1000)
    windows = list(_windows(tile_map, config))
    shape = len(tile_map.centres) * TILE_CELLS**2, len(ground)
    distances, heights = np.full(shape, np.inf, np.float32), np.zeros(shape, np.float32)
    for code, raw in enumerate(ground):
        mine = labelled.raw[on_ground] == raw
        if mine.any():
            counts = np.bincount(columns[mine], minlength=shape[0])
            sums = np.bincount(columns[mine], millimetres[mine], shape[0])
            for window in windows:
                _spread(window, counts, sums, distances[:, code], heights[:, code], config)
    return GroundMap(tile_map, distances, heights, config)


class _Window(NamedTuple):
    """A part of the map, with so much around it that what is computed inside is that of the whole map.

    Attributes:
        tiles: (TX, TY) int32 number of each tile of the part and around it, -1 where there is none.
        inside: which of their columns are the part itself.
    """

    tiles: np.ndarray
    inside: tuple[slice, slice]


def _windows(tile_map: TileMap, config: GroundConfig) -> Iterator[_Window]:
    """Parts that hold all tiles; together they take the memory of one, however far the car drives."""
    tiles = tile_map.tiles[1:-1, 1:-1]
    # Smoothing looks at columns around, and these at the ground within reach.
    around = int(np.ceil((config.reach_m + 2 * config.smoothness_m + 2 * CELL_M) / TILE_M))
    for x in range(0, tiles.shape[0], WINDOW_TILES):
        for y in range(0, tiles.shape[1], WINDOW_TILES):
            if (tiles[x : x + WINDOW_TILES, y : y + WINDOW_TILES] >= 0).any():
                first = max(x - around, 0), max(y - around, 0)
                last = x + WINDOW_TILES + around, y + WINDOW_TILES + around
                inside = tuple(
                    slice((start - low) * TILE_CELLS, (start - low + WINDOW_TILES) * TILE_CELLS)
                    for start, low in zip((x, y), first, strict=True)
                )
                yield _Window(tiles[first[0] : last[0], first[1] : last[1]], (inside[0], inside[1]))


def _columns_of(tiles: np.ndarray) -> np.ndarray:
    """(X, Y) int64 column at each place of some tiles, -1 where there is no tile."""
    tiles = tiles.repeat(TILE_CELLS, axis=0).repeat(TILE_CELLS, axis=1)
    rows, cells = (np.arange(n) % TILE_CELLS for n in tiles.shape)
    return np.where(tiles < 0, -1, tiles * TILE_CELLS**2 + rows[:, None] * TILE_CELLS + cells)


def _spread(
    window: _Window, counts: np.ndarray, sums: np.ndarray, distances: np.ndarray, heights: np.ndarray,
    config: GroundConfig,
) -> None:  # fmt: skip
    """Fill in the distance and height of one class in a window.

    Args:
        window: the part of the map.
        counts: (columns,) number of labelled points of the class.
        sums: (columns,) sum of their heights, millimetres.
        distances: (columns,) float32, filled in inside the window.
        heights: (columns,) float32, the same.
        config: thresholds.
    """
    in_map = _columns_of(window.tiles)
    seen = (in_map >= 0) & (counts[in_map] > 0)
    if not seen.any():
        return
    cells, nearest = distance_transform_edt(~seen, return_indices=True)
    smooth = gaussian_filter(np.minimum(cells * CELL_M, config.reach_m), config.smoothness_m / CELL_M, truncate=2.0)
    # Labelled columns stay as they are; where a column has several classes, smoothness decides.
    smooth[seen] *= _AT_LABELS
    within = np.zeros_like(seen)
    within[window.inside] = ((in_map >= 0) & (cells * CELL_M <= config.reach_m))[window.inside]
    distances[in_map[within]] = smooth[within]
    sources = in_map[nearest[0][within], nearest[1][within]]
    heights[in_map[within]] = sums[sources] / counts[sources] / 1000


@njit(inline='always', error_model='numpy')
def distance_to_ground(along, above, in_box, steepness, step_as_m):
    """Distance of a point from the ground, by the distance along the ground and the height above it.

    Height separates classes that meet at a kerb, so it counts many times. It does not for points above the ground
    inside a box: they may belong to the object, whose lower parts are as high as the sidewalk beside it.
    """
    return along + (abs(above) if in_box and above > 0 else min(abs(above) * steepness, step_as_m))
