"""Modulated deformable convolution as sampling in Triton around matrix products, channels last.

Each tap of each output pixel is sampled into a row of a (pixels, taps * channels) matrix, and a matrix product does the
rest. The backward pass samples again instead of keeping that matrix, which is nine times the size of the features.
Its costly part is the gradient of the features, to each pixel of which some 36 corners add: most samples lie near
the pixel that they belong to, so they are summed a tile at a time before they go to memory.
"""

from collections.abc import Sequence

import torch
import triton
from torch import Tensor

from project.models.ops.triton_convolution_kernels import sample, sample_backward, scatter

PIXELS = 16
"""Output pixels that one program samples."""

TILE, WINDOW = 8, 16
"""Sides of a tile of output pixels, and of the window of input pixels in which its gradients are summed."""


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
    problem = _Problem(x, offset, mask, weight, (stride, padding, dilation))
    columns = x.new_empty(problem.pixels, problem.taps * x.shape[1])
    sample[problem.grid](_rows(x), *problem.maps, columns, problem.pixels, *problem.arguments, PIXELS=PIXELS)
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
    problem = _Problem(x, offset, mask, weight, (stride, padding, dilation))
    grad = _rows(grad)
    grad_columns = grad @ _filters(weight)

    grad_x = _empty_like(x, torch.promote_types(x.dtype, torch.float32)).zero_()
    # In 16 bits the interpolation weights are rounded as much as the features are; wider products would be slow.
    window = WINDOW if x.element_size() == 2 else 0
    scatter[problem.tile_grid](
        *problem.maps, grad_columns, grad_x, *problem.tile_arguments, TILE=TILE, WINDOW=window, PIXELS=PIXELS, num_warps=8
    )

    columns, grad_offset, grad_mask = torch.empty_like(grad_columns), _empty_like(offset), _empty_like(mask)
    gradients = grad_columns, columns, grad_offset, grad_mask
    sample_backward[problem.grid](
        _rows(x), *problem.maps, *gradients, problem.pixels, *problem.arguments, PIXELS=PIXELS
    )
    taps_last = (weight.shape[0], *weight.shape[2:], weight.shape[1])
    grad_weight = (grad.T @ columns).view(taps_last).permute(0, 3, 1, 2)
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


class _Problem:
    """One convolution as the kernels see it: its maps as rows, its sizes, and the grids of programs."""

    def __init__(self, x: Tensor, offset: Tensor, mask: Tensor, weight: Tensor, geometry: tuple[Sequence[int], ...]):
        batch, _, rows, columns = offset.shape
        self.pixels, self.taps = batch * rows * columns, weight.shape[2] * weight.shape[3]
        self.maps = _rows(offset), _rows(mask)
        groups = mask.shape[1] // self.taps
        group = x.shape[1] // groups
        strides = tuple(step for each in self.maps for step in each.stride())
        sizes = (*x.shape[2:], rows, columns)
        kernel = (*weight.shape[2:], *(step for pair in geometry for step in pair))
        block = max(16, triton.next_power_of_2(group))
        self.arguments = strides, sizes, kernel, x.shape[1], group, min(block, 256)
        self.grid = triton.cdiv(self.pixels, PIXELS), groups
        self.tile_arguments = (*self.arguments[:-1], min(block, 128))
        tiles = batch * triton.cdiv(rows, TILE) * triton.cdiv(columns, TILE)
        self.tile_grid = tiles, groups * triton.cdiv(group, min(block, 128))


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
