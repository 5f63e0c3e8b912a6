"""Warping of volumes in Triton: positions are computed in the kernel, and the channels of a voxel are read together.

A program takes neighbouring voxels [z, x, y] of one sample and one of the volumes that it looks into.
"""

from collections.abc import Sequence

import torch
import triton
import triton.language as tl
from torch import Tensor

from project.grid import VoxelGrid

# ruff: noqa: N803  constants of a compiled kernel are in capitals

VOXELS = 64
"""Voxels that a program takes."""


def triton_warp(volumes: Tensor, rows: Tensor, motions: Tensor, exists: Tensor, grid: VoxelGrid) -> Tensor:
    """Look up; arguments and result as of ``warp``. Sums are in float32."""
    # The lowest corner of the grid, and the size of its voxels.
    return _warp(volumes, rows, motions, exists, [*grid.minimum, *grid.voxel_size])


@triton.jit
def _place(motions, pair, voxel, low_x, low_y, low_z, size_x, size_y, size_z, shape_z, shape_x, shape_y):
    """Where the centres of voxels lie in a volume, in voxels from the centre of its first along z, x and y, and whether
    they are inside."""
    x = low_x + ((voxel // shape_y % shape_x).to(tl.float32) + 0.5) * size_x
    y = low_y + ((voxel % shape_y).to(tl.float32) + 0.5) * size_y
    z = low_z + ((voxel // (shape_x * shape_y)).to(tl.float32) + 0.5) * size_z
    m = motions + pair * 16
    place_x = (tl.load(m) * x + tl.load(m + 1) * y + tl.load(m + 2) * z + tl.load(m + 3) - low_x) / size_x
    place_y = (tl.load(m + 4) * x + tl.load(m + 5) * y + tl.load(m + 6) * z + tl.load(m + 7) - low_y) / size_y
    place_z = (tl.load(m + 8) * x + tl.load(m + 9) * y + tl.load(m + 10) * z + tl.load(m + 11) - low_z) / size_z
    inside = (place_x >= 0) & (place_x < shape_x) & (place_y >= 0) & (place_y < shape_y)
    inside = inside & (place_z >= 0) & (place_z < shape_z) & (voxel < shape_x * shape_y * shape_z)
    return place_z - 0.5, place_x - 0.5, place_y - 0.5, inside


@triton.jit
def _side(place, count, UPPER: tl.constexpr):
    """The voxel below or above a place along an axis, clamped to the outer ones, and how much it counts."""
    low = tl.floor(place)
    share = place - low
    index = tl.minimum(tl.maximum(low.to(tl.int32) + UPPER, 0), count - 1)
    return index, share if UPPER else 1 - share


@triton.jit
def _corner(place_z, place_x, place_y, shape_z, shape_x, shape_y, CORNER: tl.constexpr):
    """Voxel [z, x, y] of one of the eight around places, and how much it counts."""
    z, near_z = _side(place_z, shape_z, CORNER // 4)
    x, near_x = _side(place_x, shape_x, CORNER // 2 % 2)
    y, near_y = _side(place_y, shape_y, CORNER % 2)
    return (z * shape_x + x) * shape_y + y, near_z * near_x * near_y


@triton.jit
def warp(volumes, rows, motions, exists, out, low_x, low_y, low_z, size_x, size_y, size_z, shape_z, shape_x, shape_y,
         COUNT: tl.constexpr, CHANNELS: tl.constexpr, WIDTH: tl.constexpr, VOXELS: tl.constexpr):  # fmt: skip
    voxel = tl.program_id(0) * VOXELS + tl.arange(0, VOXELS)
    index, sample = tl.program_id(1), tl.program_id(2)
    pair = sample * COUNT + index
    channel = tl.arange(0, WIDTH)
    count = shape_z * shape_x * shape_y
    place_z, place_x, place_y, inside = _place(
        motions, pair, voxel, low_x, low_y, low_z, size_x, size_y, size_z, shape_z, shape_x, shape_y)  # fmt: skip
    known = inside & (tl.load(exists + pair) != 0)
    there = known[:, None] & (channel < CHANNELS)[None, :]
    source = volumes + tl.load(rows + pair) * count * CHANNELS
    total = tl.zeros((VOXELS, WIDTH), tl.float32)
    for corner in tl.static_range(8):
        near, share = _corner(place_z, place_x, place_y, shape_z, shape_x, shape_y, corner)
        found = tl.load(source + near[:, None] * CHANNELS + channel[None, :], there, other=0.0)
        total += found.to(tl.float32) * share[:, None]
    # A place that is not a number makes shares that are none, which a masked zero does not change to zero.
    total = tl.where(there, total, 0.0)
    total = tl.where((channel == CHANNELS)[None, :], known.to(tl.float32)[:, None], total)
    places = ((sample.to(tl.int64) * count + voxel) * COUNT + index)[:, None] * (CHANNELS + 1) + channel[None, :]
    tl.store(out + places, total, (voxel < count)[:, None] & (channel <= CHANNELS)[None, :])


@triton.jit
def warp_backward(grad, rows, motions, exists, grad_volumes, low_x, low_y, low_z, size_x, size_y, size_z, shape_z,
                  shape_x, shape_y, COUNT: tl.constexpr, CHANNELS: tl.constexpr, WIDTH: tl.constexpr,
                  VOXELS: tl.constexpr):  # fmt: skip
    index, sample = tl.program_id(1), tl.program_id(2)
    pair = sample * COUNT + index
    if tl.load(exists + pair) != 0:
        voxel = tl.program_id(0) * VOXELS + tl.arange(0, VOXELS)
        channel = tl.arange(0, WIDTH)
        count = shape_z * shape_x * shape_y
        place_z, place_x, place_y, inside = _place(
            motions, pair, voxel, low_x, low_y, low_z, size_x, size_y, size_z, shape_z, shape_x, shape_y)  # fmt: skip
        there = inside[:, None] & (channel < CHANNELS)[None, :]
        places = ((sample.to(tl.int64) * count + voxel) * COUNT + index)[:, None] * (CHANNELS + 1) + channel[None, :]
        given = tl.load(grad + places, there, other=0.0).to(tl.float32)
        target = grad_volumes + tl.load(rows + pair) * count * CHANNELS
        for corner in tl.static_range(8):
            near, share = _corner(place_z, place_x, place_y, shape_z, shape_x, shape_y, corner)
            places = target + near[:, None] * CHANNELS + channel[None, :]
            tl.atomic_add(places, given * share[:, None], there, sem='relaxed')


@torch.library.custom_op('occupancy::warp', mutates_args=())
def _warp(volumes: Tensor, rows: Tensor, motions: Tensor, exists: Tensor, numbers: Sequence[float]) -> Tensor:
    out = _empty(volumes, rows, motions, exists, numbers)
    tensors = (each.contiguous() for each in (volumes, rows, motions, exists))
    programs, sizes = _problem(volumes.shape, rows)
    warp[programs](*tensors, out, *numbers, *sizes)
    return out


@_warp.register_fake
def _empty(volumes, rows, motions, exists, numbers):
    *shape, channels = volumes.shape[1:]
    return volumes.new_empty(rows.shape[0], *shape, rows.shape[1], channels + 1)


@torch.library.custom_op('occupancy::warp_backward', mutates_args=())
def _warp_backward(
    grad: Tensor, rows: Tensor, motions: Tensor, exists: Tensor, shape: Sequence[int], numbers: Sequence[float]
) -> Tensor:
    gradient = grad.new_zeros(shape, dtype=torch.float32)
    tensors = (each.contiguous() for each in (grad, rows, motions, exists))
    programs, sizes = _problem(shape, rows)
    warp_backward[programs](*tensors, gradient, *numbers, *sizes)
    return gradient.to(grad.dtype)


@_warp_backward.register_fake
def _(grad, rows, motions, exists, shape, numbers):
    return grad.new_empty(shape)


def _keep(ctx, inputs, output) -> None:
    volumes, *others, ctx.numbers = inputs
    ctx.save_for_backward(*others)
    ctx.shape = volumes.shape


def _backward(ctx, grad: Tensor):
    return _warp_backward(grad, *ctx.saved_tensors, list(ctx.shape), ctx.numbers), None, None, None, None


_warp.register_autograd(_backward, setup_context=_keep)


def _problem(shape: Sequence[int], rows: Tensor) -> tuple[tuple[int, ...], tuple]:
    """Grid of programs, and the sizes that both kernels end with, for (R, Z, X, Y, C) volumes and (B, T) rows."""
    batch, count = rows.shape
    _, *sides, channels = shape
    voxels = sides[0] * sides[1] * sides[2]
    width = 1 << channels.bit_length()  # room for one channel more
    return (-(-voxels // VOXELS), count, batch), (*sides, count, channels, width, VOXELS)
