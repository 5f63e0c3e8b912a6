"""Step 3, propagate: sweeps between keyframes have no lidarseg; their points take the label of what was labelled near.

Ground and the rest are treated apart. Ground is a height and a class seen from above, since between the rings of a lidar
it is far to the next labelled point along the road while a hand's breadth above the road is not road. Everything else is a
map of small cells: a point takes the label of the nearest labelled cell within half a metre. A point with neither is
dropped, and so is one near an unboxed movable point of the keyframes around: a mover leaves no trail.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from project.formats.vote import majority
from project.labels.domain import CELL_M, TILE_CELLS, Domain, column_at, column_of
from project.labels.read import Points
from project.taxonomy import GROUND, LEARNING_MAP, RAW_STATIC

GROUND_REACH_M = 3.0
"""How far along the ground its class and height are carried."""

GROUND_TOLERANCE_M = 0.15
"""How far above or below the ground a point may be and still be ground."""

REACH_M = 0.6
"""How far other static labels are carried."""

_UNSEEN, _NOTHING, _FOUND = 0, 64, 32
_MOVER = 128
_FIRST = RAW_STATIC.start - 1
_LAST_GROUND = max(raw for raw in RAW_STATIC if LEARNING_MAP[raw] in GROUND) - _FIRST


class LabelMap(NamedTuple):
    """What keyframes tell about the static world; codes are lidarseg index - 23, ground being 1-4, the rest 5-7.

    Attributes:
        cells: (T * 1024 * height,) uint8 code of labelled cells; answers of earlier searches have bit 32 (found) or 64
            (nothing near); bit 128 marks cells near an unboxed mover for as long as an interval is worked on.
        ground: (T * 1024,) uint8 code of the ground in each column, marked alike.
        heights: (T * 1024,) float32 its height, scene frame.
    """

    domain: Domain
    cells: np.ndarray
    ground: np.ndarray
    heights: np.ndarray


def label_map(domain: Domain, labelled: Points) -> LabelMap:
    """Gather the labelled static points of all keyframes (scene frame; lidarseg 24-30)."""
    codes = labelled.raw - np.uint8(_FIRST)
    columns, cells = cell_numbers(domain, labelled.xyz)
    inside = cells >= 0
    columns, cells, codes = columns[inside], cells[inside], codes[inside]
    n_columns = len(domain.centres) * TILE_CELLS**2
    cell_codes = np.zeros(n_columns * domain.height, np.uint8)
    positions, winners = majority(cells, codes)
    cell_codes[positions] = np.where(winners > _LAST_GROUND, winners, 0)
    on_ground = codes <= _LAST_GROUND
    ground_codes = np.zeros(n_columns, np.uint8)
    positions, winners = majority(columns[on_ground], codes[on_ground])
    ground_codes[positions] = winners
    # Whole millimetres: sums of integers do not depend on the order of the points.
    millimetres = np.rint(labelled.xyz[inside, 2][on_ground].astype(np.float64) * 1000)
    sums = np.bincount(columns[on_ground], millimetres, n_columns)
    counts = np.bincount(columns[on_ground], minlength=n_columns)
    heights = (sums / np.maximum(counts, 1) / 1000).astype(np.float32)
    return LabelMap(domain, cell_codes, ground_codes, heights)


@njit(cache=True)
def cell_numbers(domain, xyz):
    """Column and cell of (N, 3) points of the scene frame: two (N,) int64 arrays, cell -1 outside the domain."""
    columns, cells = np.empty(len(xyz), np.int64), np.empty(len(xyz), np.int64)
    for i in range(len(xyz)):
        columns[i] = column_at(domain, xyz[i, 0], xyz[i, 1])
        iz = int(np.floor((xyz[i, 2] - domain.origin[2]) / CELL_M))
        inside = columns[i] >= 0 and 0 <= iz < domain.height
        cells[i] = columns[i] * domain.height + iz if inside else -1
    return columns, cells


def near_offsets(reach_m: float, dimensions: int) -> np.ndarray:
    """Offsets of the cells within reach of a cell, nearest first: (N, dimensions + 1) int64, the last one d squared."""
    span = np.arange(-int(reach_m / CELL_M), int(reach_m / CELL_M) + 1)
    offsets = np.stack(np.meshgrid(*[span] * dimensions, indexing='ij'), axis=-1).reshape(-1, dimensions)
    squares = (offsets**2).sum(axis=1)
    order = np.lexsort((*offsets.T, squares))
    order = order[squares[order] * CELL_M**2 <= reach_m**2]
    return np.column_stack([offsets[order], squares[order]])


_AROUND_CELL = near_offsets(REACH_M, 3)
_AROUND_COLUMN = near_offsets(GROUND_REACH_M, 2)

DROPPED, OBJECT = 255, 254


def propagate(labels: LabelMap, xyz: np.ndarray, box: np.ndarray, guessed: np.ndarray) -> np.ndarray:
    """What each point of a sweep is.

    Args:
        labels: what the keyframes tell; searches leave their answers in it.
        xyz: (N, 3) float32, scene frame.
        box: (N,) int32 box of each point, -1 outside all.
        guessed: (B,) bool, boxes whose points are neither the world's nor surely the object's: these are dropped.

    Returns:
        (N,) uint8: lidarseg index 24-30 for the static world, 254 for the object of the box, 255 to be dropped.
    """
    return _propagate(labels, xyz, box, guessed, _AROUND_CELL, _AROUND_COLUMN)


@njit(cache=True)
def mark_movers(labels, xyz, marked):
    """Mark cells within one cell of (N, 3) unboxed movable points, or take the marks off."""
    domain = labels.domain
    for i in range(len(xyz)):
        ix = int(np.floor((xyz[i, 0] - domain.origin[0]) / CELL_M))
        iy = int(np.floor((xyz[i, 1] - domain.origin[1]) / CELL_M))
        iz = int(np.floor((xyz[i, 2] - domain.origin[2]) / CELL_M))
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                column = column_of(domain, ix + dx, iy + dy)
                if column < 0:
                    continue
                for z in range(max(iz - 1, 0), min(iz + 2, domain.height)):
                    cell = column * domain.height + z
                    labels.cells[cell] = labels.cells[cell] | _MOVER if marked else labels.cells[cell] & ~_MOVER


@njit(cache=True)
def _propagate(labels, xyz, box, guessed, around_cell, around_column):
    domain = labels.domain
    result = np.full(len(xyz), DROPPED, np.uint8)
    for i in range(len(xyz)):
        x, y, z = xyz[i, 0], xyz[i, 1], xyz[i, 2]
        ix = int(np.floor((x - domain.origin[0]) / CELL_M))
        iy = int(np.floor((y - domain.origin[1]) / CELL_M))
        iz = int(np.floor((z - domain.origin[2]) / CELL_M))
        column = column_of(domain, ix, iy)
        ground = _ground_near(labels, column, ix, iy, around_column) if column >= 0 else 0
        on_ground = ground > 0 and abs(z - labels.heights[column]) <= GROUND_TOLERANCE_M
        if box[i] >= 0:
            if on_ground:
                result[i] = ground + _FIRST
            elif not guessed[box[i]]:
                result[i] = OBJECT
            continue
        if column < 0 or not 0 <= iz < domain.height:
            continue
        cell = column * domain.height + iz
        state = labels.cells[cell]
        here = state & (_MOVER - 1)
        if on_ground:
            result[i] = (here if _LAST_GROUND < here < _FOUND else ground) + _FIRST
        elif not state & _MOVER:
            code = _static_near(labels, cell, ix, iy, iz, around_cell)
            if code:
                result[i] = code + _FIRST
    return result


@njit(inline='always')
def _ground_near(labels, column, ix, iy, around):
    """Code of the nearest labelled ground, 0 for none; the answer and its height are kept in the column."""
    code = labels.ground[column]
    if code:
        return code & (_FOUND - 1)
    for at in range(len(around)):
        other = column_of(labels.domain, ix + around[at, 0], iy + around[at, 1])
        if other >= 0 and 0 < labels.ground[other] < _FOUND:
            labels.ground[column] = labels.ground[other] | _FOUND
            labels.heights[column] = labels.heights[other]
            return labels.ground[other]
    labels.ground[column] = _NOTHING
    return 0


@njit(inline='always')
def _static_near(labels, cell, ix, iy, iz, around):
    """Most frequent code among the nearest cells that are labelled and not ground, 0 for none within reach."""
    here = labels.cells[cell] & (_MOVER - 1)
    if here:
        return 0 if here & _NOTHING else here & (_FOUND - 1)
    votes = np.zeros(8, np.int64)
    nearest = -1
    for at in range(len(around)):
        if nearest >= 0 and around[at, 3] > nearest:
            break
        column = column_of(labels.domain, ix + around[at, 0], iy + around[at, 1])
        z = iz + around[at, 2]
        if column < 0 or not 0 <= z < labels.domain.height:
            continue
        code = labels.cells[column * labels.domain.height + z] & (_MOVER - 1)
        if _LAST_GROUND < code < _FOUND:
            votes[code] += 1
            nearest = around[at, 3]
    code = np.argmax(votes) if nearest >= 0 else 0
    labels.cells[cell] |= code | _FOUND if code else _NOTHING
    return code
