"""Triton kernels of the modulated deformable convolution: sampling, its gradient, and the gradient of the features.

Features are (N * H * W, C) rows, one a pixel, so every corner of a sample is one run of channels. Offsets (y, x) and
masks are rows of output pixels as well. Common arguments:

    strides: row and column strides of the offsets, then of the masks
    sizes: height and width of the features, then of the output
    KERNEL: kernel size, stride, padding and dilation, each (rows, columns)
    CHANNELS, GROUP: channels in all, and those that share their offsets
    BLOCK: channels handled at a time
"""

import triton
import triton.language as tl


@triton.jit
def _place(offset, mask, strides, sizes, pixel, real, group, tap, KERNEL: tl.constexpr, DTYPE: tl.constexpr):
    """Where a tap samples for each output pixel: row, column, mask, and the first pixel of the image."""
    height, width, out_height, out_width = sizes
    entry = group * KERNEL[0] * KERNEL[1] + tap
    shift = offset + pixel.to(tl.int64) * strides[0] + 2 * entry * strides[1]
    shift_y = tl.load(shift, mask=real, other=0).to(DTYPE)
    shift_x = tl.load(shift + strides[1], mask=real, other=0).to(DTYPE)
    factor = tl.load(mask + pixel.to(tl.int64) * strides[2] + entry * strides[3], mask=real, other=0).to(DTYPE)
    row, column = pixel // out_width % out_height, pixel % out_width
    y = row * KERNEL[2] - KERNEL[4] + tap // KERNEL[1] * KERNEL[6] + shift_y
    x = column * KERNEL[3] - KERNEL[5] + tap % KERNEL[1] * KERNEL[7] + shift_x
    return y, x, factor, pixel // (out_height * out_width) * (height * width)


@triton.jit
def _corners(y, x, first, real, sizes):
    """Upper left pixel of each sample, its distance to it, and which of the four corners are on the map."""
    height, width, _, _ = sizes
    top, left = tl.floor(y), tl.floor(x)
    row, column = top.to(tl.int32), left.to(tl.int32)
    upper, lower = real & (row >= 0) & (row < height), real & (row >= -1) & (row < height - 1)
    west, east = (column >= 0) & (column < width), (column >= -1) & (column < width - 1)
    pixel = (first + row * width + column).to(tl.int64)
    return pixel, y - top, x - left, upper & west, upper & east, lower & west, lower & east


@triton.jit
def _load_corners(features, width, channel, inside, nw, ne, sw, se, CHANNELS: tl.constexpr, DTYPE: tl.constexpr):
    """Features of the four corners, zero outside the map; `features` points at the upper left ones."""
    at = features[:, None] + channel[None, :]
    inside = inside[None, :]
    return (
        tl.load(at, mask=nw[:, None] & inside, other=0).to(DTYPE),
        tl.load(at + CHANNELS, mask=ne[:, None] & inside, other=0).to(DTYPE),
        tl.load(at + width * CHANNELS, mask=sw[:, None] & inside, other=0).to(DTYPE),
        tl.load(at + (width + 1) * CHANNELS, mask=se[:, None] & inside, other=0).to(DTYPE),
    )


@triton.jit
def _tile_pixels(image, tile_y, tile_x, spot, sizes, TILE: tl.constexpr):
    """Numbers of some output pixels of a tile, and whether they exist."""
    _, _, out_height, out_width = sizes
    row, column = tile_y + spot // TILE, tile_x + spot % TILE
    return (image * out_height + row) * out_width + column, (row < out_height) & (column < out_width)


@triton.jit
def _near(y, x, window_y, window_x, WINDOW: tl.constexpr):
    """Samples whose four corners are in the window."""
    rows = (y >= window_y) & (y < window_y + WINDOW - 1)
    return rows & (x >= window_x) & (x < window_x + WINDOW - 1)


@triton.jit
def _add(at, values, rows, columns):
    """Add to memory where both masks say so."""
    tl.atomic_add(at, values, mask=rows[:, None] & columns, sem='relaxed')


@triton.jit
def sample(
    features, offset, mask, columns, pixels, strides, sizes,
    KERNEL: tl.constexpr, CHANNELS: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr, PIXELS: tl.constexpr,
):  # fmt: skip
    """Write the (pixels, taps, CHANNELS) modulated samples; one program a block of pixels and group."""
    DTYPE: tl.constexpr = tl.float64 if features.dtype.element_ty == tl.float64 else tl.float32
    TAPS: tl.constexpr = KERNEL[0] * KERNEL[1]
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    group = tl.program_id(1)
    real = pixel < pixels
    for tap in range(TAPS):
        y, x, factor, first = _place(offset, mask, strides, sizes, pixel, real, group, tap, KERNEL, DTYPE)
        corner, down, right, nw, ne, sw, se = _corners(y, x, first, real, sizes)
        upper, lower = factor * (1 - down), factor * down
        for start in tl.static_range(0, GROUP, BLOCK):
            channel = start + tl.arange(0, BLOCK)
            inside = channel < GROUP
            channel += group * GROUP
            a, b, c, d = _load_corners(
                features + corner * CHANNELS, sizes[1], channel, inside, nw, ne, sw, se, CHANNELS, DTYPE
            )
            total = (upper * (1 - right))[:, None] * a + (upper * right)[:, None] * b
            total += (lower * (1 - right))[:, None] * c + (lower * right)[:, None] * d
            out = columns + (pixel.to(tl.int64) * TAPS + tap)[:, None] * CHANNELS + channel[None, :]
            tl.store(out, total.to(columns.dtype.element_ty), mask=real[:, None] & inside[None, :])


@triton.jit
def sample_backward(
    features, offset, mask, grad_columns, columns, grad_offset, grad_mask, pixels, strides, sizes,
    KERNEL: tl.constexpr, CHANNELS: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr, PIXELS: tl.constexpr,
):  # fmt: skip
    """Write the samples again, and the gradients of offsets and masks as dense rows."""
    DTYPE: tl.constexpr = tl.float64 if features.dtype.element_ty == tl.float64 else tl.float32
    TAPS: tl.constexpr = KERNEL[0] * KERNEL[1]
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    group = tl.program_id(1)
    real = pixel < pixels
    for tap in range(TAPS):
        y, x, factor, first = _place(offset, mask, strides, sizes, pixel, real, group, tap, KERNEL, DTYPE)
        corner, down, right, nw, ne, sw, se = _corners(y, x, first, real, sizes)
        up, left = 1 - down, 1 - right
        # All three gradients are combinations of the products of the incoming one with the four corners.
        grad_a, grad_b = tl.zeros([PIXELS], DTYPE), tl.zeros([PIXELS], DTYPE)
        grad_c, grad_d = tl.zeros([PIXELS], DTYPE), tl.zeros([PIXELS], DTYPE)
        for start in tl.static_range(0, GROUP, BLOCK):
            channel = start + tl.arange(0, BLOCK)
            inside = channel < GROUP
            channel += group * GROUP
            a, b, c, d = _load_corners(
                features + corner * CHANNELS, sizes[1], channel, inside, nw, ne, sw, se, CHANNELS, DTYPE
            )
            at = (pixel.to(tl.int64) * TAPS + tap)[:, None] * CHANNELS + channel[None, :]
            filled = real[:, None] & inside[None, :]
            grad = tl.load(grad_columns + at, mask=filled, other=0).to(DTYPE)
            total = (up * left)[:, None] * a + (up * right)[:, None] * b
            total += (down * left)[:, None] * c + (down * right)[:, None] * d
            tl.store(columns + at, (factor[:, None] * total).to(columns.dtype.element_ty), mask=filled)
            grad_a += tl.sum(grad * a, 1)
            grad_b += tl.sum(grad * b, 1)
            grad_c += tl.sum(grad * c, 1)
            grad_d += tl.sum(grad * d, 1)
        entry = pixel.to(tl.int64) * (CHANNELS // GROUP * TAPS) + group * TAPS + tap
        grad_factor = up * (left * grad_a + right * grad_b) + down * (left * grad_c + right * grad_d)
        grad_y = factor * (left * (grad_c - grad_a) + right * (grad_d - grad_b))
        grad_x = factor * (up * (grad_b - grad_a) + down * (grad_d - grad_c))
        tl.store(grad_mask + entry, grad_factor.to(grad_mask.dtype.element_ty), mask=real)
        tl.store(grad_offset + 2 * entry, grad_y.to(grad_offset.dtype.element_ty), mask=real)
        tl.store(grad_offset + 2 * entry + 1, grad_x.to(grad_offset.dtype.element_ty), mask=real)


# An addition takes one number a thread. Were the alignment known, each thread would get four neighbours and so a warp
# would add to every fourth number of four cache lines; like this it adds to one whole line.
@triton.jit(do_not_specialize_on_alignment=['grad_features'])
def scatter(
    offset, mask, grad_columns, grad_features, strides, sizes,
    KERNEL: tl.constexpr, CHANNELS: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr,
    TILE: tl.constexpr, WINDOW: tl.constexpr, PIXELS: tl.constexpr,
):  # fmt: skip
    """Add the gradients of the samples to those of the features; one program a TILE x TILE output pixels and BLOCK.

    Samples whose corners all lie in a WINDOW x WINDOW around the tile are summed there first, as a product of
    interpolation weights and gradients, in the dtype of the latter. With WINDOW 0 every corner is added to memory.
    """
    DTYPE: tl.constexpr = tl.float64 if grad_features.dtype.element_ty == tl.float64 else tl.float32
    TAPS: tl.constexpr = KERNEL[0] * KERNEL[1]
    BLOCKS: tl.constexpr = (GROUP + BLOCK - 1) // BLOCK
    height, width, out_height, out_width = sizes
    across = tl.cdiv(out_width, TILE)
    tiles = across * tl.cdiv(out_height, TILE)
    image, tile = tl.program_id(0) // tiles, tl.program_id(0) % tiles
    tile_y, tile_x = tile // across * TILE, tile % across * TILE

    group = tl.program_id(1) // BLOCKS
    channel = tl.program_id(1) % BLOCKS * BLOCK + tl.arange(0, BLOCK)
    inside = (channel < GROUP)[None, :]
    channel += group * GROUP

    # The window is centred on what the tile would see without offsets.
    REACH_Y: tl.constexpr = (TILE - 1) * KERNEL[2] + (KERNEL[0] - 1) * KERNEL[6] + 1
    REACH_X: tl.constexpr = (TILE - 1) * KERNEL[3] + (KERNEL[1] - 1) * KERNEL[7] + 1
    window_y = tile_y * KERNEL[2] - KERNEL[4] + (REACH_Y - WINDOW) // 2
    window_x = tile_x * KERNEL[3] - KERNEL[5] + (REACH_X - WINDOW) // 2

    if WINDOW > 0:
        spot = tl.arange(0, WINDOW * WINDOW)
        spot_y, spot_x = window_y + spot // WINDOW, window_x + spot % WINDOW
        total = tl.zeros([WINDOW * WINDOW, BLOCK], DTYPE)
        pixel, real = _tile_pixels(image, tile_y, tile_x, tl.arange(0, TILE * TILE), sizes, TILE)
        for tap in range(TAPS):
            y, x, factor, _ = _place(offset, mask, strides, sizes, pixel, real, group, tap, KERNEL, DTYPE)
            near = _near(y, x, window_y, window_x, WINDOW)
            parts = tl.maximum(1 - tl.abs(spot_y[:, None] - y[None, :]), 0)
            parts *= tl.maximum(1 - tl.abs(spot_x[:, None] - x[None, :]), 0)
            parts *= tl.where(near, factor, 0)[None, :]
            at = grad_columns + (pixel.to(tl.int64) * TAPS + tap)[:, None] * CHANNELS + channel[None, :]
            grad = tl.load(at, mask=real[:, None] & inside, other=0)
            total = tl.dot(parts.to(grad.dtype), grad, total)
        on_map = (spot_y >= 0) & (spot_y < height) & (spot_x >= 0) & (spot_x < width)
        start = ((image * height + spot_y) * width + spot_x).to(tl.int64) * CHANNELS
        _add(grad_features + start[:, None] + channel[None, :], total, on_map, inside)

    for step in range(TAPS * (TILE * TILE // PIXELS)):
        tap = step % TAPS
        part = step // TAPS * PIXELS + tl.arange(0, PIXELS)
        pixels, far = _tile_pixels(image, tile_y, tile_x, part, sizes, TILE)
        y, x, factor, first = _place(offset, mask, strides, sizes, pixels, far, group, tap, KERNEL, DTYPE)
        if WINDOW > 0:
            far = far & (_near(y, x, window_y, window_x, WINDOW) == 0)
        if tl.max(far.to(tl.int32), 0) > 0:
            corner, down, right, nw, ne, sw, se = _corners(y, x, first, far, sizes)
            source = grad_columns + (pixels.to(tl.int64) * TAPS + tap)[:, None] * CHANNELS + channel[None, :]
            values = tl.load(source, mask=far[:, None] & inside, other=0).to(DTYPE) * factor[:, None]
            out = (grad_features + corner * CHANNELS)[:, None] + channel[None, :]
            _add(out, ((1 - down) * (1 - right))[:, None] * values, nw, inside)
            _add(out + CHANNELS, ((1 - down) * right)[:, None] * values, ne, inside)
            _add(out + width * CHANNELS, (down * (1 - right))[:, None] * values, sw, inside)
            _add(out + (width + 1) * CHANNELS, (down * right)[:, None] * values, se, inside)
