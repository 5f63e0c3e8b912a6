"""Free space carving: the compiled loops that cast rays through the voxels of a grid."""

import numpy as np
from numba import njit

from project.geometry.bitgrid import (
    BLOCK,
    bit,
    column_at,
    column_of,
    enter_block,
    enter_grid,
    layers_crossed,
    line_between,
    next_block,
    next_column,
    shares_crossed,
    summary,
)
from project.geometry.traversal import transformed
from project.labels.visibility.lidar_rays import origin_of


@njit(cache=True, error_model='numpy')
def carve_rays(unseen, sweeps, ends, shares, starts, origins, voxels_from_scene):
    """Clear the bits of the voxels that the rays of some sweeps pass through."""
    bits, blocks, shape, along_y = unseen
    for sweep in sweeps:
        origin = origins[sweep]
        for i in range(starts[sweep], starts[sweep + 1]):
            start = transformed(voxels_from_scene, origin_of(origin, shares[i]))
            stop = transformed(voxels_from_scene, (ends[i, 0], ends[i, 1], ends[i, 2]))
            _clear(bits, blocks, shape, along_y, start, stop, True)


@njit(cache=True, error_model='numpy')
def carve_box_rays(unseen, lines, ended, starts, stops, voxels_from_box):
    """Do the same with parts of rays, in box frames."""
    bits, blocks, shape, along_y = unseen
    for b in range(len(starts)):
        for i in range(starts[b], stops[b]):
            start, stop = transformed(voxels_from_box[b], lines[i, 0]), transformed(voxels_from_box[b], lines[i, 1])
            _clear(bits, blocks, shape, along_y, start, stop, ended[i])


@njit(inline='always', error_model='numpy')
def _clear(bits, blocks, shape, along_y, start, stop, ended):
    """Clear the voxels that a line passes through: not the one where the ray ended, but the one where it leaves the
    grid."""
    line, enter, leave = line_between(start, stop, shape)
    if enter >= leave:
        return
    last, last_layer = column_at(shape, along_y, line, leave)
    state = enter_grid(shape, along_y, line, enter, leave)
    block, state = next_block(blocks, shape, along_y, line, leave, state)
    while block >= 0:
        since, until = shares_crossed(state)
        inner = enter_block(along_y, line, block, since, until)
        column, inner = next_column(bits, shape, line, until, inner)
        cleared = False
        while column >= 0:
            crossed = bits[column] & layers_crossed(inner)
            if column == last and ended and leave >= 1:
                crossed &= ~bit(last_layer)
            bits[column] ^= crossed
            cleared |= crossed != 0
            column, inner = next_column(bits, shape, line, until, inner)
        if cleared:
            blocks[block] = summary(bits, block)
        block, state = next_block(blocks, shape, along_y, line, leave, state)


@njit(cache=True, error_model='numpy')
def mark_boxes(marked, box_from_voxels, voxels_from_box, half):
    """Set the bits of the voxels whose centres lie in boxes of (B, 3) half sizes."""
    bits, blocks, shape = marked.bits, marked.blocks, marked.shape
    low, high = np.empty(3, np.int64), np.empty(3, np.int64)
    for b in range(len(half)):
        for axis in range(3):
            m = voxels_from_box[b, axis]
            reach = abs(m[0]) * half[b, 0] + abs(m[1]) * half[b, 1] + abs(m[2]) * half[b, 2]
            low[axis] = max(int(np.floor(m[3] - reach)), 0)
            high[axis] = min(int(np.floor(m[3] + reach)) + 1, shape[axis])
        for x in range(low[0], high[0]):
            for y in range(low[1], high[1]):
                inside = np.uint64(0)
                for z in range(low[2], high[2]):
                    u, v, w = transformed(box_from_voxels[b], (x + 0.5, y + 0.5, z + 0.5))
                    if abs(u) <= half[b, 0] and abs(v) <= half[b, 1] and abs(w) <= half[b, 2]:
                        inside |= bit(z)
                column = column_of(marked.along_y, x, y)
                bits[column] |= inside
                blocks[column // BLOCK**2] |= inside
