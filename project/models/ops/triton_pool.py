"""The maxima of 3x3 pixels at every second one, channels last, in Triton: torch's kernels take four times as long."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from project.models.ops.triton_norm import problem

# ruff: noqa: N803  constants of a compiled kernel are in capitals

WIDEST = 64
"""Channels a program, at most."""


@torch.library.custom_op('occupancy::max_pool', mutates_args=())
def max_pool(x: Tensor) -> Tensor:
    """``max_pool2d(x, 3, stride=2, padding=1)`` of (N, C, H, W), channels last; it has no gradient."""
    return _pooled(x, with_taps=False)[0]


@max_pool.register_fake
def _empty(x: Tensor) -> Tensor:
    count, channels, height, width = x.shape
    return x.new_empty(count, (height + 1) // 2, (width + 1) // 2, channels).permute(0, 3, 1, 2)


class TrainedMaxPool(torch.autograd.Function):
    """``max_pool`` with a gradient, which goes to the first of equal maxima, as torch's does."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """(N, C, H', W') of (N, C, H, W)."""
        out, taps = _pooled(x, with_taps=True)
        ctx.save_for_backward(taps)
        ctx.size = x.shape
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """Gradient of the features."""
        (taps,) = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        out = torch.empty(ctx.size, dtype=grad.dtype, device=grad.device, memory_format=torch.channels_last)
        grid, sizes = problem(out, WIDEST)
        _spread[grid](grad, taps, out, *out.shape[2:], *grad.shape[2:], *sizes)
        return out


def _pooled(x: Tensor, with_taps: bool) -> tuple[Tensor, Tensor | None]:
    """Maxima, and which of the nine pixels each is, int8."""
    x = x.contiguous(memory_format=torch.channels_last)
    out = _empty(x)
    taps = torch.empty_like(out, dtype=torch.int8) if with_taps else None
    grid, sizes = problem(out, WIDEST)
    _pool[grid](x, out, taps, *x.shape[2:], *out.shape[2:], *sizes, with_taps)
    return out, taps


@triton.jit
def _pool(x, out, taps, height, width, out_height, out_width, pixels, CHANNELS: tl.constexpr, ROWS: tl.constexpr,
          WIDTH: tl.constexpr, TAPS: tl.constexpr):  # fmt: skip
    pixel = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    wanted = (pixel < pixels)[:, None] & (channel < CHANNELS)[None, :]
    image, row, column = pixel // (out_height * out_width), pixel // out_width % out_height, pixel % out_width
    best = tl.full((ROWS, WIDTH), float('-inf'), tl.float32)
    found = tl.full((ROWS, WIDTH), -1, tl.int32)
    for tap in tl.static_range(9):
        y, z = 2 * row - 1 + tap // 3, 2 * column - 1 + tap % 3
        inside = wanted & ((y >= 0) & (y < height) & (z >= 0) & (z < width))[:, None]
        place = ((image * height + y).to(tl.int64) * width + z)[:, None] * CHANNELS + channel[None, :]
        value = tl.load(x + place, inside, other=float('-inf')).to(tl.float32)
        if TAPS:
            better = inside & ((value > best) | (value != value) | (found < 0))
            best, found = tl.where(better, value, best), tl.where(better, tap, found)
        else:
            best = tl.maximum(best, value, propagate_nan=tl.PropagateNan.ALL)
    place = pixel.to(tl.int64)[:, None] * CHANNELS + channel[None, :]
    tl.store(out + place, best, wanted)
    if TAPS:
        tl.store(taps + place, found.to(tl.int8), wanted)


@triton.jit
def _spread(grad, taps, out, height, width, out_height, out_width, pixels, CHANNELS: tl.constexpr, ROWS: tl.constexpr,
            WIDTH: tl.constexpr):  # fmt: skip
    """Gradients of pixels: of the up to four maxima that each may be."""
    pixel = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    wanted = (pixel < pixels)[:, None] & (channel < CHANNELS)[None, :]
    image, y, z = pixel // (height * width), pixel // width % height, pixel % width
    total = tl.zeros((ROWS, WIDTH), tl.float32)
    for below in tl.static_range(2):
        for right in tl.static_range(2):
            row, column = y // 2 + below, z // 2 + right
            # A pixel of an even row is in the middle of a maximum's rows; one of an odd row is the last and the first.
            tap_y, tap_x = y % 2 + 1 - 2 * below, z % 2 + 1 - 2 * right
            exists = (tap_y >= 0) & (tap_x >= 0) & (row < out_height) & (column < out_width)
            place = ((image * out_height + row).to(tl.int64) * out_width + column)[:, None] * CHANNELS
            place += channel[None, :]
            inside = wanted & exists[:, None]
            chosen = tl.load(taps + place, inside, other=-1).to(tl.int32) == (3 * tap_y + tap_x)[:, None]
            total += tl.where(chosen, tl.load(grad + place, inside, other=0.0).to(tl.float32), 0.0)
    tl.store(out + pixel.to(tl.int64)[:, None] * CHANNELS + channel[None, :], total, wanted)
