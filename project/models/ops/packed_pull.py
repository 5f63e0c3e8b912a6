"""Pull for processors: only the voxels that a camera sees are computed in it, packed one after the other."""

import torch
from torch import Tensor

from project.models.ops.pull import Space, beside, voxel_places


def packed_pull(features: Tensor, weights: Tensor, image_from_grid: Tensor, space: Space, layers: int) -> Tensor:
    """As ``pull``, with the same products; a voxel's cameras are added in the same order.

    A camera of six sees a fifth of the voxels. The number of those that it sees must be known before memory is taken
    for them; a GPU would have to be waited for.
    """
    batch, cameras, height, width, channels = features.shape
    groups, depths = weights.shape[-2:]
    wide = torch.promote_types(features.dtype, torch.float32)
    places, depth, seen = voxel_places(image_from_grid.flatten(0, 1), (height, width), space)
    image, voxel = seen.nonzero(as_tuple=True)
    pixels, near = _corners(places[image, voxel], height, width)
    pixels = pixels + (image * (height * width))[:, None]  # (M, 4)

    bin_place = space.bins.coordinate(depth[image, voxel])
    bin_low = bin_place.floor().clamp(max=depths - 2)
    bin_share = (bin_place - bin_low)[:, None, None]
    rows = weights.reshape(-1, groups, depths).to(wide)
    first = (pixels * (groups * depths) + bin_low.long()[:, None])[..., None]
    first = first + torch.arange(groups, device=features.device) * depths  # (M, 4, G)
    low, high = (rows.reshape(-1).index_select(0, (first + step).flatten()).view(first.shape) for step in (0, 1))
    weight = (low * (1 - bin_share) + high * bin_share) * near[..., None]

    found = features.reshape(-1, channels).to(wide).index_select(0, pixels.flatten())
    found = found.view(-1, 4, groups, channels // groups)
    seen_here = (found * weight[..., None]).sum(1).flatten(1)  # (M, C)
    x, y, z = space.grid.shape
    total = seen_here.new_zeros(batch * z * x * y, channels)
    total = total.index_add(0, image // cameras * (z * x * y) + voxel, seen_here)
    return beside(total.view(batch, z, x, y, channels).to(features.dtype), layers)


def _corners(places: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """The four pixels around (M, 2) places in a map, (M, 4) int64, and their shares, (M, 4), for interpolation."""
    low = places.floor()
    right, below = (places - low).unbind(-1)
    column, row = low.long().unbind(-1)
    columns = torch.stack([column, column + 1], dim=-1).clamp(0, width - 1)
    rows = torch.stack([row, row + 1], dim=-1).clamp(0, height - 1)
    pixels = (rows[:, :, None] * width + columns[:, None, :]).flatten(1)
    across, down = torch.stack([1 - right, right], dim=-1), torch.stack([1 - below, below], dim=-1)
    return pixels, (down[:, :, None] * across[:, None, :]).flatten(1)
