"""Multi-scale deformable attention in Triton."""

from collections.abc import Sequence

import torch
from torch import Tensor

from project.models.ops.triton_attention_kernels import attend, attend_backward

POINTS = 16
"""Points of one query and level that a program takes at a time, at most."""

FORWARD_ROWS, BACKWARD_ROWS = 32, 16
"""Points that a program takes at a time, of as many queries as that makes."""


def triton_deformable_attention(
    value: Tensor, shapes: Sequence[tuple[int, int]], locations: Tensor, weights: Tensor
) -> Tensor:
    """Sample maps at fractional places and sum; arguments and result as of ``deformable_attention``.

    Sums are in float32 or wider whatever the dtype of the values; locations and weights may have another.
    """
    return _attend(value, [size for shape in shapes for size in shape], locations, weights)


@torch.library.custom_op('occupancy::deformable_attention', mutates_args=())
def _attend(value: Tensor, shapes: Sequence[int], locations: Tensor, weights: Tensor) -> Tensor:
    batch, _, heads, channels = value.shape
    out = value.new_empty(batch, locations.shape[1], heads * channels)
    tensors = (each.contiguous() for each in (value, locations, weights))
    grid, arguments = _problem(value, shapes, locations, FORWARD_ROWS)
    attend[grid](*tensors, out, *arguments, num_warps=4)
    return out


@_attend.register_fake
def _(value, shapes, locations, weights):
    return value.new_empty(value.shape[0], locations.shape[1], value.shape[2] * value.shape[3])


@torch.library.custom_op('occupancy::deformable_attention_backward', mutates_args=())
def _attend_backward(
    grad: Tensor, value: Tensor, shapes: Sequence[int], locations: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    grad_value = value.new_zeros(value.shape, dtype=torch.promote_types(value.dtype, torch.float32))
    grad_locations, grad_weights = locations.new_empty(locations.shape), weights.new_empty(weights.shape)
    tensors = (each.contiguous() for each in (grad, value, locations, weights))
    grid, arguments = _problem(value, shapes, locations, BACKWARD_ROWS)
    attend_backward[grid](*tensors, grad_value, grad_locations, grad_weights, *arguments, num_warps=1)
    return grad_value.to(value.dtype), grad_locations, grad_weights


@_attend_backward.register_fake
def _(grad, value, shapes, locations, weights):
    return tuple(each.new_empty(each.shape) for each in (value, locations, weights))


def _keep(ctx, inputs, output) -> None:
    value, ctx.shapes, locations, weights = inputs
    ctx.save_for_backward(value, locations, weights)


def _backward(ctx, grad: Tensor):
    value, locations, weights = ctx.saved_tensors
    grad_value, grad_locations, grad_weights = _attend_backward(grad, value, ctx.shapes, locations, weights)
    return grad_value, None, grad_locations, grad_weights


_attend.register_autograd(_backward, setup_context=_keep)


def _problem(value: Tensor, shapes: Sequence[int], locations: Tensor, rows: int) -> tuple[tuple[int, ...], tuple]:
    """Grid of programs and the arguments that both kernels end with."""
    batch, pixels, heads, channels = value.shape
    queries, points = locations.shape[1], locations.shape[4]
    levels, first = [], 0
    for height, width in zip(shapes[::2], shapes[1::2], strict=True):
        levels.append((height, width, first))
        first += height * width
    point_block = min(1 << (points - 1).bit_length(), POINTS)
    query_block = rows // point_block
    blocks = query_block, point_block, 1 << (channels - 1).bit_length()
    grid = -(-queries // query_block), heads, batch
    return grid, (queries, tuple(levels), pixels, heads, points, channels, *blocks)
