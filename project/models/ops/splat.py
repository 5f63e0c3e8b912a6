"""Splats image features into voxels: every pixel adds its features along its ray, weighted by depth.

Philion and Fidler, Lift, Splat, Shoot (ECCV 2020). ``torch`` below is the plain reference that defines the result; it
holds the features of every pixel at every depth, which the Triton kernels never do.
"""

import torch
from torch import Tensor

from project.models.camera_rays import pixel_rays
from project.models.constants import constant
from project.models.ops.operator import Backend, Operator, runs_anywhere, triton_obstacle
from project.models.ops.pull import Space


def splat(
    features: Tensor, weights: Tensor, image_from_grid: Tensor, space: Space, backend: str | None = None
) -> Tensor:
    """Sum, in each voxel, the features of the pixels with the middle of a bin there, weighted by that bin.

    Args:
        features: (B, N, h, w, C) of N cameras.
        weights: (B, N, h, w, G, D), weights of each of G groups of C / G channels.
        image_from_grid: (B, N, 4, 4) homogeneous pixels from the grid's frame; no gradient.
        space: voxels, bins and images.
        backend: name of a backend; by default ``OCCUPANCY_SPLAT`` or the first that can run.

    Returns:
        (B, Z, X, Y, C), dtype of `features`.
    """
    chosen = SPLAT.choose(features.device.type, backend)
    with torch.autocast(features.device.type, enabled=False):
        voxels = point_voxels(image_from_grid.float(), features.shape[2:4], space)
        return chosen.compute(features, weights, voxels, space)


def point_voxels(image_from_grid: Tensor, shape: tuple[int, int], space: Space) -> Tensor:
    """The voxel that each pixel has the middle of each bin in.

    Returns:
        (B, N, h, w, D) int64 positions in a (B, Z, X, Y) volume, and B Z X Y for points outside the grid.
    """
    grid, device = space.grid, image_from_grid.device
    origins, directions = pixel_rays(image_from_grid, tuple(shape), space.image_shape)
    depths = constant(space.bins.centres(), device)
    points = origins[..., None, None, None] + directions[..., None] * depths  # (B, N, 3, h, w, D)
    low, size = constant(grid.minimum, device), constant(grid.voxel_size, device)
    cells = [((points[:, :, axis] - low[axis]) / size[axis]).floor() for axis in range(3)]
    inside = torch.stack([(c >= 0) & (c < count) for c, count in zip(cells, grid.shape, strict=True)]).all(0)
    x, y, z = (cell.long() for cell in cells)
    sample = torch.arange(len(points), device=device).view(-1, 1, 1, 1, 1)
    position = ((sample * grid.shape[2] + z) * grid.shape[0] + x) * grid.shape[1] + y
    return torch.where(inside, position, len(points) * grid.size)


def _torch(features: Tensor, weights: Tensor, voxels: Tensor, space: Space) -> Tensor:
    x, y, z = space.grid.shape
    batch, channels = features.shape[0], features.shape[-1]
    wide = torch.promote_types(features.dtype, torch.float32)
    parts = features.to(wide).unflatten(-1, (weights.shape[-2], 1, -1))  # (B, N, h, w, G, 1, C / G)
    points = (parts * weights.to(wide)[..., None]).movedim(-2, -3).flatten(-2)  # (B, N, h, w, D, C)
    total = points.new_zeros(batch * space.grid.size + 1, channels)
    total = total.index_add(0, voxels.flatten(), points.flatten(0, -2))
    return total[:-1].view(batch, z, x, y, channels).to(features.dtype)


def _triton(features: Tensor, weights: Tensor, voxels: Tensor, space: Space) -> Tensor:
    from project.models.ops.triton_splat import triton_splat

    return triton_splat(features, weights, voxels, space)


SPLAT = Operator('splat', [Backend('triton', _triton, triton_obstacle), Backend('torch', _torch, runs_anywhere)])
