"""One moment of a scene: the cells of the static world that hold points then, and those that rays pass through."""

from typing import NamedTuple

import numpy as np
from numba import njit

from project.geometry.bitgrid import (
    BLOCK,
    BLOCK_BITS,
    MOST_LAYERS,
    bit,
    column_at,
    enter_block,
    enter_grid,
    layers_crossed,
    line_between,
    lowest_layer,
    next_block,
    next_column,
    shares_crossed,
    summary,
)
from project.labels.aggregation.static_cells import COLUMNS, cell_indices, cell_of_point
from project.labels.visibility.lidar_rays import origin_of

_MOST = 255


class Window(NamedTuple):
    """The surroundings of the car for a moment: a square of blocks. All columns are in order of a bit grid.

    Attributes:
        todo: (columns,) uint64 cells whose next ray counts.
        blocks: (blocks,) uint64 summary of these.
        hit: (columns,) uint64 cells with a point.
        near: (columns,) uint64 cells with a point in them or beside them.
        once, twice: (columns,) uint64 the two digits of a count of rays.
        numbers: (blocks,) int64 number of each block, -1 where there is none.
        across: blocks along a side.
        along_y: blocks along y as a power of two.
    """

    todo: np.ndarray
    blocks: np.ndarray
    hit: np.ndarray
    near: np.ndarray
    once: np.ndarray
    twice: np.ndarray
    numbers: np.ndarray
    across: int
    along_y: int


def new_window(reach_m: float, cell_m: float) -> Window:
    """An empty window that reaches this far to all sides."""
    across = 2 * int(np.ceil(reach_m / (BLOCK * cell_m))) + 1
    along_y = (across - 1).bit_length()
    blocks = across << along_y
    columns = [np.zeros(blocks * COLUMNS, np.uint64) for _ in range(5)]
    todo, hit, near, once, twice = columns
    return Window(
        todo, np.zeros(blocks, np.uint64), hit, near, once, twice, np.zeros(blocks, np.int64), across, along_y
    )


@njit(cache=True, error_model='numpy')
def count_hits(cells, xyz, raw, starts, is_ground, hit):
    """Count, for each cell, the moments in which it holds points other than ground.

    Args:
        cells: the cells.
        xyz, raw, starts: points of the static world, and where the points of each tile and time step start.
        is_ground: (256,) bool, by category.
        hit: (cells,) uint8, zeros; takes the moments.

    Returns:
        (blocks * 64,) uint64 columns, bits of the cells that hold more points of other things than of the ground.
    """
    origin, cell_m, layer_m, numbers, bases = cells.origin, cells.cell_m, cells.layer_m, cells.numbers, cells.bases
    # Points that are not ground minus points of the ground, and the last moment: side by side, as they are used
    # together.
    counts = np.zeros((len(hit), 2), np.int32)
    for group in range(len(starts)):
        for step in range(starts.shape[1] - 1):
            for i in range(np.uint64(starts[group, step]), np.uint64(starts[group, step + 1])):
                x, y, layer = cell_indices(origin, cell_m, layer_m, xyz[i])
                number = cell_of_point(numbers, bases, x, y, layer)
                if number < 0:
                    continue
                cell = np.uint64(number)
                if is_ground[raw[i]]:
                    counts[cell, 0] -= 1
                    continue
                counts[cell, 0] += 1
                if counts[cell, 1] != step // 2 + 1:
                    counts[cell, 1] = step // 2 + 1
                    hit[cell] += hit[cell] < _MOST
    standing = np.zeros(len(bases) * COLUMNS, np.uint64)
    for place in range(np.uint64(len(hit))):
        if hit[place] and counts[place, 0] > 0:
            standing[place // np.uint64(MOST_LAYERS)] |= bit(place % np.uint64(MOST_LAYERS))
    return standing


@njit(cache=True, error_model='numpy')
def judge_moment(
    cells, window, xyz, raw, starts, is_ground, moment, sweeps, ends, shares, ray_starts, origins,
    standing, hit, clear, passed, dynamic, rays, clear_share,
):  # fmt: skip
    """Cast the rays of some sweeps of a moment, and count the cells that are clear and passed.

    Args:
        cells, window: the cells, and a window to use.
        xyz, raw, starts, is_ground: as for :func:`count_hits`.
        moment: the moment; its time steps are 2 * moment and 2 * moment + 1.
        sweeps: (N,) int64.
        ends, shares, ray_starts, origins: the rays.
        standing: (blocks * 64,) uint64 columns, cells to be judged; those found dynamic are removed.
        hit: (cells,) uint8 moments with points.
        clear, passed: (cells,) uint8 moments so far, updated.
        dynamic: (cells,) bool, updated.
        rays: number of rays, at most 3, that must pass through a cell for it to be clear.
        clear_share: a cell is dynamic if it was clear in at least this many times the moments with points.
    """
    origin, cell_m, layer_m, numbers, bases = cells.origin, cells.cell_m, cells.layer_m, cells.numbers, cells.bases
    todo, blocks, hits, near, once, twice, own, across, along_y = window
    shape = across * BLOCK, across * BLOCK, MOST_LAYERS
    # The window is centred on the middle of the lidar's path in this moment.
    middle = (origins[sweeps[0], 0] + origins[sweeps[-1], 1]) / 2
    x, y, layer = cell_indices(origin, cell_m, layer_m, middle)
    low_x, low_y, base = (x >> BLOCK_BITS) - across // 2, (y >> BLOCK_BITS) - across // 2, layer - MOST_LAYERS // 2
    low = origin[0] + low_x * BLOCK * cell_m, origin[1] + low_y * BLOCK * cell_m, base * layer_m
    for column in range(len(hits)):
        hits[column] = near[column] = once[column] = twice[column] = todo[column] = 0
    for bx in range(across):
        for by in range(across):
            block = (bx << along_y) + by
            inside = 0 <= low_x + bx < numbers.shape[0] and 0 <= low_y + by < numbers.shape[1]
            number = np.int64(numbers[low_x + bx, low_y + by]) if inside else -1
            own[block] = number
            if number >= 0:
                shift = bases[number] - base
                for column in range(COLUMNS):
                    todo[block * COLUMNS + column] = _shifted(standing[number * COLUMNS + column], shift)
    place = low_x * BLOCK, low_y * BLOCK, base
    first, end = min(2 * moment, starts.shape[1] - 1), min(2 * moment + 2, starts.shape[1] - 1)
    for group in range(len(starts)):
        _mark_hits(window, cells, xyz, raw, starts[group, first], starts[group, end], is_ground, place)
    # Points of boxed objects and points without a label occupy cells as well: rays end there.
    for sweep in sweeps:
        _mark_ends(window, cells, ends, ray_starts[sweep], ray_starts[sweep + 1], place)
    for block in range(len(blocks)):
        blocks[block] = 0
        for column in range(block * COLUMNS, (block + 1) * COLUMNS):
            todo[column] &= ~hits[column]
            blocks[block] |= todo[column]
    for sweep in sweeps:
        for i in range(ray_starts[sweep], ray_starts[sweep + 1]):
            start = _local(low, cell_m, layer_m, origin_of(origins[sweep], shares[i]))
            stop = _local(low, cell_m, layer_m, ends[i])
            line, enter, leave = line_between(start, stop, shape)
            if enter >= leave:
                continue
            last, last_layer = column_at(shape, along_y, line, leave)
            state = enter_grid(shape, along_y, line, enter, leave)
            block, state = next_block(blocks, shape, along_y, line, leave, state)
            while block >= 0:
                since, until = shares_crossed(state)
                inner = enter_block(along_y, line, block, since, until)
                column, inner = next_column(todo, shape, line, until, inner)
                while column >= 0:
                    crossed = todo[column] & layers_crossed(inner)
                    if column == last:
                        crossed &= ~bit(last_layer)
                    if crossed:
                        new = crossed & ~(once[column] | twice[column])
                        carry = once[column] & crossed
                        once[column] ^= crossed
                        twice[column] |= carry
                        full = crossed & (once[column] if rays & 1 else ~once[column])
                        full &= twice[column] if rays >> 1 else ~twice[column]
                        full &= ~near[column]
                        number = own[block]
                        lowest = (number * COLUMNS + (column & (COLUMNS - 1))) * MOST_LAYERS - (bases[number] - base)
                        _count(new, lowest_layer(inner), lowest, passed)
                        if full:
                            _count(full, lowest_layer(inner), lowest, clear)
                            _mark_dynamic(full, lowest_layer(inner), lowest, hit, clear, dynamic, standing, clear_share)
                        # A cell beside a point of this moment may be passed, but is never clear.
                        done = crossed & (full | near[column])
                        if done:
                            todo[column] &= ~done
                            blocks[block] = summary(todo, block)
                    column, inner = next_column(todo, shape, line, until, inner)
                block, state = next_block(blocks, shape, along_y, line, leave, state)


@njit(inline='always', error_model='numpy')
def _local(low, cell_m, layer_m, point):
    return (point[0] - low[0]) / cell_m, (point[1] - low[1]) / cell_m, (point[2] - low[2]) / layer_m


@njit(inline='always')
def _shifted(bits, layers):
    """Shift bits up by some layers; bits shifted out are lost."""
    if layers >= MOST_LAYERS or layers <= -MOST_LAYERS:
        return np.uint64(0)
    return bits << np.uint64(layers) if layers >= 0 else bits >> np.uint64(-layers)


@njit(inline='always')
def _count(layers, first, lowest, counts):
    for layer in range(first, MOST_LAYERS):
        if layers < bit(layer):
            break
        if layers & bit(layer):
            counts[lowest + layer] += counts[lowest + layer] < _MOST


@njit(inline='always')
def _mark_dynamic(layers, first, lowest, hit, clear, dynamic, standing, clear_share):
    """Mark cells that were clear often enough as dynamic; they need no more rays."""
    for layer in range(first, MOST_LAYERS):
        if layers < bit(layer):
            break
        cell = lowest + layer
        if layers & bit(layer) and clear[cell] >= clear_share * hit[cell]:
            dynamic[cell] = True
            standing[cell // MOST_LAYERS] &= ~bit(cell % MOST_LAYERS)


@njit(error_model='numpy')
def _mark_hits(window, cells, xyz, raw, start, stop, is_ground, place):
    """Mark the cells of the window with points above the ground, and those beside them."""
    for i in range(np.uint64(start), np.uint64(stop)):
        if not is_ground[raw[i]]:
            x, y, layer = cell_indices(cells.origin, cells.cell_m, cells.layer_m, xyz[i])
            _mark(window, x - place[0], y - place[1], layer - place[2])


@njit(error_model='numpy')
def _mark_ends(window, cells, ends, start, stop, place):
    """Do the same for points of any kind that lie in cells to be judged."""
    size = window.across * BLOCK
    for i in range(np.uint64(start), np.uint64(stop)):
        x, y, layer = cell_indices(cells.origin, cells.cell_m, cells.layer_m, ends[i])
        x, y, layer = x - place[0], y - place[1], layer - place[2]
        inside = 0 <= x < size and 0 <= y < size and 0 <= layer < MOST_LAYERS
        if inside and window.todo[_column(window.along_y, x, y)] & bit(layer):
            _mark(window, x, y, layer)


@njit(error_model='numpy')
def _mark(window, x, y, layer):
    hits, near, along_y, size = window.hit, window.near, window.along_y, window.across * BLOCK
    if not (0 <= x < size and 0 <= y < size and 0 <= layer < MOST_LAYERS):
        return
    column = _column(along_y, x, y)
    if hits[column] & bit(layer):
        return
    hits[column] |= bit(layer)
    around = bit(layer) | bit(max(layer - 1, 0)) | bit(min(layer + 1, MOST_LAYERS - 1))
    for u in range(max(x - 1, 0), min(x + 2, size)):
        for v in range(max(y - 1, 0), min(y + 2, size)):
            near[_column(along_y, u, v)] |= around


@njit(inline='always')
def _column(along_y, x, y):
    block = ((x >> BLOCK_BITS) << along_y) + (y >> BLOCK_BITS)
    return block * COLUMNS + ((x & (BLOCK - 1)) << BLOCK_BITS) + (y & (BLOCK - 1))
