"""Sweeps between keyframes have no lidarseg; their points take the label of the nearest labelled points.

A point on the labelled ground is ground, also inside a box. Other points in a box belong to its object. All others take
the label of the nearest labelled cell within reach. A point without one is dropped. So is a point near an unboxed
movable point of the keyframes before and after, so that an unboxed mover leaves no trail.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from project.errors import UserError
from project.formats.vote import majority
from project.labels.aggregation.ground_map import FAR_ABOVE_M, GroundMap, distance_to_ground, ground_map
from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import TILE_CELLS, TileMap, cell_indices, cells_of_points, column_of, near_offsets
from project.labels.config import LabelConfig, PropagationConfig
from project.taxonomy import Taxonomy

DROPPED, OBJECT = 255, 254

# The state of a cell is the code of its label or, with one of these bits set, the result of a search.
_FOUND, _NOTHING, _MOVER = 32, 64, 128


class LabelMap(NamedTuple):
    """What the keyframes say about the static world. A named tuple of arrays, so that numba can take it.

    Attributes:
        tile_map: what the cells are part of.
        cells: (columns * height,) uint8 state of each cell of 0.25 m: 0 unknown; 1 to 31 the category, less `first`, of
            what was labelled there other than ground; bit 32 a code found near, bit 64 nothing found near; bit 128 a
            mover without a box is near, as long as an interval between keyframes is worked on.
        ground: the ground.
        around: offsets of the cells within reach, nearest first.
        first: the last category before the static ones.
        config: thresholds.
    """

    tile_map: TileMap
    cells: np.ndarray
    ground: GroundMap
    around: np.ndarray
    first: int
    config: PropagationConfig


def label_map(tile_map: TileMap, labelled: Points, taxonomy: Taxonomy, config: LabelConfig) -> LabelMap:
    """Gather the labelled static points of all keyframes, inside the tiles.

    Raises:
        ValueError: the taxonomy has more static categories than fit into the state of a cell.
    """
    ground, first = taxonomy.ground, taxonomy.static.start - 1
    if len(taxonomy.static) >= _FOUND:
        raise UserError(f'the taxonomy has {len(taxonomy.static)} static categories; {_FOUND - 1} are possible')
    standing = labelled[(labelled.raw < ground.start) | (labelled.raw >= ground.stop)]
    _, cells = cells_of_points(tile_map, standing.xyz)
    states = np.zeros(len(tile_map.centres) * TILE_CELLS**2 * tile_map.height, np.uint8)
    positions, codes = majority(cells, standing.raw - np.uint8(first))
    states[positions] = codes
    of_ground = ground_map(tile_map, labelled, ground, config.ground)
    around = near_offsets(config.propagation.reach_m, 3)
    return LabelMap(tile_map, states, of_ground, around, first, config.propagation)


@njit(cache=True, error_model='numpy')
def mark_movers(labels, xyz, marked):
    """Mark the cells within one cell of (N, 3) unboxed movable points, or remove the marks."""
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
    """Propagate labels to the points of a sweep.

    Args:
        labels: what the keyframes say; results of searches are stored in it.
        xyz: (N, 3) float32, scene frame.
        in_box: (N,) bool, points inside a box.
        labelled_object: (N,) bool, points inside a box where keyframes have labelled points of the object.
        guessed: (N,) bool, points inside an extrapolated box: not part of the world, and not certainly of the object.

    Returns:
        (N,) uint8: category for the static world, 254 for the object of the box, 255 to be dropped.
    """
    # Take arrays out of their tuples once: numba counts references at each access.
    origin, tiles, height = labels.tile_map.origin, labels.tile_map.tiles, labels.tile_map.height
    cells, around, ground = labels.cells, labels.around, labels.ground
    distances, heights, first, ground_codes = ground.distances, ground.heights, labels.first, ground.distances.shape[1]
    surely_ground_m, nearly_ground_m = labels.config.surely_ground_m, labels.config.nearly_ground_m
    steepness, step_as_m = ground.config.steepness, ground.config.step_as_m
    result, votes = np.full(len(xyz), DROPPED, np.uint8), np.zeros(_FOUND, np.int64)
    for i in range(len(xyz)):
        ix, iy, iz = cell_indices(origin, xyz[i])
        column = column_of(tiles, ix, iy)
        code, above, least = -1, FAR_ABOVE_M, np.inf
        for candidate in range(ground_codes if column >= 0 else 0):
            height_above = xyz[i, 2] - heights[column, candidate]
            distance = distance_to_ground(distances[column, candidate], height_above, in_box[i], steepness, step_as_m)
            if distance < least:
                code, above, least = candidate, height_above, distance
        surely = -nearly_ground_m < above < surely_ground_m
        nearly = abs(above) < nearly_ground_m
        if in_box[i]:
            if surely or (nearly and not labelled_object[i]):
                result[i] = code + first + 1
            elif not guessed[i]:
                result[i] = OBJECT
            continue
        if column < 0 or not 0 <= iz < height:
            continue
        cell = column * height + iz
        state = cells[cell]
        here = state & (_MOVER - 1)
        if surely or (nearly and not ground_codes < here < _FOUND):
            result[i] = code + first + 1
        elif not state & _MOVER:
            if not here:
                here = _search(tiles, height, cells, around, votes, ground_codes, ix, iy, iz)
                cells[cell] |= here
            if not here & _NOTHING:
                result[i] = (here & (_FOUND - 1)) + first
    return result


@njit(error_model='numpy')
def _search(tiles, height, cells, around, votes, ground_codes, ix, iy, iz):
    """Result of a search around a cell: the most frequent code among the nearest labelled cells, or nothing within
    reach."""
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
        if ground_codes < code < _FOUND:
            votes[code] += 1
            nearest = around[at, 3]
    return np.argmax(votes) | _FOUND if nearest >= 0 else _NOTHING
