"""A batch norm that is being trained, a residual and ReLU in Triton, channels last.

Bound by memory, like the frozen one. Forward, the features are read twice and written once; torch's kernels for norm,
sum and ReLU read them four times and write them three times. Backward, gradients and features are read twice,
and where ReLU was positive is computed again from the features. With a residual it is read from the result, which the
next convolution keeps anyway; then the gradient of the residual is stored, and read the second time. Sums are made in
parts of a fixed size, one after the other: the same input gives the same bits.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from project.models.ops.triton_norm import _forward as normalise_values

# ruff: noqa: N803  constants of a compiled kernel are in capitals

BLOCK = 4096
"""Values that a program takes at a time, at most 128 of them channels."""

SUMMED = 2**21
"""Values that programs sum at a time: enough to keep every processor of a GPU reading."""

PART_CHANNELS, PART_ROWS = 8, 256
"""Channels that a program adds the parts of, and how many parts at a time."""


def triton_trained_norm(x: Tensor, norm: Any, residual: Tensor | None, activate: bool) -> Tensor:
    """Normalise by the batch's own statistics, add, and clamp at zero; updates the norm's running statistics.

    Arguments and result as of ``normalise``. The result is channels last.
    """
    norm.num_batches_tracked.add_(1)
    return TrainedNorm.apply(x, norm.weight, norm.bias, residual, norm, activate)


class TrainedNorm(torch.autograd.Function):
    """The norm as a function of features, factor, offset and residual."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: Tensor, offset: Tensor, residual: Tensor | None, norm: Any,
                activate: bool) -> Tensor:  # fmt: skip
        """(N, C, H, W) of the same."""
        x = x.contiguous(memory_format=torch.channels_last)
        if residual is not None:
            residual = residual.contiguous(memory_format=torch.channels_last)
        problem = Problem(x)
        parts = problem.parts(x)
        _sum_values[problem.summing](x, parts, *problem.sizes, problem.rounds)
        mean, variance = (torch.empty_like(factor) for _ in range(2))
        _finish_statistics[problem.finishing](
            x, parts, mean, variance, norm.running_mean, norm.running_var, norm.momentum, problem.pixels,
            len(parts), problem.channels, PART_ROWS, PART_CHANNELS)  # fmt: skip
        out = torch.empty_like(x)
        normalise_values[problem.applying](
            x, mean, variance, factor, offset, norm.eps, residual, out, *problem.sizes, residual is not None, activate
        )
        ctx.epsilon, ctx.activate, ctx.residual = norm.eps, activate, residual is not None
        ctx.save_for_backward(x, out if activate and ctx.residual else None, mean, variance, factor, offset)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of features, factor, offset and residual."""
        x, out, mean, variance, factor, offset = ctx.saved_tensors
        grad = grad.contiguous(memory_format=torch.channels_last)
        # A program that stores as well has room for half as many values.
        problem = Problem(x, BLOCK if out is None else BLOCK // 2)
        parts = problem.parts(x)
        passed = torch.empty_like(grad) if out is not None else None
        statistics = mean, variance, factor, offset, ctx.epsilon
        by_value = ctx.activate and out is None
        _sum_gradients[problem.summing](grad, out, x, *statistics, passed, parts, *problem.sizes, problem.rounds,
                                        out is not None, by_value)  # fmt: skip
        sums = torch.empty_like(parts[0])
        grad_factor, grad_offset = torch.empty_like(factor), torch.empty_like(factor)
        _finish_gradients[problem.finishing](
            parts, sums, grad_factor, grad_offset, variance, ctx.epsilon, len(parts), problem.channels, PART_ROWS,
            PART_CHANNELS)  # fmt: skip
        grad = grad if passed is None else passed
        grad_x = torch.empty_like(x)
        _apply_gradients[problem.applying](grad, x, *statistics, sums, grad_x, *problem.sizes, by_value)
        return grad_x, grad_factor, grad_offset, grad if ctx.residual else None, None, None


class Problem:
    """Sizes of features, and grids of programs that take some values at a time."""

    def __init__(self, x: Tensor, block: int = BLOCK):
        self.channels = x.shape[1]
        self.pixels = x.numel() // max(self.channels, 1)
        width = min(triton.next_power_of_2(self.channels), 128)
        rows = block // width
        blocks = -(-self.pixels // rows)
        columns = -(-self.channels // width)
        self.rounds = max(-(-blocks * columns * block // SUMMED), 1)
        self.summing = (-(-blocks // self.rounds), columns)
        self.applying = (blocks, columns)
        self.finishing = (-(-self.channels // PART_CHANNELS),)
        self.sizes = (self.pixels, self.channels, rows, width)

    def parts(self, x: Tensor) -> Tensor:
        """Room for the two sums over channels that each program makes."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        return torch.empty(self.summing[0], 2, self.channels, dtype=dtype, device=x.device)


@triton.jit
def _sum_values(x, parts, pixels, CHANNELS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr, rounds):
    """Sums of values and of their squares, both less the first pixel's value, so that large means cost no digits."""
    channel = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    exists = channel < CHANNELS
    first = tl.load(x + channel, exists, other=0.0).to(parts.dtype.element_ty)
    totals = tl.zeros((ROWS, WIDTH), parts.dtype.element_ty)
    squares = tl.zeros((ROWS, WIDTH), parts.dtype.element_ty)
    for index in range(rounds):
        pixel = (tl.program_id(0) * rounds + index) * ROWS + tl.arange(0, ROWS)
        inside = (pixel < pixels)[:, None] & exists[None, :]
        places = pixel.to(tl.int64)[:, None] * CHANNELS + channel[None, :]
        value = tl.load(x + places, inside, other=0.0).to(parts.dtype.element_ty)
        value = tl.where(inside, value - first[None, :], 0.0)
        totals += value
        squares += value * value
    row = parts + tl.program_id(0) * 2 * CHANNELS + channel
    tl.store(row, tl.sum(totals, 0), exists)
    tl.store(row + CHANNELS, tl.sum(squares, 0), exists)


@triton.jit
def _sum_gradients(grad, out, x, mean, variance, factor, offset, epsilon, passed, parts, pixels, CHANNELS: tl.constexpr,
                   ROWS: tl.constexpr, WIDTH: tl.constexpr, rounds, BY_RESULT: tl.constexpr,
                   BY_VALUE: tl.constexpr):  # fmt: skip
    """Sums of gradients that pass ReLU, and of these times the distance of values from the mean.

    Gradients that pass are stored where ReLU is known by its result.
    """
    channel = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    exists = channel < CHANNELS
    middle = tl.load(mean + channel, exists, other=0.0)
    scale = tl.load(factor + channel, exists, other=0.0)
    scale /= tl.sqrt(tl.load(variance + channel, exists, other=1.0) + epsilon)
    shift = tl.load(offset + channel, exists, other=0.0) - middle * scale
    totals = tl.zeros((ROWS, WIDTH), parts.dtype.element_ty)
    products = tl.zeros((ROWS, WIDTH), parts.dtype.element_ty)
    for index in range(rounds):
        pixel = (tl.program_id(0) * rounds + index) * ROWS + tl.arange(0, ROWS)
        inside = (pixel < pixels)[:, None] & exists[None, :]
        places = pixel.to(tl.int64)[:, None] * CHANNELS + channel[None, :]
        incoming = tl.load(grad + places, inside, other=0.0).to(parts.dtype.element_ty)
        value = tl.load(x + places, inside, other=0.0).to(parts.dtype.element_ty)
        if BY_RESULT:
            incoming = tl.where(tl.load(out + places, inside, other=0.0) > 0, incoming, 0.0)
            tl.store(passed + places, incoming, inside)
        if BY_VALUE:
            incoming = tl.where(value * scale[None, :] + shift[None, :] > 0, incoming, 0.0)
        totals += incoming
        products += incoming * (value - middle[None, :])
    row = parts + tl.program_id(0) * 2 * CHANNELS + channel
    tl.store(row, tl.sum(totals, 0), exists)
    tl.store(row + CHANNELS, tl.sum(products, 0), exists)


@triton.jit
def _added(parts, count, channel, CHANNELS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """The two sums over all parts."""
    total, other = tl.zeros((WIDTH,), parts.dtype.element_ty), tl.zeros((WIDTH,), parts.dtype.element_ty)
    for start in range(0, count, ROWS):
        row = start + tl.arange(0, ROWS)
        inside = (row < count)[:, None] & (channel < CHANNELS)[None, :]
        places = parts + row[:, None] * 2 * CHANNELS + channel[None, :]
        total += tl.sum(tl.load(places, inside, other=0.0), 0)
        other += tl.sum(tl.load(places + CHANNELS, inside, other=0.0), 0)
    return total, other


@triton.jit
def _finish_statistics(x, parts, mean, variance, running_mean, running_variance, momentum, pixels, count,
                       CHANNELS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    channel = tl.program_id(0) * WIDTH + tl.arange(0, WIDTH)
    exists = channel < CHANNELS
    total, squares = _added(parts, count, channel, CHANNELS, ROWS, WIDTH)
    away = total / pixels
    middle = tl.load(x + channel, exists, other=0.0).to(parts.dtype.element_ty) + away
    spread = tl.maximum(squares / pixels - away * away, 0.0)
    tl.store(mean + channel, middle, exists)
    tl.store(variance + channel, spread, exists)
    before = tl.load(running_mean + channel, exists, other=0.0)
    tl.store(running_mean + channel, before + momentum * (middle - before), exists)
    before = tl.load(running_variance + channel, exists, other=0.0)
    unbiased = spread * (pixels / tl.maximum(pixels - 1.0, 1.0))
    tl.store(running_variance + channel, before + momentum * (unbiased - before), exists)


@triton.jit
def _finish_gradients(parts, sums, grad_factor, grad_offset, variance, epsilon, count, CHANNELS: tl.constexpr,
                      ROWS: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    channel = tl.program_id(0) * WIDTH + tl.arange(0, WIDTH)
    exists = channel < CHANNELS
    total, products = _added(parts, count, channel, CHANNELS, ROWS, WIDTH)
    tl.store(sums + channel, total, exists)
    tl.store(sums + CHANNELS + channel, products, exists)
    tl.store(grad_offset + channel, total, exists)
    spread = tl.load(variance + channel, exists, other=1.0) + epsilon
    tl.store(grad_factor + channel, products / tl.sqrt(spread), exists)


@triton.jit
def _apply_gradients(grad, x, mean, variance, factor, offset, epsilon, sums, grad_x, pixels, CHANNELS: tl.constexpr,
                     ROWS: tl.constexpr, WIDTH: tl.constexpr, BY_VALUE: tl.constexpr):  # fmt: skip
    channel = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    pixel = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    exists = channel < CHANNELS
    inside = (pixel < pixels)[:, None] & exists[None, :]
    places = pixel.to(tl.int64)[:, None] * CHANNELS + channel[None, :]
    spread = tl.load(variance + channel, exists, other=1.0) + epsilon
    scale = tl.load(factor + channel, exists, other=0.0) / tl.sqrt(spread)
    average = tl.load(sums + channel, exists, other=0.0) / pixels
    slope = tl.load(sums + CHANNELS + channel, exists, other=0.0) / pixels / spread
    middle = tl.load(mean + channel, exists, other=0.0)
    value = tl.load(x + places, inside, other=0.0).to(scale.dtype)
    incoming = tl.load(grad + places, inside, other=0.0).to(scale.dtype)
    if BY_VALUE:
        shift = tl.load(offset + channel, exists, other=0.0) - middle * scale
        incoming = tl.where(value * scale[None, :] + shift[None, :] > 0, incoming, 0.0)
    change = (incoming - average[None, :] - (value - middle[None, :]) * slope[None, :]) * scale[None, :]
    tl.store(grad_x + places, change, inside)
