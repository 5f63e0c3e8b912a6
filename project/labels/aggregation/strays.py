"""Extends the trails of movers to cells that rays of other times never came near.

Behind a mover that follows the car, or beside a wall, hardly any ray passes at other times. But a mover was there for a
few moments only, and most of the cells around its other parts are dynamic.
"""

import numpy as np
from numba import njit

from project.geometry.bitgrid import MOST_LAYERS, bit
from project.labels.aggregation.static_cells import cell_number, indices_of


def mark_strays(cells, dynamic, hit, standing, most_moments, neighbours, ratio):
    """Mark cells beside dynamic ones as dynamic, and those beside these, until nothing changes.

    A cell is marked if points lay in it in a few moments only, and enough cells around it are dynamic. Marking a cell
    makes no other cell static, so the order does not matter.

    Args:
        cells: the cells.
        dynamic: (cells,) bool, updated.
        hit: (cells,) uint8 moments with points.
        standing: (blocks * 64,) uint64 columns of cells that were not found dynamic.
        most_moments: a cell with points in more moments stays.
        neighbours: at least this many of the 26 cells around it must be dynamic.
        ratio: and at least this many for each of them that is static.
    """
    found = np.flatnonzero(dynamic)
    while len(found):
        found = _mark(cells, indices_of(cells, found), dynamic, hit, standing, most_moments, neighbours, ratio)


@njit(cache=True, error_model='numpy')
def _mark(cells, where, dynamic, hit, standing, most_moments, neighbours, ratio):
    """Mark cells around some others, whose indices are (N, 3) `where`; returns the (M,) int64 marked ones."""
    numbers, bases = cells.numbers, cells.bases
    marked, count = np.empty(26 * len(where), np.int64), 0
    for i in range(len(where)):
        for dx in range(-1, 2):
            for dy in range(-1, 2):
                for dz in range(-1, 2):
                    x, y, z = where[i, 0] + dx, where[i, 1] + dy, where[i, 2] + dz
                    cell = cell_number(numbers, bases, x, y, z)
                    if cell < 0 or dynamic[cell] or not 0 < hit[cell] <= most_moments:
                        continue
                    moving, static = _around(numbers, bases, dynamic, standing, x, y, z)
                    if moving >= neighbours and moving >= ratio * static:
                        dynamic[cell] = True
                        marked[count] = cell
                        count += 1
    return marked[:count].copy()


@njit(error_model='numpy')
def _around(numbers, bases, dynamic, standing, x, y, z):
    """How many of the 26 cells around one are dynamic, and how many static."""
    moving, static = 0, 0
    for dx in range(-1, 2):
        for dy in range(-1, 2):
            for dz in range(-1, 2):
                cell = cell_number(numbers, bases, x + dx, y + dy, z + dz)
                if cell >= 0 and (dx != 0 or dy != 0 or dz != 0):
                    if dynamic[cell]:
                        moving += 1
                    elif standing[cell // MOST_LAYERS] & bit(cell % MOST_LAYERS):
                        static += 1
    return moving, static
