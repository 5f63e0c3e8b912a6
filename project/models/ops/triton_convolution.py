"""Modulated deformable convolution as sampling in Triton and matrix products, channels last.

Each tap of each output pixel is sampled into a row of a (pixels, taps * channels) matrix, and a matrix product does the
rest. The backward pass samples again instead of keeping that matrix, which is nine times the size of the features. What
bounds it is the gradient of the features, to each pixel of which some 36 corners add: with channels last these are
additions to whole cache lines.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from project.models.ops.triton_convolution_kernels import sample, sample_backward

ROWS = 2
"""Output pixels that one program samples at a time, each by one warp."""


def triton_deformable_convolution(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    """Convolve with displaced and modulated taps; arguments and result as of ``deformable_convolution``.

    Products are taken in the dtype of `x` and summed in float32 or wider; offset and mask may have another dtype, and
    places are float32 or wider. The result is channels last.
    """
    return _convolve(x, offset, mask, weight.to(x.dtype), list(stride), list(padding), list(dilation))


@torch.library.custom_op('occupancy::deformable_convolution', mutates_args=())
def _convolve(
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> Tensor:
    grid, maps, sizes = _problem(x, offset, mask, weight, stride, padding, dilation)
    columns = x.new_empty(maps[0].shape[0], weight[0].numel())
    sample[grid](_rows(x), *maps, columns, *sizes, num_warps=ROWS)
    out = columns @ _filters(weight).T
    return out.view(x.shape[0], *offset.shape[2:], -1).permute(0, 3, 1, 2)


@_convolve.register_fake
def _(x, offset, mask, weight, stride, padding, dilation):
    return x.new_empty(x.shape[0], *offset.shape[2:], weight.shape[0]).permute(0, 3, 1, 2)


@torch.library.custom_op('occupancy::deformable_convolution_backward', mutates_args=())
def _convolve_backward(
    grad: Tensor,
    x: Tensor,
    offset: Tensor,
    mask: Tensor,
    weight: Tensor,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    grid, maps, sizes = _problem(x, offset, mask, weight, stride, padding, dilation)
    grad = _rows(grad)
    grad_columns = grad @ _filters(weight)
    columns, grad_offset, grad_mask = torch.empty_like(grad_columns), _empty_like(offset), _empty_like(mask)
    grad_x = _empty_like(x, torch.promote_types(x.dtype, torch.float32)).zero_()
    gradients = grad_x, grad_offset, grad_mask
    sample_backward[grid](_rows(x), *maps, grad_columns, columns, *gradients, *sizes, num_warps=ROWS)
    taps_first = (weight.shape[0], *weight.shape[2:], weight.shape[1])
    grad_weight = (grad.T @ columns).view(taps_first).permute(0, 3, 1, 2)
    return grad_x.to(x.dtype), grad_offset, grad_mask, grad_weight


@_convolve_backward.register_fake
def _(grad, x, offset, mask, weight, stride, padding, dilation):
    return _empty_like(x), _empty_like(offset), _empty_like(mask), _empty_like(weight)


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.geometry = inputs[4:]


def _backward(ctx, grad: Tensor):
    return *_convolve_backward(grad, *ctx.saved_tensors, *ctx.geometry), None, None, None


_convolve.register_autograd(_backward, setup_context=_keep)


def _problem(x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, *geometry: Sequence[int]) -> tuple:
    """Grid of programs, offsets and mask as rows, and the arguments that both kernels end with."""
    maps = _rows(offset), _rows(mask)
    pixels, groups = maps[0].shape[0], mask.shape[1] // (weight.shape[2] * weight.shape[3])
    group = x.shape[1] // groups
    strides = (*maps[0].stride(), *maps[1].stride())
    kernel = (*weight.shape[2:], *(step for pair in geometry for step in pair))
    block = min(1 << (group - 1).bit_length(), 256)
    sizes = pixels, strides, (*x.shape[2:], *offset.shape[2:]), kernel, x.shape[1], group, block, ROWS
    return (-(-pixels // ROWS), groups), maps, sizes


def _rows(x: Tensor) -> Tensor:
    """(N, C, H, W) as (N * H * W, C); no copy where it is channels last."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def _filters(weight: Tensor) -> Tensor:
    """(O, C, kh, kw) as (O, kh * kw * C)."""
    return weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1)


def _empty_like(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Memory for as many values as (N, C, H, W) `x` has, channels last."""
    batch, channels, height, width = x.shape
    return x.new_empty(batch, height, width, channels, dtype=dtype).permute(0, 3, 1, 2)
