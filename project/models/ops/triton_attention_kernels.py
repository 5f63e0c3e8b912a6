"""Triton kernels of the multi-scale deformable attention: forward, and backward in one pass.

One program takes the points of a few queries in one head of one map. Programs of a head run together and heads of a
map one after the other, so what they sample stays in the caches. Common arguments:

    LEVELS: of each level its rows, columns, and number of its first pixel
    PIXELS: pixels of all levels
    HEADS, POINTS, CHANNELS: heads, points a level, channels a head
    QUERY_BLOCK, POINT_BLOCK, BLOCK: queries a program, points and channels rounded up to powers of two
"""

import triton
import triton.language as tl


@triton.jit
def _entries(queries, level, HEADS: tl.constexpr, COUNT: tl.constexpr, POINTS: tl.constexpr,
             QUERY_BLOCK: tl.constexpr, POINT_BLOCK: tl.constexpr):  # fmt: skip
    """Numbers of the program's points of a level in weights (and, twice, in locations), and whether they exist."""
    row = tl.arange(0, QUERY_BLOCK * POINT_BLOCK)
    query, point = tl.program_id(0) * QUERY_BLOCK + row // POINT_BLOCK, row % POINT_BLOCK
    batch, head = tl.program_id(2), tl.program_id(1)
    place = (batch * queries + query).to(tl.int64) * HEADS + head
    return (place * COUNT + level) * POINTS + point, (query < queries) & (point < POINTS)


@triton.jit
def _corners(
    locations, entry, real, LEVELS: tl.constexpr, level: tl.constexpr, PIXELS: tl.constexpr, DTYPE: tl.constexpr
):
    """Upper left pixel of each sample, its distance to it, and which of the four corners are on the level."""
    ROWS: tl.constexpr = LEVELS[level][0]
    COLUMNS: tl.constexpr = LEVELS[level][1]
    x = tl.load(locations + 2 * entry, mask=real, other=0).to(DTYPE) * COLUMNS - 0.5
    y = tl.load(locations + 2 * entry + 1, mask=real, other=0).to(DTYPE) * ROWS - 0.5
    top, left = tl.floor(y), tl.floor(x)
    row, column = top.to(tl.int32), left.to(tl.int32)
    upper, lower = real & (row >= 0) & (row < ROWS), real & (row >= -1) & (row < ROWS - 1)
    west, east = (column >= 0) & (column < COLUMNS), (column >= -1) & (column < COLUMNS - 1)
    pixel = (tl.program_id(2) * PIXELS + LEVELS[level][2] + row * COLUMNS + column).to(tl.int64)
    return pixel, y - top, x - left, upper & west, upper & east, lower & west, lower & east


@triton.jit
def _load_corners(start, inside, nw, ne, sw, se, RIGHT: tl.constexpr, DOWN: tl.constexpr, DTYPE: tl.constexpr):
    """Values of the four corners, zero outside the level; `start` points at the channels of the upper left ones."""
    return (
        tl.load(start, mask=nw[:, None] & inside, other=0).to(DTYPE),
        tl.load(start + RIGHT, mask=ne[:, None] & inside, other=0).to(DTYPE),
        tl.load(start + DOWN, mask=sw[:, None] & inside, other=0).to(DTYPE),
        tl.load(start + (DOWN + RIGHT), mask=se[:, None] & inside, other=0).to(DTYPE),
    )


@triton.jit
def attend(
    value, locations, weights, out, queries,
    LEVELS: tl.constexpr, PIXELS: tl.constexpr, HEADS: tl.constexpr, POINTS: tl.constexpr, CHANNELS: tl.constexpr,
    QUERY_BLOCK: tl.constexpr, POINT_BLOCK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write (B, queries, HEADS * CHANNELS) sums of weighted samples."""
    DTYPE: tl.constexpr = tl.float64 if value.dtype.element_ty == tl.float64 else tl.float32
    RIGHT: tl.constexpr = HEADS * CHANNELS
    channel = tl.arange(0, BLOCK)
    inside = (channel < CHANNELS)[None, :]
    start = value + tl.program_id(1) * CHANNELS + channel[None, :]
    total = tl.zeros([QUERY_BLOCK * POINT_BLOCK, BLOCK], DTYPE)
    for level in tl.static_range(len(LEVELS)):
        entry, real = _entries(queries, level, HEADS, len(LEVELS), POINTS, QUERY_BLOCK, POINT_BLOCK)
        weight = tl.load(weights + entry, mask=real, other=0).to(DTYPE)
        pixel, down, right, nw, ne, sw, se = _corners(locations, entry, real, LEVELS, level, PIXELS, DTYPE)
        a, b, c, d = _load_corners(
            start + (pixel * RIGHT)[:, None], inside, nw, ne, sw, se, RIGHT, LEVELS[level][1] * RIGHT, DTYPE
        )
        upper, lower = weight * (1 - down), weight * down
        total += (upper * (1 - right))[:, None] * a + (upper * right)[:, None] * b
        total += (lower * (1 - right))[:, None] * c + (lower * right)[:, None] * d
    total = tl.sum(tl.reshape(total, [QUERY_BLOCK, POINT_BLOCK, BLOCK]), 1)
    query = tl.program_id(0) * QUERY_BLOCK + tl.arange(0, QUERY_BLOCK)
    place = ((tl.program_id(2) * queries + query).to(tl.int64) * HEADS + tl.program_id(1)) * CHANNELS
    filled = (query < queries)[:, None] & inside
    tl.store(out + place[:, None] + channel[None, :], total.to(out.dtype.element_ty), mask=filled)


# As in the convolution's scatter, a warp rather than each thread takes a run of channels in the additions.
@triton.jit(do_not_specialize_on_alignment=['grad_value'])
def attend_backward(
    grad_out, value, locations, weights, grad_value, grad_locations, grad_weights, queries,
    LEVELS: tl.constexpr, PIXELS: tl.constexpr, HEADS: tl.constexpr, POINTS: tl.constexpr, CHANNELS: tl.constexpr,
    QUERY_BLOCK: tl.constexpr, POINT_BLOCK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write the gradients of locations and weights, and add those of the values."""
    DTYPE: tl.constexpr = tl.float64 if value.dtype.element_ty == tl.float64 else tl.float32
    RIGHT: tl.constexpr = HEADS * CHANNELS
    channel = tl.arange(0, BLOCK)
    inside = (channel < CHANNELS)[None, :]
    start = value + tl.program_id(1) * CHANNELS + channel[None, :]
    grad_start = grad_value + tl.program_id(1) * CHANNELS + channel[None, :]
    row = tl.program_id(0) * QUERY_BLOCK + tl.arange(0, QUERY_BLOCK * POINT_BLOCK) // POINT_BLOCK
    place = ((tl.program_id(2) * queries + row).to(tl.int64) * HEADS + tl.program_id(1)) * CHANNELS
    grad = tl.load(grad_out + place[:, None] + channel[None, :], mask=(row < queries)[:, None] & inside, other=0)
    grad = grad.to(DTYPE)
    for level in tl.static_range(len(LEVELS)):
        entry, real = _entries(queries, level, HEADS, len(LEVELS), POINTS, QUERY_BLOCK, POINT_BLOCK)
        weight = tl.load(weights + entry, mask=real, other=0).to(DTYPE)
        pixel, down, right, nw, ne, sw, se = _corners(locations, entry, real, LEVELS, level, PIXELS, DTYPE)
        up, left = 1 - down, 1 - right
        a, b, c, d = _load_corners(
            start + (pixel * RIGHT)[:, None], inside, nw, ne, sw, se, RIGHT, LEVELS[level][1] * RIGHT, DTYPE
        )
        # All gradients but that of the values are combinations of the products of the incoming one with the corners.
        grad_a, grad_b = tl.sum(grad * a, 1), tl.sum(grad * b, 1)
        grad_c, grad_d = tl.sum(grad * c, 1), tl.sum(grad * d, 1)
        grad_weight = up * (left * grad_a + right * grad_b) + down * (left * grad_c + right * grad_d)
        grad_y = weight * (left * (grad_c - grad_a) + right * (grad_d - grad_b)) * LEVELS[level][0]
        grad_x = weight * (up * (grad_b - grad_a) + down * (grad_d - grad_c)) * LEVELS[level][1]
        tl.store(grad_weights + entry, grad_weight.to(grad_weights.dtype.element_ty), mask=real)
        tl.store(grad_locations + 2 * entry, grad_x.to(grad_locations.dtype.element_ty), mask=real)
        tl.store(grad_locations + 2 * entry + 1, grad_y.to(grad_locations.dtype.element_ty), mask=real)

        into = grad_start + (pixel * RIGHT)[:, None]
        below = into + LEVELS[level][1] * RIGHT
        upper, lower = weight * up, weight * down
        tl.atomic_add(into, (upper * left)[:, None] * grad, mask=nw[:, None] & inside, sem='relaxed')
        tl.atomic_add(into + RIGHT, (upper * right)[:, None] * grad, mask=ne[:, None] & inside, sem='relaxed')
        tl.atomic_add(below, (lower * left)[:, None] * grad, mask=sw[:, None] & inside, sem='relaxed')
        tl.atomic_add(below + RIGHT, (lower * right)[:, None] * grad, mask=se[:, None] & inside, sem='relaxed')
