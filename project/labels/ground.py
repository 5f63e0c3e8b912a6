"""The ground as seen from above: its classes and their heights, learnt from labelled points.

Between the rings of a lidar it is far to the next labelled point along the road, while a hand's breadth above the road
is not road any more. So ground is carried far along itself and hardly upwards.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from scipy.ndimage import distance_transform_edt

from project.labels.domain import CELL_M, TILE_CELLS, Domain, cells_of_points, column_of
from project.labels.read import Points
from project.taxonomy import GROUND, LEARNING_MAP, RAW_STATIC

REACH_M = 5.0
"""How far along the ground its class and height are carried."""

FAR_ABOVE_M = 100.0

STEEPNESS = 15.0
"""Ground a centimetre above or below a point is as far away as ground so many centimetres farther along."""

RAW_GROUND = tuple(raw for raw in RAW_STATIC if LEARNING_MAP[raw] in GROUND)
"""Lidarseg indices of ground: four in a row."""


class GroundMap(NamedTuple):
    """Classes of ground seen from above, in columns of 0.25 m. A named tuple of arrays, so that numba can take it.

    Attributes:
        domain: what the columns are part of.
        places: (columns, 4, 3) float32 mean of the labelled points of each class, scene frame; NaN where there is none.
        sources: (columns, 4) int32 the nearest column that has each class, -1 where none is within reach.
    """

    domain: Domain
    places: np.ndarray
    sources: np.ndarray


def ground_map(domain: Domain, labelled: Points) -> GroundMap:
    """Map of the labelled points (inside the domain) that are ground."""
    classes = len(RAW_GROUND)
    on_ground = np.isin(labelled.raw, RAW_GROUND)
    columns, _ = cells_of_points(domain, labelled.xyz[on_ground])
    slots = columns * classes + labelled.raw[on_ground] - RAW_GROUND[0]
    n_slots = len(domain.centres) * TILE_CELLS**2 * classes
    # Whole millimetres: sums of integers do not depend on the order of the points.
    millimetres = np.rint(labelled.xyz[on_ground].astype(np.float64) * 1000)
    counts = np.bincount(slots, minlength=n_slots)
    places = np.empty((n_slots, 3), np.float32)
    with np.errstate(invalid='ignore'):
        for axis in range(3):
            places[:, axis] = np.bincount(slots, millimetres[:, axis], n_slots) / counts / 1000
    seen = (counts > 0).reshape(-1, classes)
    sources = np.column_stack([_nearest_columns(domain, seen[:, code]) for code in range(classes)])
    return GroundMap(domain, places.reshape(-1, classes, 3), sources)


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
def ground_at(tiles, places, sources, ix, iy, point, in_box):
    """Nearest ground at a point of a column: its class (0-3; -1 where there is none) and how far the point is above it.

    Height tells classes apart that meet at a kerb, so it counts many times. Not so for what is above the ground in a
    box: that may be the object, whose lower parts are as high as the sidewalk beside it.
    """
    code, above, least = -1, FAR_ABOVE_M, np.inf
    column = column_of(tiles, ix, iy)
    if column < 0:
        return code, above
    for candidate in range(places.shape[1]):
        source = sources[column, candidate]
        if source < 0:
            continue
        place = places[source, candidate]
        dx, dy, dz = point[0] - place[0], point[1] - place[1], point[2] - place[2]
        distance = np.sqrt(dx * dx + dy * dy) + abs(dz) * (1 if in_box and dz > 0 else STEEPNESS)
        if distance < least:
            code, above, least = candidate, dz, distance
    return code, above
