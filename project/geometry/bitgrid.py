"""Lines through a grid whose columns are integers with one bit for each layer.

A ray crosses hundreds of voxels, and other rays have decided nearly all of them already. So blocks of 8 x 8 columns
keep a summary of their bits: the layers with a voxel that is still undecided. A line steps from block to block,
compares the layers that it crosses there with the summary in one operation, and enters only blocks with such voxels.
"""

from typing import NamedTuple

import numpy as np
from numba import njit

from project.geometry.traversal import clip_to_grid

BLOCK_BITS = 3
BLOCK = 1 << BLOCK_BITS
"""BitGrid along a side of a block."""

MOST_LAYERS = 64
"""Bits of a column."""


class BitGrid(NamedTuple):
    """Bits of the voxels of a grid. A named tuple of arrays, as numba takes it.

    Loops unpack it once and pass its parts on: numba counts references whenever the tuple itself is passed, which takes
    longer than the work.

    Attributes:
        bits: (blocks * 64,) uint64 columns, block after block; blocks, and columns in a block, along y first.
        blocks: (blocks,) uint64 layers in which any column of the block has a bit.
        shape: of the grid.
        along_y: blocks along y as a power of two, so that block numbers are decoded without a division.
    """

    bits: np.ndarray
    blocks: np.ndarray
    shape: tuple[int, int, int]
    along_y: int


def layers_of(voxels: np.ndarray) -> np.ndarray:
    """(X, Y) uint64 of (X, Y, Z) bool; bit z of a column is voxel z.

    Raises:
        ValueError: there are more than 64 layers.
    """
    _check_layers(voxels.shape[2])
    packed = np.packbits(voxels, axis=2, bitorder='little')
    layers = np.zeros((*voxels.shape[:2], MOST_LAYERS // 8), np.uint8)
    layers[..., : packed.shape[2]] = packed
    return layers.view('<u8')[..., 0].astype(np.uint64, copy=False)


def _check_layers(depth: int) -> None:
    if depth > MOST_LAYERS:
        raise ValueError(f'a grid has {depth} layers; visibility is worked out for at most {MOST_LAYERS}')


def voxels_of(layers: np.ndarray, depth: int) -> np.ndarray:
    """Inverse of :func:`layers_of`: (X, Y, depth) bool."""
    packed = np.ascontiguousarray(layers, '<u8')[..., None].view(np.uint8)
    return np.unpackbits(packed, axis=2, count=depth, bitorder='little').view(bool)


def bit_grid_of(layers: np.ndarray, depth: int) -> BitGrid:
    """BitGrid of a grid of so many layers; `layers` as of :func:`layers_of`."""
    x, y = layers.shape
    along_x, along_y = _blocks_along(x, y)
    padded = np.zeros((along_x * BLOCK, BLOCK << along_y), np.uint64)
    padded[:x, :y] = layers
    bits = padded.reshape(along_x, BLOCK, -1, BLOCK).transpose(0, 2, 1, 3).reshape(-1, BLOCK * BLOCK)
    return BitGrid(bits.ravel(), np.bitwise_or.reduce(bits, axis=1), (x, y, depth), along_y)


def bit_grid_of_voxels(indices: np.ndarray, shape: tuple[int, int, int]) -> tuple[BitGrid, np.ndarray]:
    """BitGrid of a grid in which few voxels have a bit, without an array of all voxels.

    Args:
        indices: (N, 3) int32 voxels with a bit.
        shape: of the grid.

    Returns:
        The BitGrid, and (blocks * 64,) int32: of each column with a bit the first place in `indices` that names it. All
        other columns hold anything.

    Raises:
        ValueError: there are more than 64 layers.
    """
    _check_layers(shape[2])
    along_x, along_y = _blocks_along(shape[0], shape[1])
    blocks = np.zeros(along_x << along_y, np.uint64)
    bits = np.zeros(len(blocks) * BLOCK * BLOCK, np.uint64)
    first = np.empty(len(bits), np.int32)
    _set_bits(indices, along_y, bits, blocks, first)
    return BitGrid(bits, blocks, shape, along_y), first


@njit(cache=True, nogil=True)
def _set_bits(indices, along_y, bits, blocks, first):
    for place in range(len(indices) - 1, -1, -1):
        column = column_of(along_y, indices[place, 0], indices[place, 1])
        layer = bit(indices[place, 2])
        bits[column] |= layer
        blocks[column // (BLOCK * BLOCK)] |= layer
        first[column] = place


def _blocks_along(x: int, y: int) -> tuple[int, int]:
    """Blocks along x, and along y as a power of two, of a grid of so many columns."""
    return -(-x // BLOCK), (-(-y // BLOCK) - 1).bit_length()


def layers_of_bit_grid(columns: BitGrid) -> np.ndarray:
    """Inverse of :func:`bit_grid_of`: (X, Y) uint64."""
    x, y, _ = columns.shape
    bits = columns.bits.reshape(-1, 1 << columns.along_y, BLOCK, BLOCK).transpose(0, 2, 1, 3)
    return bits.reshape(-1, BLOCK << columns.along_y)[:x, :y]


def spread(layers: np.ndarray, reach: int) -> np.ndarray:
    """Union of the bits of the rows up to `reach` before and after: (X, Y) uint64."""
    result = layers.copy()
    for step in range(1, reach + 1):
        result[step:] |= layers[:-step]
        result[:-step] |= layers[step:]
    return result


@njit(error_model='numpy')
def line_between(start, stop, shape):
    """A line in units of voxels, and the part of it inside the grid as two shares (see :func:`clip_to_grid`)."""
    direction = stop[0] - start[0], stop[1] - start[1], stop[2] - start[2]
    line = start[0], start[1], start[2], direction[0], direction[1], direction[2], 1 / direction[0], 1 / direction[1]
    if _inside(start, shape) and _inside(stop, shape):
        return line, 0.0, 1.0
    enter, leave = clip_to_grid(start, stop, shape)
    return line, enter, leave


@njit(inline='always')
def _inside(point, shape):
    x, y, z = point
    return 0 <= x < shape[0] and 0 <= y < shape[1] and 0 <= z < shape[2]


@njit(error_model='numpy')
def column_at(shape, along_y, line, share):
    """Number of the column, and layer, at a share of a line; valid inside the grid only."""
    x = _cut(line[0] + share * line[3], 0, shape[0] - 1)
    y = _cut(line[1] + share * line[4], 0, shape[1] - 1)
    return column_of(along_y, x, y), _cut(line[2] + share * line[5], 0, shape[2] - 1)


@njit(inline='always')
def column_of(along_y, x, y):
    """Number of the column at x and y; the number of its block is this divided by 64."""
    block = ((x >> BLOCK_BITS) << along_y) + (y >> BLOCK_BITS)
    return (((block << BLOCK_BITS) + (x & (BLOCK - 1))) << BLOCK_BITS) + (y & (BLOCK - 1))


@njit(inline='always')
def _cut(coordinate, low, high):
    # Rounding may put a coordinate slightly outside, on either side.
    return min(max(int(coordinate), low), high)


@njit(error_model='numpy')
def enter_grid(shape, along_y, line, enter, leave):
    """State of the traversal of blocks, for :func:`next_block`."""
    nx, ny, _ = shape
    x = _cut(line[0] + enter * line[3], 0, nx - 1) >> BLOCK_BITS
    y = _cut(line[1] + enter * line[4], 0, ny - 1) >> BLOCK_BITS
    last_x = _cut(line[0] + leave * line[3], 0, nx - 1) >> BLOCK_BITS
    last_y = _cut(line[1] + leave * line[4], 0, ny - 1) >> BLOCK_BITS
    return _begin(line, enter, x, y, last_x, last_y, BLOCK, (x << along_y) + y)


@njit(inline='always')
def next_block(blocks, shape, along_y, line, leave, state):
    """The next block with a bit in the layers that the line crosses there.

    Returns:
        Its number, -1 at the end of the line; the shares of the line at which it enters and leaves; the next state.
    """
    return _seek(blocks, line, leave, BLOCK, 1 << along_y, shape[2], state)


@njit(error_model='numpy')
def enter_block(along_y, line, block, enter, leave):
    """State of the traversal of the columns of a block, for :func:`next_column`."""
    low_x = (block >> along_y) << BLOCK_BITS
    low_y = (block & ((1 << along_y) - 1)) << BLOCK_BITS
    x = _cut(line[0] + enter * line[3], low_x, low_x + BLOCK - 1)
    y = _cut(line[1] + enter * line[4], low_y, low_y + BLOCK - 1)
    last_x = _cut(line[0] + leave * line[3], low_x, low_x + BLOCK - 1)
    last_y = _cut(line[1] + leave * line[4], low_y, low_y + BLOCK - 1)
    return _begin(line, enter, x, y, last_x, last_y, 1, column_of(along_y, x, y))


@njit(inline='always')
def next_column(bits, shape, line, leave, state):
    """The next column with a bit in the layers that the line crosses there: its number, and the next state."""
    return _seek(bits, line, leave, 1, BLOCK, shape[2], state)


@njit(inline='always')
def layers_crossed(state):
    """Bits of the layers that the line crosses in the cell found last."""
    return state[7]


@njit(inline='always')
def lowest_layer(state):
    """The lowest of these layers."""
    return state[9]


@njit(inline='always')
def shares_crossed(state):
    """Shares of the line at which it enters and leaves the cell found last."""
    return state[8], state[6]


@njit(inline='always')
def bit(layer):
    """The bit of a layer."""
    return np.uint64(1) << np.uint64(layer)


@njit(inline='always')
def summary(bits, block):
    """Layers in which any column of a block has a bit."""
    any_column = np.uint64(0)
    for column in range(block * BLOCK * BLOCK, (block + 1) * BLOCK * BLOCK):
        any_column |= bits[column]
    return any_column


@njit(error_model='numpy')
def _begin(line, enter, x, y, last_x, last_y, width, cell):
    """A state: cell, steps left along x and y, shares of the line at the next borders, layer and share there.

    For the cell found last, it also has the layers crossed, the share at which the line entered, and the lowest layer.
    """
    # On a short line, rounding may put the last cell before the first.
    nx = max(last_x - x if line[6] > 0 else x - last_x, 0)
    ny = max(last_y - y if line[7] > 0 else y - last_y, 0)
    tx = ((x + (line[6] > 0)) * width - line[0]) * line[6] if nx else np.inf
    ty = ((y + (line[7] > 0)) * width - line[1]) * line[7] if ny else np.inf
    return cell, nx, ny, tx, ty, int(line[2] + enter * line[5]), enter, np.uint64(0), enter, 0


@njit(inline='always', error_model='numpy')
def _seek(bits, line, leave, width, stride, layers, state):
    """Step through square cells seen from above (Amanatides and Woo, 1987) to one with a bit in the layers crossed."""
    cell, nx, ny, tx, ty, layer, t, _, _, _ = state
    dx, dy = abs(width * line[6]), abs(width * line[7])
    step_x, step_y = stride if line[6] > 0 else -stride, 1 if line[7] > 0 else -1
    layer = min(max(layer, 0), layers - 1)
    while nx >= 0:
        here, since = cell, t
        if nx + ny == 0:
            t, nx = leave, -1
        elif tx <= ty:
            t = tx
            cell += step_x
            nx -= 1
            # A border that rounding lets the line reach too early is not crossed twice.
            tx = tx + dx if nx else np.inf
        else:
            t = ty
            cell += step_y
            ny -= 1
            ty = ty + dy if ny else np.inf
        next_layer = min(max(int(line[2] + t * line[5]), 0), layers - 1)
        low, high = min(layer, next_layer), max(layer, next_layer)
        crossed = (np.uint64(0xFFFFFFFFFFFFFFFF) >> np.uint64(63 - (high - low))) << np.uint64(low)
        layer = next_layer
        if bits[here] & crossed:
            return here, (cell, nx, ny, tx, ty, layer, t, crossed, since, low)
    return -1, (cell, nx, ny, tx, ty, layer, t, np.uint64(0), t, 0)
