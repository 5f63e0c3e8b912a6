"""The ground as seen from above: its classes and their heights, learnt from labelled points.

Between the rings of a lidar it is far to the next labelled point along the road, while a hand's breadth above the road
is not road any more. So ground is carried far along itself and hardly upwards.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.ndimage import distance_transform_edt

from project.labels.domain import CELL_M, TILE_CELLS, Domain, cells_of_points, column_of, near_offsets
from project.labels.read import Points
from project.taxonomy import GROUND, LEARNING_MAP, RAW_STATIC

REACH_M = 5.0
"""How far along the ground its class and height are carried."""

FAR_ABOVE_M = 100.0

STEP_M = 0.05
"""A point further above or below the ground of its column may stand on another one, as on both sides of a kerb."""

HIGHEST_STEP_M = 0.4

STEP_REACH_M = 1.0
"""How far that other ground may have been labelled."""


RAW_GROUND = tuple(raw for raw in RAW_STATIC if LEARNING_MAP[raw] in GROUND)
"""Lidarseg indices of ground: four in a row."""


class GroundMap(NamedTuple):
    """Heights of the ground in columns of 0.25 m. A named tuple of arrays, so that numba can take it.

    Attributes:
        domain: what the columns are part of.
        heights: (columns, 4) float32 mean height of each class of ground, scene frame; NaN where there is none.
        sources: (columns,) int32 the labelled column that a column has its ground from, -1 where none is within reach.
        around: offsets of the columns within reach of a step, nearest first.
    """

    domain: Domain
    heights: np.ndarray
    sources: np.ndarray
    around: np.ndarray


def ground_map(domain: Domain, labelled: Points) -> GroundMap:
    """Map of the labelled points (inside the domain) that are ground."""
    on_ground = np.isin(labelled.raw, RAW_GROUND)
    columns, _ = cells_of_points(domain, labelled.xyz[on_ground])
    slots = columns * len(RAW_GROUND) + labelled.raw[on_ground] - RAW_GROUND[0]
    n_columns = len(domain.centres) * TILE_CELLS**2
    # Whole millimetres: sums of integers do not depend on the order of the points.
    millimetres = np.rint(labelled.xyz[on_ground, 2].astype(np.float64) * 1000)
    sums = np.bincount(slots, millimetres, n_columns * len(RAW_GROUND))
    counts = np.bincount(slots, minlength=n_columns * len(RAW_GROUND))
    with np.errstate(invalid='ignore'):
        heights = (sums / counts / 1000).astype(np.float32).reshape(n_columns, -1)
    sources = _nearest_columns(domain, ~np.isnan(heights).all(axis=1))
    return GroundMap(domain, heights, sources, near_offsets(STEP_REACH_M, 2))


def _nearest_columns(domain: Domain, labelled: np.ndarray) -> np.ndarray:
    """(columns,) int32 the nearest column of each that is (columns,) bool `labelled`; -1 where none is within reach."""
    sources = np.full(len(labelled), -1, np.int32)
    tiles = domain.tiles.repeat(TILE_CELLS, axis=0).repeat(TILE_CELLS, axis=1)
    rows, cells = (np.arange(n) % TILE_CELLS for n in tiles.shape)
    columns = np.where(tiles < 0, -1, tiles * TILE_CELLS**2 + rows[:, None] * TILE_CELLS + cells)
    seen = (columns >= 0) & labelled[columns]
    if seen.any():
        distances, nearest = distance_transform_edt(~seen, return_indices=True)
        within = (columns >= 0) & (distances <= REACH_M / CELL_M)
        sources[columns[within]] = columns[nearest[0][within], nearest[1][within]]
    return sources


@njit(inline='always', error_model='numpy')
def ground_at(tiles, heights, sources, around, ix, iy, z, in_box):
    """Nearest ground at a column and height: its class (0-3; -1 where there is none) and how far z is above it.

    Where a column holds two classes, as at a kerb, the one whose height is nearer counts. A point off the ground of
    its column is compared with that of the columns around, but for one above it in a box, which may be the object's.
    """
    column = column_of(tiles, ix, iy)
    if column < 0:
        return -1, FAR_ABOVE_M
    source = sources[column]
    if source < 0:
        return -1, FAR_ABOVE_M
    code, above = _nearest_height(heights, source, z)
    if (above < 0 or not in_box) and STEP_M < abs(above) < HIGHEST_STEP_M:
        for at in range(len(around)):
            other = column_of(tiles, ix + around[at, 0], iy + around[at, 1])
            if other >= 0 and sources[other] == other:
                other_code, other_above = _nearest_height(heights, other, z)
                if abs(other_above) < STEP_M:
                    return other_code, other_above
    return code, above


@njit(inline='always', error_model='numpy')
def _nearest_height(heights, column, z):
    """Class of a column's ground whose height is nearest to z, and how far z is above it."""
    best, above = -1, FAR_ABOVE_M
    for code in range(heights.shape[1]):
        height = heights[column, code]
        if abs(z - height) < abs(above):
            best, above = code, z - height
    return best, above
