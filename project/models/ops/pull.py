"""Pulls image features into voxels: every voxel samples the cameras at its projected centre.

``torch`` below is the plain reference that defines the result.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from project.grid import VoxelGrid
from project.models.camera_rays import DepthBins
from project.models.constants import constant
from project.models.geometry import NEAREST_DEPTH
from project.models.ops.operator import Backend, Operator, runs_anywhere, triton_obstacle


@dataclass(frozen=True)
class Space:
    """The voxels, depth bins and images of a view transform.

    Attributes:
        grid: voxels (X, Y, Z).
        bins: D depths that weights are given for.
        image_shape: rows and columns of the images, padding included, that projections are for.
    """

    grid: VoxelGrid
    bins: DepthBins
    image_shape: tuple[int, int]


def pull(
    features: Tensor,
    weights: Tensor,
    image_from_grid: Tensor,
    space: Space,
    layers: int = 1,
    *,
    backend: str | None = None,
) -> Tensor:
    """Sum, over the cameras that see a voxel's centre, of the features there, weighted by depth.

    With several layers, a voxel is cut into so many of the same height, each of which has a centre of its own.

    In each camera, features are interpolated bilinearly between the four pixels around the centre, and clamped beyond
    the middle of the map's outer pixels. Each pixel has its own weight at the depth of the centre, linear between the
    middles of bins, so foreground and background are not mixed at the edge of an object.

    Args:
        features: (B, N, h, w, C) of N cameras.
        weights: (B, N, h, w, G, D), weights of each of G groups of C / G channels.
        image_from_grid: (B, N, 4, 4) homogeneous pixels from the grid's frame; no gradient.
        space: voxels, bins and images.
        layers: of each voxel.
        backend: name of a backend; by default ``OCCUPANCY_PULL`` or the first that can run.

    Returns:
        (B, Z, X, Y, layers C), the lowest layer first, dtype of `features`; zero where no camera sees the centre.
    """
    grid = space.grid
    size, shape = (*grid.voxel_size[:2], grid.voxel_size[2] / layers), (*grid.shape[:2], grid.shape[2] * layers)
    space = replace(space, grid=replace(grid, voxel_size=size, shape=shape))
    chosen = PULL.choose(features.device.type, backend)
    # Positions are always float32: bfloat16 cannot distinguish neighbouring pixels.
    with torch.autocast(features.device.type, enabled=False):
        return chosen.compute(features, weights, image_from_grid.float(), space, layers)


def voxel_places(image_from_grid: Tensor, shape: tuple[int, int], space: Space) -> tuple[Tensor, Tensor, Tensor]:
    """Where the voxels' centres lie in the feature maps of cameras.

    Args:
        image_from_grid: (..., 4, 4) float32.
        shape: rows h and columns w of the maps.
        space: voxels, bins and images.

    Returns:
        (..., V, 2) column and row, 0 in the middle of the first pixel; (..., V) depth, metres; (..., V) bool, whether
        the camera sees the centre. V voxels in the order [z, x, y].
    """
    axes = [axis_centres(space.grid, axis, image_from_grid.device) for axis in range(3)]
    z, x, y = torch.meshgrid(axes[2], axes[0], axes[1], indexing='ij')
    rows = image_from_grid[..., :3, None, None, None, :]
    u, v, depth = (rows[..., 0] * x + rows[..., 1] * y + rows[..., 2] * z + rows[..., 3]).flatten(-3).unbind(-2)
    height, width = space.image_shape
    divisor = depth.clamp(min=NEAREST_DEPTH)
    u, v = u / divisor, v / divisor
    seen = (depth > NEAREST_DEPTH) & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    places = torch.stack([u * (shape[1] / width), v * (shape[0] / height)], dim=-1) - 0.5
    return places, depth, seen


def axis_centres(grid: VoxelGrid, axis: int, device: torch.device) -> Tensor:
    """(n,) float32 centres of a grid's voxels along one axis, metres."""
    low, size = grid.minimum[axis], grid.voxel_size[axis]
    return constant(tuple(low + (index + 0.5) * size for index in range(grid.shape[axis])), device)


def beside(total: Tensor, layers: int) -> Tensor:
    """(B, Z, X, Y, layers C) of (B, Z layers, X, Y, C): layers of a voxel next to each other."""
    if layers == 1:
        return total
    return total.unflatten(1, (-1, layers)).permute(0, 1, 3, 4, 2, 5).flatten(-2)


def _torch(features: Tensor, weights: Tensor, image_from_grid: Tensor, space: Space, layers: int) -> Tensor:
    batch, cameras, height, width, channels = features.shape
    groups, depths = weights.shape[-2:]
    places, depth, seen = voxel_places(image_from_grid.flatten(0, 1), (height, width), space)
    bin_place = space.bins.coordinate(depth)
    bin_low = bin_place.floor().clamp(max=depths - 2)
    bin_share = (bin_place - bin_low)[..., None]
    bin_low = bin_low.long()
    low = places.floor()
    share = places - low
    low = low.long()
    wide = torch.promote_types(features.dtype, torch.float32)
    dtype = features.dtype
    features = features.flatten(0, 1).flatten(1, 2).to(wide)  # (B N, h w, C)
    weights = weights.flatten(0, 1).flatten(1).to(wide)  # (B N, h w G D)
    group = torch.arange(groups, device=features.device)
    total = 0
    for right, below in ((0, 0), (1, 0), (0, 1), (1, 1)):
        column, row = (low[..., 0] + right).clamp(0, width - 1), (low[..., 1] + below).clamp(0, height - 1)
        near = [share[..., axis] if step else 1 - share[..., axis] for axis, step in enumerate((right, below))]
        pixel = row * width + column
        first = ((pixel[..., None] * groups + group) * depths + bin_low[..., None]).flatten(1)
        taps = [weights.gather(1, first + step).unflatten(1, (-1, groups)) for step in (0, 1)]
        weight = (taps[0] * (1 - bin_share) + taps[1] * bin_share) * (near[0] * near[1] * seen)[..., None]
        found = features.gather(1, pixel[..., None].expand(-1, -1, channels)).unflatten(-1, (groups, -1))
        total = total + (found * weight[..., None]).unflatten(0, (batch, cameras)).sum(1)
    x, y, z = space.grid.shape
    return beside(total.view(batch, z, x, y, channels).to(dtype), layers)


def _triton(features: Tensor, weights: Tensor, image_from_grid: Tensor, space: Space, layers: int) -> Tensor:
    from project.models.ops.triton_pull import triton_pull

    return triton_pull(features, weights, image_from_grid, space, layers)


def _packed(features: Tensor, weights: Tensor, image_from_grid: Tensor, space: Space, layers: int) -> Tensor:
    from project.models.ops.packed_pull import packed_pull

    return packed_pull(features, weights, image_from_grid, space, layers)


def _packed_obstacle(device_type: str) -> str:
    return '' if device_type == 'cpu' else 'the host would have to wait for it'


PULL = Operator(
    'pull',
    [
        Backend('triton', _triton, triton_obstacle),
        Backend('packed', _packed, _packed_obstacle),
        Backend('torch', _torch, runs_anywhere),
    ],
)
