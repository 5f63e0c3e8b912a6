"""The depth net: depth, class and features of each pixel."""

from dataclasses import dataclass

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.models.camera_rays import DepthBins, heights, pixel_rays
from project.models.lift.layers import ColumnAttention, ConvNorm, ResidualBlock
from project.taxonomy import LABEL_NAMES


@dataclass(frozen=True)
class Lifted:
    """Depth, class and features of each pixel of the feature maps of N cameras.

    Attributes:
        context: (B, N, C, h, w) features to be lifted into voxels.
        depth: (B, N, D, h, w) float32 logits of its depth, over the bins.
        semantics: (B, N, classes, h, w) logits of its label, the last one for things that no voxel represents.
    """

    context: Tensor
    depth: Tensor
    semantics: Tensor


@MODELS.register_module()
class OccupancyDepthNet(nn.Module):
    """Depth, class and features of each pixel, from image features and the pixel's ray.

    The network predicts logits of the depth, and logits of the height of what a pixel shows. The calibration gives the
    height at each depth on the pixel's ray, and the two logits are added. So a pixel that shows the ground gets the
    right distance from its class alone, for any camera on any car.

    Args:
        in_channels: of the image features.
        channels: hidden channels of the network.
        context_channels: C of the result.
        bins: DepthBins, or their attributes.
        extent: the grid's; height bins lie between its floor and its ceiling.
        blocks: residual blocks.
        height_step: metres between height bins.
        column_attention: whether pixels attend to their column of the image.
        num_classes: labels of pixels.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        context_channels: int,
        bins: DepthBins | dict,
        extent: tuple[float, ...],
        blocks: int = 3,
        height_step: float = 0.25,
        column_attention: bool = True,
        num_classes: int = len(LABEL_NAMES),
    ):
        super().__init__()
        self.bins = DepthBins.of(bins)
        self.floor, self.height_step = extent[2], height_step
        self.num_heights = round((extent[5] - extent[2]) / height_step)
        self.num_classes = num_classes
        self.entry = ConvNorm(in_channels, channels, 1)
        self.camera = nn.Sequential(nn.Conv2d(RAY_FEATURES, channels, 1), nn.ReLU(), nn.Conv2d(channels, channels, 1))
        layers = [ResidualBlock(channels) for _ in range(blocks)]
        if column_attention:
            layers.insert(blocks - 1, ColumnAttention(channels))
        self.layers = nn.Sequential(*layers)
        self.opinions = nn.Conv2d(channels, self.bins.count + self.num_heights + num_classes, 1)
        self.context = nn.Conv2d(channels + num_classes, context_channels, 1)

    def forward(self, features: Tensor, image_from_grid: Tensor, image_shape: tuple[int, int]) -> Lifted:
        """Depth, class and features of each pixel.

        Args:
            features: (B, N, C', h, w).
            image_from_grid: (B, N, 4, 4) homogeneous pixels from the grid's frame.
            image_shape: rows and columns of the images.
        """
        cameras, shape = features.shape[:2], features.shape[-2:]
        with torch.autocast(features.device.type, enabled=False):
            rays = pixel_rays(image_from_grid.flatten(0, 1), shape, image_shape)
        x = self.entry(features.flatten(0, 1)) + self.camera(ray_features(*rays))
        x = self.layers(x)
        depth, height, semantics = self.opinions(x).split((self.bins.count, self.num_heights, self.num_classes), dim=1)
        context = self.context(torch.cat([x, semantics.softmax(1).to(x.dtype)], dim=1))
        with torch.autocast(features.device.type, enabled=False):
            depth = depth.float() + self._at_heights(height.float(), *rays)
        return Lifted(*(each.unflatten(0, cameras) for each in (context, depth, semantics)))

    def _at_heights(self, logits: Tensor, origins: Tensor, directions: Tensor) -> Tensor:
        """(M, D, h, w) of (M, heights, h, w) logits: linear between height bins, constant beyond them."""
        places = (heights(origins, directions, self.bins) - self.floor) / self.height_step - 0.5
        places = places.clamp(0, self.num_heights - 1)
        low = places.floor().clamp(max=self.num_heights - 2)
        share, low = places - low, low.long()
        return logits.gather(1, low) * (1 - share) + logits.gather(1, low + 1) * share


RAY_FEATURES = 4
"""Number of :func:`ray_features`."""


def ray_features(origins: Tensor, directions: Tensor) -> Tensor:
    """(M, 4, h, w) numbers about rays that do not change when the grid is turned about z or mirrored.

    They are the slope of a ray, the ratio of its length to its depth, the height of its origin, and the reciprocal of
    the depth at which it has risen or fallen by a metre.
    """
    across, up = directions[:, :2].square().sum(1, keepdim=True).sqrt(), directions[:, 2:]
    start = origins[:, 2, None, None, None].expand_as(up)
    return torch.cat([up / across.clamp(min=1e-3), across, start, 4 * up], dim=1)
