"""A frozen batch norm, a residual and ReLU as one Triton kernel, channels last.

It is bound by memory: torch's three kernels read and write the features three times. Its backward pass needs no more
than the sign of the result, which the next convolution keeps anyway.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

# ruff: noqa: N803  constants of a compiled kernel are in capitals

BLOCK = 4096
"""Values a program."""


def triton_frozen_norm(x: Tensor, norm: Any, residual: Tensor | None, activate: bool) -> Tensor:
    """Normalise, add, and clamp at zero; arguments and result as of ``normalise``. The result is channels last."""
    statistics = norm.running_mean, norm.running_var, norm.weight, norm.bias
    return _normalise(x, *(each.detach() for each in statistics), norm.eps, residual, activate)


@torch.library.custom_op('occupancy::frozen_norm', mutates_args=())
def _normalise(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    factor: Tensor,
    offset: Tensor,
    epsilon: float,
    residual: Tensor | None,
    activate: bool,
) -> Tensor:
    x = x.contiguous(memory_format=torch.channels_last)
    if residual is not None:
        residual = residual.contiguous(memory_format=torch.channels_last)
    out = torch.empty_like(x)
    grid, sizes = problem(x)
    _forward[grid](x, mean, variance, factor, offset, epsilon, residual, out, *sizes, residual is not None, activate)
    return out


@_normalise.register_fake
def _(x, mean, variance, factor, offset, epsilon, residual, activate):
    return torch.empty_like(x, memory_format=torch.channels_last)


@torch.library.custom_op('occupancy::frozen_norm_backward', mutates_args=())
def _normalise_backward(
    grad: Tensor, out: Tensor | None, variance: Tensor, factor: Tensor, epsilon: float, residual: bool
) -> tuple[Tensor, Tensor]:
    grad = grad.contiguous(memory_format=torch.channels_last)
    grad_x = torch.empty_like(grad)
    grad_residual = torch.empty_like(grad) if residual else grad.new_empty(0)
    grid, sizes = problem(grad)
    _backward[grid](grad, out, variance, factor, epsilon, grad_x, grad_residual, *sizes, residual, out is not None)
    return grad_x, grad_residual


@_normalise_backward.register_fake
def _(grad, out, variance, factor, epsilon, residual):
    like = torch.empty_like(grad, memory_format=torch.channels_last)
    return like, torch.empty_like(like) if residual else grad.new_empty(0)


def _keep(ctx, inputs, output) -> None:
    _, _, variance, factor, _, ctx.epsilon, residual, activate = inputs
    ctx.residual = residual is not None
    ctx.save_for_backward(output if activate else None, variance, factor)


def _differentiate(ctx, grad: Tensor):
    wanted = ctx.residual and ctx.needs_input_grad[6]
    grad_x, grad_residual = _normalise_backward(grad, *ctx.saved_tensors, ctx.epsilon, wanted)
    return grad_x, None, None, None, None, None, grad_residual if wanted else None, None


_normalise.register_autograd(_differentiate, setup_context=_keep)


def problem(x: Tensor, widest: int = 256) -> tuple[tuple[int, int], tuple[int, ...]]:
    """Grid of programs; number of pixels, of channels, and of both that a program takes, channels at most `widest`."""
    channels = x.shape[1]
    pixels = x.numel() // max(channels, 1)
    width = min(triton.next_power_of_2(channels), widest)
    rows = BLOCK // width
    return (-(-pixels // rows), -(-channels // width)), (pixels, channels, rows, width)


@triton.jit
def _place(pixels, CHANNELS: tl.constexpr, ROWS: tl.constexpr, WIDTH: tl.constexpr):
    """Channels of a program, places of its values, and which of both exist."""
    channel = tl.program_id(1) * WIDTH + tl.arange(0, WIDTH)
    pixel = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    places = pixel.to(tl.int64)[:, None] * CHANNELS + channel[None, :]
    return channel, places, channel < CHANNELS, (pixel < pixels)[:, None] & (channel < CHANNELS)[None, :]


@triton.jit
def _forward(x, mean, variance, factor, offset, epsilon, residual, out, pixels, CHANNELS: tl.constexpr,
             ROWS: tl.constexpr, WIDTH: tl.constexpr, RESIDUAL: tl.constexpr, ACTIVATE: tl.constexpr):  # fmt: skip
    channel, places, exists, inside = _place(pixels, CHANNELS, ROWS, WIDTH)
    scale = tl.load(factor + channel, exists) / tl.sqrt(tl.load(variance + channel, exists, other=1.0) + epsilon)
    shift = tl.load(offset + channel, exists) - tl.load(mean + channel, exists) * scale
    value = tl.load(x + places, inside).to(scale.dtype) * scale[None, :] + shift[None, :]
    if RESIDUAL:
        value += tl.load(residual + places, inside).to(scale.dtype)
    if ACTIVATE:
        value = tl.maximum(value, 0.0, propagate_nan=tl.PropagateNan.ALL)
    tl.store(out + places, value, inside)


@triton.jit
def _backward(grad, out, variance, factor, epsilon, grad_x, grad_residual, pixels, CHANNELS: tl.constexpr,
              ROWS: tl.constexpr, WIDTH: tl.constexpr, RESIDUAL: tl.constexpr, ACTIVATE: tl.constexpr):  # fmt: skip
    channel, places, exists, inside = _place(pixels, CHANNELS, ROWS, WIDTH)
    scale = tl.load(factor + channel, exists) / tl.sqrt(tl.load(variance + channel, exists, other=1.0) + epsilon)
    value = tl.load(grad + places, inside).to(scale.dtype)
    if ACTIVATE:
        value = tl.where(tl.load(out + places, inside) > 0, value, 0.0)
    if RESIDUAL:
        tl.store(grad_residual + places, value, inside)
    tl.store(grad_x + places, value * scale[None, :], inside)
