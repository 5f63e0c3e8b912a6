"""Splatting in Triton, as a sum over sorted segments: no feature of a pixel at a depth is ever written down.

Points are sorted by the voxel they lie in. Forward, a program sums the points of one voxel; backward, one goes along
the ray of a pixel. Neither adds to memory that others add to, so results do not vary from run to run.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from project.models.ops.pull import Space

# ruff: noqa: N803  constants of a compiled kernel are in capitals

POINTS = 32
"""Points that a program takes at a time."""


def triton_splat(features: Tensor, weights: Tensor, voxels: Tensor, space: Space) -> Tensor:
    """Sum in voxels; arguments and result as of ``splat``, with the voxels of ``point_voxels``."""
    x, y, z = space.grid.shape
    out = _splat(features, weights, voxels.int(), features.shape[0] * space.grid.size)
    return out.view(features.shape[0], z, x, y, features.shape[-1])


@torch.library.custom_op('occupancy::splat', mutates_args=())
def _splat(features: Tensor, weights: Tensor, voxels: Tensor, count: int) -> Tensor:
    out = _empty(features, weights, voxels, count)
    ordered, order = voxels.flatten().sort()
    borders = torch.arange(count + 1, device=voxels.device, dtype=ordered.dtype)
    starts = torch.searchsorted(ordered, borders, out_int32=True)
    groups, sizes = _sizes(features, weights)
    _sum_voxel[(count, groups)](features.contiguous(), weights.contiguous(), order, starts, out, *sizes)
    return out


@_splat.register_fake
def _empty(features, weights, voxels, count):
    return features.new_empty(count, features.shape[-1])


@torch.library.custom_op('occupancy::splat_backward', mutates_args=())
def _splat_backward(grad: Tensor, features: Tensor, weights: Tensor, voxels: Tensor) -> tuple[Tensor, Tensor]:
    features, weights = features.contiguous(), weights.contiguous()
    gradients = torch.empty_like(features), torch.empty_like(weights)
    groups, sizes = _sizes(features, weights)
    pixels = features.numel() // features.shape[-1]
    tensors = grad.contiguous(), features, weights, voxels.contiguous()
    _follow_ray[(pixels, groups)](*tensors, *gradients, grad.shape[0], *sizes)
    return gradients


@_splat_backward.register_fake
def _(grad, features, weights, voxels):
    return features.new_empty(features.shape), weights.new_empty(weights.shape)


def _keep(ctx, inputs, output) -> None:
    ctx.save_for_backward(*inputs[:3])


def _backward(ctx, grad: Tensor):
    return *_splat_backward(grad, *ctx.saved_tensors), None, None


_splat.register_autograd(_backward, setup_context=_keep)


def _sizes(features: Tensor, weights: Tensor) -> tuple[int, Sequence[int]]:
    groups, depths = weights.shape[-2:]
    channels = features.shape[-1] // groups
    return groups, (groups, depths, channels, POINTS, 1 << (channels - 1).bit_length())


@triton.jit
def _sum_voxel(features, weights, order, starts, out, GROUPS: tl.constexpr, DEPTHS: tl.constexpr,
               CHANNELS: tl.constexpr, POINTS: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    voxel, group = tl.program_id(0), tl.program_id(1)
    channel = tl.arange(0, WIDTH)
    total = tl.zeros((WIDTH,), tl.float32)
    end = tl.load(starts + voxel + 1)
    for first in range(tl.load(starts + voxel), end, POINTS):
        place = first + tl.arange(0, POINTS)
        point = tl.load(order + place, place < end, other=0)
        pixel = point // DEPTHS
        weight = tl.load(weights + (pixel * GROUPS + group) * DEPTHS + point % DEPTHS, place < end, other=0.0)
        rows = features + (pixel * GROUPS + group)[:, None] * CHANNELS + channel[None, :]
        found = tl.load(rows, (place < end)[:, None] & (channel < CHANNELS)[None, :], other=0.0)
        total += tl.sum(found.to(tl.float32) * weight.to(tl.float32)[:, None], 0)
    tl.store(out + (voxel.to(tl.int64) * GROUPS + group) * CHANNELS + channel, total, channel < CHANNELS)


@triton.jit
def _follow_ray(grad, features, weights, voxels, grad_features, grad_weights, COUNT, GROUPS: tl.constexpr,
                DEPTHS: tl.constexpr, CHANNELS: tl.constexpr, POINTS: tl.constexpr,
                WIDTH: tl.constexpr):  # fmt: skip
    pixel, group = tl.program_id(0).to(tl.int64), tl.program_id(1)
    channel = tl.arange(0, WIDTH)
    row = (pixel * GROUPS + group) * CHANNELS + channel
    own = tl.load(features + row, channel < CHANNELS, other=0.0).to(tl.float32)
    total = tl.zeros((WIDTH,), tl.float32)
    for first in range(0, DEPTHS, POINTS):
        index = first + tl.arange(0, POINTS)
        voxel = tl.load(voxels + pixel * DEPTHS + index, index < DEPTHS, other=COUNT).to(tl.int64)
        inside = voxel < COUNT
        rows = grad + (voxel * GROUPS + group)[:, None] * CHANNELS + channel[None, :]
        given = tl.load(rows, inside[:, None] & (channel < CHANNELS)[None, :], other=0.0).to(tl.float32)
        bins = (pixel * GROUPS + group) * DEPTHS + index
        weight = tl.load(weights + bins, index < DEPTHS, other=0.0).to(tl.float32)
        total += tl.sum(given * weight[:, None], 0)
        tl.store(grad_weights + bins, tl.sum(given * own[None, :], 1), index < DEPTHS)
    tl.store(grad_features + row, total, channel < CHANNELS)
