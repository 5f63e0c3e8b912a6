"""Pulling features of images into voxels in Triton: projections are made in the kernel, and nothing is kept of them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from project.models.ops.pull import Space
from project.models.ops.triton_pull_kernels import pull, pull_backward

FORWARD_VOXELS, BACKWARD_VOXELS = 64, 32
"""Voxels that a program takes."""


def triton_pull(features: Tensor, weights: Tensor, image_from_grid: Tensor, space: Space, layers: int) -> Tensor:
    """Look up and sum; arguments and result as of ``pull``. Sums are in float32 or wider."""
    grid, bins = space.grid, space.bins
    numbers = (*grid.minimum, *grid.voxel_size, bins.nearest, bins.log_ratio)
    sizes = list(grid.shape), layers, list(space.image_shape)
    return _pull(features, weights, image_from_grid, *sizes, list(numbers))


@torch.library.custom_op('occupancy::pull', mutates_args=())
def _pull(
    features: Tensor, weights: Tensor, matrices: Tensor, shape: Sequence[int], layers: int,
    image: Sequence[int], numbers: Sequence[float],
) -> Tensor:  # fmt: skip
    out = _empty(features, weights, matrices, shape, layers, image, numbers)
    tensors = (each.contiguous() for each in (features, weights, matrices))
    programs, sizes = _problem(features, weights, shape, layers, image, FORWARD_VOXELS)
    pull[programs](*tensors, out, *numbers, *sizes)
    return out


@_pull.register_fake
def _empty(features, weights, matrices, shape, layers, image, numbers):
    x, y, z = shape
    return features.new_empty(features.shape[0], z // layers, x, y, layers * features.shape[-1])


@torch.library.custom_op('occupancy::pull_backward', mutates_args=())
def _pull_backward(
    grad: Tensor, features: Tensor, weights: Tensor, matrices: Tensor, shape: Sequence[int], layers: int,
    image: Sequence[int], numbers: Sequence[float],
) -> tuple[Tensor, Tensor]:  # fmt: skip
    gradients = [
        each.new_zeros(each.shape, dtype=torch.promote_types(each.dtype, torch.float32)) for each in (features, weights)
    ]
    tensors = (each.contiguous() for each in (grad, features, weights, matrices))
    programs, sizes = _problem(features, weights, shape, layers, image, BACKWARD_VOXELS)
    pull_backward[programs](*tensors, *gradients, *numbers, *sizes)
    return gradients[0].to(features.dtype), gradients[1].to(weights.dtype)


@_pull_backward.register_fake
def _(grad, features, weights, matrices, shape, layers, image, numbers):
    return features.new_empty(features.shape), weights.new_empty(weights.shape)


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.geometry = inputs[3:]


def _backward(ctx, grad: Tensor):
    return *_pull_backward(grad, *ctx.saved_tensors, *ctx.geometry), None, None, None, None, None


_pull.register_autograd(_backward, setup_context=_keep)


def _problem(
    features: Tensor, weights: Tensor, shape: Sequence[int], layers: int, image: Sequence[int], voxels: int
) -> tuple[tuple[int, ...], tuple]:
    """Grid of programs, and the sizes that both kernels end with."""
    batch, cameras, height, width, channels = features.shape
    groups, depths = weights.shape[-2:]
    group = channels // groups
    programs = -(-(shape[0] * shape[1] * shape[2]) // voxels), groups, batch
    block = voxels, 1 << (group - 1).bit_length()
    return programs, (*image, cameras, height, width, *shape, layers, groups, depths, group, *block)
