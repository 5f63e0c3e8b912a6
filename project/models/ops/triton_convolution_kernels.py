"""Triton kernels of the modulated deformable convolution: sampling, and its gradients.

Features are (N * H * W, C) rows, one a pixel, so every corner of a sample is one run of channels. Offsets (y, x) and
masks are rows of output pixels as well. Common arguments:

    pixels: output pixels of all images
    strides: row and column strides of the offsets, then of the masks
    sizes: height and width of the features, then of the output
    KERNEL: kernel size, stride, padding and dilation, each (rows, columns)
    CHANNELS, GROUP: channels in all, and those that share their offsets
    BLOCK, ROWS: channels and output pixels handled at a time
"""

# ruff: noqa: N803  constants of a compiled kernel are in capitals

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
def sample(
    features, offset, mask, columns, pixels, strides, sizes,
    KERNEL: tl.constexpr, CHANNELS: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the (pixels, taps, CHANNELS) modulated samples; one program a block of pixels and group."""
    DTYPE: tl.constexpr = tl.float64 if features.dtype.element_ty == tl.float64 else tl.float32
    TAPS: tl.constexpr = KERNEL[0] * KERNEL[1]
    pixel = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
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
    features, offset, mask, grad_columns, columns, grad_features, grad_offset, grad_mask, pixels, strides, sizes,
    KERNEL: tl.constexpr, CHANNELS: tl.constexpr, GROUP: tl.constexpr, BLOCK: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the samples again and the gradients of offsets and masks as dense rows; add those of the features."""
    DTYPE: tl.constexpr = tl.float64 if features.dtype.element_ty == tl.float64 else tl.float32
    TAPS: tl.constexpr = KERNEL[0] * KERNEL[1]
    pixel = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    group = tl.program_id(1)
    real = pixel < pixels
    for tap in range(TAPS):
        y, x, factor, first = _place(offset, mask, strides, sizes, pixel, real, group, tap, KERNEL, DTYPE)
        corner, down, right, nw, ne, sw, se = _corners(y, x, first, real, sizes)
        up, left = 1 - down, 1 - right
        # The gradients of place and mask are combinations of the products of the incoming one with the four corners.
        grad_a, grad_b = tl.zeros([ROWS], DTYPE), tl.zeros([ROWS], DTYPE)
        grad_c, grad_d = tl.zeros([ROWS], DTYPE), tl.zeros([ROWS], DTYPE)
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
            grad *= factor[:, None]
            to = (grad_features + corner * CHANNELS)[:, None] + channel[None, :]
            _add(to, (up * left)[:, None] * grad, nw, inside)
            _add(to + CHANNELS, (up * right)[:, None] * grad, ne, inside)
            _add(to + sizes[1] * CHANNELS, (down * left)[:, None] * grad, sw, inside)
            _add(to + (sizes[1] + 1) * CHANNELS, (down * right)[:, None] * grad, se, inside)
        entry = pixel.to(tl.int64) * (CHANNELS // GROUP * TAPS) + group * TAPS + tap
        grad_factor = up * (left * grad_a + right * grad_b) + down * (left * grad_c + right * grad_d)
        grad_y = factor * (left * (grad_c - grad_a) + right * (grad_d - grad_b))
        grad_x = factor * (up * (grad_b - grad_a) + down * (grad_d - grad_c))
        tl.store(grad_mask + entry, grad_factor.to(grad_mask.dtype.element_ty), mask=real)
        tl.store(grad_offset + 2 * entry, grad_y.to(grad_offset.dtype.element_ty), mask=real)
        tl.store(grad_offset + 2 * entry + 1, grad_x.to(grad_offset.dtype.element_ty), mask=real)


@triton.jit
def _add(at, values, rows, columns):
    """Add to memory where both masks say so."""
    tl.atomic_add(at, values, mask=rows[:, None] & columns[None, :], sem='relaxed')
