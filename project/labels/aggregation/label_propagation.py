"""Sweeps between keyframes have no lidarseg; their points take the label of what was labelled near.

A point on the labelled ground is ground, also inside a box. Other points in a box are the object's. The rest takes the
label of the nearest labelled cell within reach; a point with none is dropped, and so is one near a movable point of the
keyframes before and after that has no box: a mover leaves no trail.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from project.formats.vote import majority
from project.labels.aggregation.ground import FAR_ABOVE_M, RAW_GROUND, GroundMap, distance_to_ground, ground_map
from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import TILE_CELLS, TileMap, cell_indices, cells_of_points, column_of, near_offsets
from project.taxonomy import RAW_STATIC

SURELY_GROUND_M = 0.04
"""A point this little above the ground is ground, whatever is there."""

NEARLY_GROUND_M = 0.15
"""A point this little above the ground is ground unless something else was labelled there."""

REACH_M = 1.0
"""How far other static labels are transformed."""

DROPPED, OBJECT = 255, 254

_FIRST = RAW_STATIC.start - 1
_GROUND_CODES = len(RAW_GROUND)
# Of the state of a cell: a code as it was labelled or, with one of these bits, what a search has found.
_FOUND, _NOTHING, _MOVER = 32, 64, 128


class LabelMap(NamedTuple):
    """What keyframes tell about the static world. A named tuple of arrays, so that numba can take it.

    Attributes:
        tile_map: what the cells are part of.
        cells: (columns * height,) uint8 state of each cell of 0.25 m: 0 unknown; 5-7 the lidarseg index - 23 of what
            was labelled there other than ground; bit 32 a code found near, bit 64 nothing found near; bit 128 a mover
            without a box is near, as long as an interval between keyframes is worked on.
        ground: the ground.
        around: offsets of the cells within reach, nearest first.
    """

    tile_map: TileMap
    cells: np.ndarray
    ground: GroundMap
    around: np.ndarray


def label_map(tile_map: TileMap, labelled: Points) -> LabelMap:
    """Gather the labelled static points of all keyframes (inside the tile_map; lidarseg 24-30)."""
    standing = labelled[~np.isin(labelled.raw, RAW_GROUND)]
    _, cells = cells_of_points(tile_map, standing.xyz)
    states = np.zeros(len(tile_map.centres) * TILE_CELLS**2 * tile_map.height, np.uint8)
    positions, codes = majority(cells, standing.raw - np.uint8(_FIRST))
    states[positions] = codes
    return LabelMap(tile_map, states, ground_map(tile_map, labelled), near_offsets(REACH_M, 3))


@njit(cache=True, error_model='numpy')
def mark_movers(labels, xyz, marked):
    """Mark cells within one cell of (N, 3) unboxed movable points, or take the marks off."""
    origin, tiles, height, cells = labels.tile_map.origin, labels.tile_map.tiles, labels.tile_map.height, labels.cells
    for i in range(len(xyz)):
        ix, iy, iz = cell_indices(origin, xyz[i])
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                column = column_of(tiles, ix + dx, iy + dy)
                if column < 0:
                    continue
                for z in range(max(iz - 1, 0), min(iz + 2, height)):
                    cell = column * height + z
                    cells[cell] = cells[cell] | _MOVER if marked else cells[cell] & ~_MOVER


@njit(cache=True, error_model='numpy')
def propagate(labels, xyz, in_box, labelled_object, guessed):
    """What each point of a sweep is.

    Args:
        labels: what the keyframes tell; searches leave their answers in it.
        xyz: (N, 3) float32, scene frame.
        in_box: (N,) bool, points inside a box.
        labelled_object: (N,) bool, points inside a box where keyframes have labelled points of the object.
        guessed: (N,) bool, points inside a box whose place is a guess: not the world's, nor surely the object's.

    Returns:
        (N,) uint8: lidarseg index 24-30 for the static world, 254 for the object of the box, 255 to be dropped.
    """
    # Arrays are taken out of their tuples once: numba counts references each time.
    origin, tiles, height = labels.tile_map.origin, labels.tile_map.tiles, labels.tile_map.height
    cells, around, ground = labels.cells, labels.around, labels.ground
    distances, heights = ground.distances, ground.heights
    result, votes = np.full(len(xyz), DROPPED, np.uint8), np.zeros(8, np.int64)
    for i in range(len(xyz)):
        ix, iy, iz = cell_indices(origin, xyz[i])
        column = column_of(tiles, ix, iy)
        code, above, least = -1, FAR_ABOVE_M, np.inf
        for candidate in range(_GROUND_CODES if column >= 0 else 0):
            height_above = xyz[i, 2] - heights[column, candidate]
            distance = distance_to_ground(distances[column, candidate], height_above, in_box[i])
            if distance < least:
                code, above, least = candidate, height_above, distance
        surely = -NEARLY_GROUND_M < above < SURELY_GROUND_M
        nearly = abs(above) < NEARLY_GROUND_M
        if in_box[i]:
            if surely or (nearly and not labelled_object[i]):
                result[i] = code + RAW_GROUND[0]
            elif not guessed[i]:
                result[i] = OBJECT
            continue
        if column < 0 or not 0 <= iz < height:
            continue
        cell = column * height + iz
        state = cells[cell]
        here = state & (_MOVER - 1)
        if surely or (nearly and not _GROUND_CODES < here < _FOUND):
            result[i] = code + RAW_GROUND[0]
        elif not state & _MOVER:
            if not here:
                here = _search(tiles, height, cells, around, votes, ix, iy, iz)
                cells[cell] |= here
            if not here & _NOTHING:
                result[i] = (here & (_FOUND - 1)) + _FIRST
    return result


@njit(error_model='numpy')
def _search(tiles, height, cells, around, votes, ix, iy, iz):
    """What is found near a cell: the most frequent code among the nearest labelled cells, or nothing within reach."""
    votes[:] = 0
    nearest = -1
    for at in range(len(around)):
        if nearest >= 0 and around[at, 3] > nearest:
            break
        column = column_of(tiles, ix + around[at, 0], iy + around[at, 1])
        z = iz + around[at, 2]
        if column < 0 or not 0 <= z < height:
            continue
        code = cells[column * height + z] & (_MOVER - 1)
        if _GROUND_CODES < code < _FOUND:
            votes[code] += 1
            nearest = around[at, 3]
    return np.argmax(votes) | _FOUND if nearest >= 0 else _NOTHING
