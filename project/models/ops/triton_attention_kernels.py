"""Triton kernels of the multi-scale deformable attention: forward, and backward in one pass.

One program takes the points of a few queries in one head of one map. Programs of a head run together and heads of a
map one after the other, so what they sample stays in the caches. Common arguments:

    LEVELS: of each level its rows, columns, and number of its first pixel
    PIXELS: pixels of all levels
    HEADS, POINTS, CHANNELS: heads, points a level, channels a head
    QUERY_BLOCK, POINT_BLOCK: queries a program, and points at a time
    BLOCK: channels rounded up to a power of two
"""

# ruff: noqa: N803  constants of a compiled kernel are in capitals

import triton
import triton.language as tl


@triton.jit
def _level(LEVELS: tl.constexpr, level):
    """Rows, columns and first pixel of a level. A loop over levels that is not unrolled needs far fewer registers."""
    rows, columns, first = 0, 0, 0
    for number in tl.static_range(len(LEVELS)):
        rows += (level == number) * LEVELS[number][0]
        columns += (level == number) * LEVELS[number][1]
        first += (level == number) * LEVELS[number][2]
    return rows, columns, first


@triton.jit
def _neighbours(place, size):
    """Of fractional places along one axis the two neighbours, clamped to the map, their shares, and which are on it."""
    floor = tl.floor(place)
    low, share = floor.to(tl.int32), place - floor
    # As unsigned numbers, those below zero are large.
    low_on, high_on = low.to(tl.uint32) < size, (low + 1).to(tl.uint32) < size
    high = tl.minimum(tl.maximum(low + 1, 0), size - 1)
    return tl.minimum(tl.maximum(low, 0), size - 1), high, 1 - share, share, low_on, high_on


@triton.jit
def _queries(queries, head, batch, HEADS: tl.constexpr, QUERY_BLOCK: tl.constexpr, POINT_BLOCK: tl.constexpr):
    """Of each row of the program the number of its query and head among all, and whether the query exists."""
    query = tl.program_id(0) * QUERY_BLOCK + tl.arange(0, QUERY_BLOCK * POINT_BLOCK) // POINT_BLOCK
    return (batch * queries + query).to(tl.int64) * HEADS + head, query < queries


@triton.jit
def _points(place, real, level, chunk, LEVELS: tl.constexpr, POINTS: tl.constexpr, QUERY_BLOCK: tl.constexpr,
            POINT_BLOCK: tl.constexpr):  # fmt: skip
    """Numbers of some points of the queries in one level among all weights, and whether they exist."""
    point = chunk * POINT_BLOCK + tl.arange(0, QUERY_BLOCK * POINT_BLOCK) % POINT_BLOCK
    return (place * len(LEVELS) + level) * POINTS + point, real & (point < POINTS)


@triton.jit
def attend(
    value, locations, weights, out, queries,
    LEVELS: tl.constexpr, PIXELS: tl.constexpr, HEADS: tl.constexpr, POINTS: tl.constexpr, CHANNELS: tl.constexpr,
    QUERY_BLOCK: tl.constexpr, POINT_BLOCK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write (B, queries, HEADS * CHANNELS) sums of weighted samples."""
    DTYPE: tl.constexpr = tl.float64 if value.dtype.element_ty == tl.float64 else tl.float32
    STEP: tl.constexpr = HEADS * CHANNELS
    CHUNKS: tl.constexpr = (POINTS + POINT_BLOCK - 1) // POINT_BLOCK
    head, batch = tl.program_id(1), tl.program_id(2)
    channel = tl.arange(0, BLOCK)
    inside = (channel < CHANNELS)[None, :]
    start = value + batch.to(tl.int64) * (PIXELS * STEP) + head * CHANNELS
    place, known = _queries(queries, head, batch, HEADS, QUERY_BLOCK, POINT_BLOCK)
    total = tl.zeros([QUERY_BLOCK * POINT_BLOCK, BLOCK], DTYPE)
    for step in range(len(LEVELS) * CHUNKS):
        rows, columns, first = _level(LEVELS, step // CHUNKS)
        entry, real = _points(place, known, step // CHUNKS, step % CHUNKS, LEVELS, POINTS, QUERY_BLOCK, POINT_BLOCK)
        x = tl.load(locations + 2 * entry, mask=real, other=0).to(DTYPE) * columns - 0.5
        y = tl.load(locations + 2 * entry + 1, mask=real, other=0).to(DTYPE) * rows - 0.5
        weight = tl.load(weights + entry, mask=real, other=0).to(DTYPE)
        top, bottom, up, down, top_on, bottom_on = _neighbours(y, rows)
        left, right, west, east, left_on, right_on = _neighbours(x, columns)
        # Corners outside the level are read at its border, and count nothing: cheaper than not reading them.
        up, down = tl.where(top_on, weight * up, 0), tl.where(bottom_on, weight * down, 0)
        west, east = tl.where(left_on, west, 0), tl.where(right_on, east, 0)
        level_start = start + first * STEP
        above, below = (top * columns * STEP)[:, None] + channel, (bottom * columns * STEP)[:, None] + channel
        left, right = (left * STEP)[:, None], (right * STEP)[:, None]
        total += (up * west)[:, None] * tl.load(level_start + (above + left), mask=inside, other=0).to(DTYPE)
        total += (up * east)[:, None] * tl.load(level_start + (above + right), mask=inside, other=0).to(DTYPE)
        total += (down * west)[:, None] * tl.load(level_start + (below + left), mask=inside, other=0).to(DTYPE)
        total += (down * east)[:, None] * tl.load(level_start + (below + right), mask=inside, other=0).to(DTYPE)
    total = tl.sum(tl.reshape(total, [QUERY_BLOCK, POINT_BLOCK, BLOCK]), 1)
    query = tl.program_id(0) * QUERY_BLOCK + tl.arange(0, QUERY_BLOCK)
    to = ((batch * queries + query).to(tl.int64) * HEADS + head) * CHANNELS
    filled = (query < queries)[:, None] & inside
    tl.store(out + to[:, None] + channel[None, :], total.to(out.dtype.element_ty), mask=filled)


@triton.jit
def attend_backward(
    grad_out, value, locations, weights, grad_value, grad_locations, grad_weights, queries,
    LEVELS: tl.constexpr, PIXELS: tl.constexpr, HEADS: tl.constexpr, POINTS: tl.constexpr, CHANNELS: tl.constexpr,
    QUERY_BLOCK: tl.constexpr, POINT_BLOCK: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Write the gradients of locations and weights, and add those of the values."""
    DTYPE: tl.constexpr = tl.float64 if value.dtype.element_ty == tl.float64 else tl.float32
    STEP: tl.constexpr = HEADS * CHANNELS
    CHUNKS: tl.constexpr = (POINTS + POINT_BLOCK - 1) // POINT_BLOCK
    head, batch = tl.program_id(1), tl.program_id(2)
    channel = tl.arange(0, BLOCK)
    inside = (channel < CHANNELS)[None, :]
    start = batch.to(tl.int64) * (PIXELS * STEP) + head * CHANNELS
    place, known = _queries(queries, head, batch, HEADS, QUERY_BLOCK, POINT_BLOCK)
    grad = tl.load(grad_out + (place * CHANNELS)[:, None] + channel, mask=known[:, None] & inside, other=0).to(DTYPE)
    for step in range(len(LEVELS) * CHUNKS):
        rows, columns, first = _level(LEVELS, step // CHUNKS)
        entry, real = _points(place, known, step // CHUNKS, step % CHUNKS, LEVELS, POINTS, QUERY_BLOCK, POINT_BLOCK)
        x = tl.load(locations + 2 * entry, mask=real, other=0).to(DTYPE) * columns - 0.5
        y = tl.load(locations + 2 * entry + 1, mask=real, other=0).to(DTYPE) * rows - 0.5
        weight = tl.load(weights + entry, mask=real, other=0).to(DTYPE)
        top, bottom, up, down, top_on, bottom_on = _neighbours(y, rows)
        left, right, west, east, left_on, right_on = _neighbours(x, columns)
        level_start = start + first * STEP
        above, below = (top * columns * STEP)[:, None] + channel, (bottom * columns * STEP)[:, None] + channel
        left, right = (left * STEP)[:, None], (right * STEP)[:, None]

        # All gradients but that of the values are combinations of the products of the incoming one with the corners.
        source = value + level_start
        nw = tl.sum(grad * tl.load(source + (above + left), mask=inside, other=0).to(DTYPE), 1)
        ne = tl.sum(grad * tl.load(source + (above + right), mask=inside, other=0).to(DTYPE), 1)
        sw = tl.sum(grad * tl.load(source + (below + left), mask=inside, other=0).to(DTYPE), 1)
        se = tl.sum(grad * tl.load(source + (below + right), mask=inside, other=0).to(DTYPE), 1)
        nw_on, ne_on = real & top_on & left_on, real & top_on & right_on
        sw_on, se_on = real & bottom_on & left_on, real & bottom_on & right_on
        nw, ne = tl.where(nw_on, nw, 0), tl.where(ne_on, ne, 0)
        sw, se = tl.where(sw_on, sw, 0), tl.where(se_on, se, 0)
        grad_weight = up * (west * nw + east * ne) + down * (west * sw + east * se)
        grad_y = weight * (west * (sw - nw) + east * (se - ne)) * rows
        grad_x = weight * (up * (ne - nw) + down * (se - sw)) * columns
        tl.store(grad_weights + entry, grad_weight.to(grad_weights.dtype.element_ty), mask=real)
        tl.store(grad_locations + 2 * entry, grad_x.to(grad_locations.dtype.element_ty), mask=real)
        tl.store(grad_locations + 2 * entry + 1, grad_y.to(grad_locations.dtype.element_ty), mask=real)

        to = grad_value + level_start
        up, down = weight * up, weight * down
        _add(to + (above + left), (up * west)[:, None] * grad, nw_on, inside)
        _add(to + (above + right), (up * east)[:, None] * grad, ne_on, inside)
        _add(to + (below + left), (down * west)[:, None] * grad, sw_on, inside)
        _add(to + (below + right), (down * east)[:, None] * grad, se_on, inside)


@triton.jit
def _add(at, values, rows, columns):
    """Add to memory where both masks say so."""
    tl.atomic_add(at, values, mask=rows[:, None] & columns, sem='relaxed')
