"""The kernels of :mod:`project.models.ops.triton_pull`.

A program takes neighbouring voxels and one group of channels, and goes through the cameras. Those that see none of its
voxels cost it a projection. Voxels are in the order [z // layers, x, y, z % layers].
"""

import triton
import triton.language as tl

# ruff: noqa: N803  constants of a compiled kernel are in capitals

NEAREST_DEPTH = tl.constexpr(1e-5)


@triton.jit
def _place(matrices, voxel, camera, low_x, low_y, low_z, size_x, size_y, size_z, nearest, log_ratio, image_height,
           image_width, height, width, shape_x, shape_y, shape_z, LAYERS: tl.constexpr,
           DEPTHS: tl.constexpr):  # fmt: skip
    """Where voxels lie in a camera: column, row, lower bin, share of the upper bin, and whether they are seen."""
    pillar = voxel // LAYERS
    x = low_x + ((pillar // shape_y % shape_x).to(tl.float32) + 0.5) * size_x
    y = low_y + ((pillar % shape_y).to(tl.float32) + 0.5) * size_y
    layer = pillar // (shape_x * shape_y) * LAYERS + voxel % LAYERS
    z = low_z + (layer.to(tl.float32) + 0.5) * size_z
    m = matrices + camera * 16
    u = tl.load(m) * x + tl.load(m + 1) * y + tl.load(m + 2) * z + tl.load(m + 3)
    v = tl.load(m + 4) * x + tl.load(m + 5) * y + tl.load(m + 6) * z + tl.load(m + 7)
    depth = tl.load(m + 8) * x + tl.load(m + 9) * y + tl.load(m + 10) * z + tl.load(m + 11)
    u = u / tl.maximum(depth, NEAREST_DEPTH)
    v = v / tl.maximum(depth, NEAREST_DEPTH)
    seen = (depth > NEAREST_DEPTH) & (u >= 0) & (u < image_width) & (v >= 0) & (v < image_height)
    seen = seen & (voxel < shape_x * shape_y * shape_z)
    column = tl.where(seen, u * width / image_width - 0.5, 0.0)
    row = tl.where(seen, v * height / image_height - 0.5, 0.0)
    place = tl.log(tl.maximum(depth, nearest) / nearest) / log_ratio - 0.5
    place = tl.minimum(tl.maximum(place, 0.0), DEPTHS - 1.0)
    low = tl.minimum(tl.floor(place), DEPTHS - 2.0)
    return column, row, low.to(tl.int32), place - low, seen


@triton.jit
def _corner(column, row, height, width, RIGHT: tl.constexpr, BELOW: tl.constexpr):
    """Pixel of one of the four around places, and how much it counts."""
    left, top = tl.floor(column), tl.floor(row)
    share_x, share_y = column - left, row - top
    x = tl.minimum(tl.maximum(left.to(tl.int32) + RIGHT, 0), width - 1)
    y = tl.minimum(tl.maximum(top.to(tl.int32) + BELOW, 0), height - 1)
    share = (share_x if RIGHT else 1 - share_x) * (share_y if BELOW else 1 - share_y)
    return y * width + x, share


@triton.jit
def pull(features, weights, matrices, out, low_x, low_y, low_z, size_x, size_y, size_z, nearest, log_ratio,
         image_height, image_width, cameras, height, width, shape_x, shape_y, shape_z, LAYERS: tl.constexpr,
         GROUPS: tl.constexpr, DEPTHS: tl.constexpr, CHANNELS: tl.constexpr, VOXELS: tl.constexpr,
         WIDTH: tl.constexpr):  # fmt: skip
    voxel = tl.program_id(0) * VOXELS + tl.arange(0, VOXELS)
    group, sample = tl.program_id(1), tl.program_id(2)
    channel = tl.arange(0, WIDTH)
    total = tl.zeros((VOXELS, WIDTH), tl.float32)
    for index in range(cameras):
        camera = sample * cameras + index
        column, row, low, share, seen = _place(
            matrices, voxel, camera, low_x, low_y, low_z, size_x, size_y, size_z, nearest, log_ratio, image_height,
            image_width, height, width, shape_x, shape_y, shape_z, LAYERS, DEPTHS)  # fmt: skip
        if tl.sum(seen.to(tl.int32), 0) > 0:
            first = (camera * height * width).to(tl.int64)
            for tap in tl.static_range(4):
                pixel, near = _corner(column, row, height, width, tap % 2, tap // 2)
                bins = weights + ((first + pixel) * GROUPS + group) * DEPTHS + low
                weight = tl.load(bins, seen, other=0.0).to(tl.float32) * (1 - share)
                weight += tl.load(bins + 1, seen, other=0.0).to(tl.float32) * share
                places = (first + pixel)[:, None] * (GROUPS * CHANNELS) + group * CHANNELS + channel[None, :]
                found = tl.load(features + places, seen[:, None] & (channel < CHANNELS)[None, :], other=0.0)
                total += found.to(tl.float32) * (weight * near)[:, None]
    voxels = shape_x * shape_y * shape_z
    rows = (sample.to(tl.int64) * voxels + voxel)[:, None] * (GROUPS * CHANNELS) + group * CHANNELS
    tl.store(out + rows + channel[None, :], total, (voxel < voxels)[:, None] & (channel < CHANNELS)[None, :])


@triton.jit
def pull_backward(grad, features, weights, matrices, grad_features, grad_weights, low_x, low_y, low_z, size_x, size_y,
                  size_z, nearest, log_ratio, image_height, image_width, cameras, height, width, shape_x, shape_y,
                  shape_z, LAYERS: tl.constexpr, GROUPS: tl.constexpr, DEPTHS: tl.constexpr, CHANNELS: tl.constexpr,
                  VOXELS: tl.constexpr, WIDTH: tl.constexpr):  # fmt: skip
    voxel = tl.program_id(0) * VOXELS + tl.arange(0, VOXELS)
    group, sample = tl.program_id(1), tl.program_id(2)
    channel = tl.arange(0, WIDTH)
    voxels = shape_x * shape_y * shape_z
    rows = (sample.to(tl.int64) * voxels + voxel)[:, None] * (GROUPS * CHANNELS) + group * CHANNELS
    wanted = (voxel < voxels)[:, None] & (channel < CHANNELS)[None, :]
    given = tl.load(grad + rows + channel[None, :], wanted, other=0.0).to(tl.float32)
    for index in range(cameras):
        camera = sample * cameras + index
        column, row, low, share, seen = _place(
            matrices, voxel, camera, low_x, low_y, low_z, size_x, size_y, size_z, nearest, log_ratio, image_height,
            image_width, height, width, shape_x, shape_y, shape_z, LAYERS, DEPTHS)  # fmt: skip
        if tl.sum(seen.to(tl.int32), 0) > 0:
            first = (camera * height * width).to(tl.int64)
            for tap in tl.static_range(4):
                pixel, near = _corner(column, row, height, width, tap % 2, tap // 2)
                bins = ((first + pixel) * GROUPS + group) * DEPTHS + low
                weight = tl.load(weights + bins, seen, other=0.0).to(tl.float32) * (1 - share)
                weight += tl.load(weights + bins + 1, seen, other=0.0).to(tl.float32) * share
                places = (first + pixel)[:, None] * (GROUPS * CHANNELS) + group * CHANNELS + channel[None, :]
                there = seen[:, None] & (channel < CHANNELS)[None, :]
                found = tl.load(features + places, there, other=0.0).to(tl.float32)
                tl.atomic_add(grad_features + places, given * (weight * near)[:, None], there, sem='relaxed')
                product = tl.sum(given * found, 1) * near
                tl.atomic_add(grad_weights + bins, product * (1 - share), seen, sem='relaxed')
                tl.atomic_add(grad_weights + bins + 1, product * share, seen, sem='relaxed')
