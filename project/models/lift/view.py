"""View transforms: from pixels to voxels."""

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.models.build import build
from project.models.constants import constant
from project.models.lift.depth import Lifted
from project.models.ops.pull import Space, pull
from project.models.ops.splat import splat


@MODELS.register_module()
class OccupancyPull(nn.Module):
    """Every voxel samples the features of the pixels at its centre twice: weighted by the probability that they show
    something inside the voxel, and by the probability that nothing in front hides it.

    The first half of the channels describes what is in the voxel, the second half what is visible in or behind it. The
    first channel of each half is one in all pixels, so that the voxel gets the weights, too.

    Args:
        layers: number of heights at which each voxel samples, one above the other. A ray through the middle of a voxel
            one metre high meets the ground many metres behind it.
    """

    def __init__(self, layers: int = 1):
        super().__init__()
        self.layers = layers

    def out_channels(self, channels: int) -> int:
        """Channels of a voxel, given those of a pixel."""
        return self.layers * channels

    def forward(self, lifted: Lifted, image_from_grid: Tensor, space: Space) -> Tensor:
        """(B, Z, X, Y, layers * C) features of the voxels.

        Args:
            lifted: features and depths of pixels.
            image_from_grid: (B, N, 4, 4).
            space: voxels, bins and images.
        """
        there = lifted.depth.softmax(2)
        # A thing hides what is behind its bin, not the bin itself.
        visible = 1 - (there.cumsum(2) - there)
        within = constant(space.bins.within(max(space.grid.voxel_size[:2]) / 2), there.device)
        with torch.autocast(there.device.type, enabled=False):
            there = torch.einsum('kd,bndhw->bnkhw', within, there)
        weights = torch.stack([there, visible], dim=2).permute(0, 1, 4, 5, 2, 3)  # (B, N, h, w, 2, D)
        features = with_ones(lifted.context.permute(0, 1, 3, 4, 2), groups=2)
        return pull(features, weights.to(features.dtype), image_from_grid, space, self.layers)


@MODELS.register_module()
class OccupancySplat(nn.Module):
    """Every pixel adds its features to the voxels along its ray, weighted by the probability that it shows something
    there.

    The first channel is one in all pixels, so that a voxel gets the sum of the weights.
    """

    def out_channels(self, channels: int) -> int:
        """Channels of a voxel, given those of a pixel."""
        return channels

    def forward(self, lifted: Lifted, image_from_grid: Tensor, space: Space) -> Tensor:
        """(B, Z, X, Y, C) features of the voxels; arguments as of ``OccupancyPull``."""
        features = with_ones(lifted.context.permute(0, 1, 3, 4, 2), groups=1)
        weights = lifted.depth.softmax(2).permute(0, 1, 3, 4, 2)[..., None, :]
        return splat(features, weights.to(features.dtype), image_from_grid, space)


@MODELS.register_module()
class OccupancyViews(nn.Module):
    """Several view transforms, whose features are concatenated.

    Args:
        views: modules or their configs.
    """

    def __init__(self, views: Sequence[nn.Module | dict]):
        super().__init__()
        self.views = nn.ModuleList(build(view) for view in views)

    def out_channels(self, channels: int) -> int:
        """Channels of a voxel, given those of a pixel."""
        return sum(view.out_channels(channels) for view in self.views)

    def forward(self, lifted: Lifted, image_from_grid: Tensor, space: Space) -> Tensor:
        """(B, Z, X, Y, C) features of the voxels; arguments as of ``OccupancyPull``."""
        return torch.cat([view(lifted, image_from_grid, space) for view in self.views], dim=-1)


def with_ones(features: Tensor, groups: int) -> Tensor:
    """(..., C) features, the first channel of each group of channels replaced by 1."""
    parts = features.unflatten(-1, (groups, -1))
    return torch.cat([torch.ones_like(parts[..., :1]), parts[..., 1:]], dim=-1).flatten(-2)
