"""An OccupancyLift small enough for tests, with odd sizes."""

import sys
from pathlib import Path

import torch
from torch import nn

from project.datasets.data_sample import OccupancyDataSample
from project.models import (
    OccupancyCrossEntropy,
    OccupancyDepthNet,
    OccupancyHeightNet,
    OccupancyImageLoss,
    OccupancyLift,
    OccupancyLovaszSoftmax,
    OccupancyPull,
    OccupancyTopDownNeck,
    OccupancyVolumeNet,
    OccupancyVoxelHead,
)

sys.path.insert(0, str(Path(__file__).parents[1]))

from small_model import GRID, IMAGE, Pyramid, rig

BINS = dict(nearest=1.0, farthest=20.0, count=6)
NETS = {
    'volume': lambda channels: OccupancyVolumeNet(GRID, channels, (8, 12, 12), (1, 1, 1), halve_z=(2,)),
    'above': lambda channels: OccupancyVolumeNet(GRID, channels, (8, 12, 12), (1, 1, 1), halve_z=(2,), above=(8, 12)),
    'height': lambda channels: OccupancyHeightNet(GRID, channels, 4, (8, 12), (1, 1), out_channels=6),
}


def small_lift(net='volume', layers=2, extra_heads=None):
    """A detector built without a configuration."""
    torch.manual_seed(0)
    depth_net = OccupancyDepthNet(8, 8, 6, BINS, GRID.extent, blocks=2, height_step=1.0)
    volume = NETS[net](6 * layers)
    losses = {'ce': OccupancyCrossEntropy(balance=0.3), 'lovasz': OccupancyLovaszSoftmax()}
    head = OccupancyVoxelHead(GRID, volume.out_channels, 8, losses=losses)
    neck = OccupancyTopDownNeck([8, 8], 8)
    view = OccupancyPull(layers)
    image_loss = OccupancyImageLoss(BINS)
    return OccupancyLift(Pyramid(), neck, depth_net, view, volume, head, GRID, image_loss, extra_heads=extra_heads)


def batch(count=2, cameras=4, targets=True):
    """Images and samples with labels, and what the images should be seen to show."""
    samples = []
    for index in range(count):
        sample = OccupancyDataSample(metainfo={'lidar2img': rig(cameras, height=1.0 + 0.2 * index)})
        sample.gt_occupancy = torch.randint(0, 18, GRID.shape, dtype=torch.uint8)
        if targets:
            shape = cameras, IMAGE[0] // 4, IMAGE[1] // 4
            sample.gt_depths = 30 * torch.rand(shape)
            sample.gt_depths[:, 0] = torch.inf
            sample.gt_image_semantics = torch.randint(0, 18, shape, dtype=torch.uint8)
        samples.append(sample)
    return {'imgs': torch.randn(count, cameras, 3, *IMAGE)}, samples


def parameters_without_gradients(model: nn.Module) -> list[str]:
    """Names of those that the last backward pass left out."""
    return [name for name, each in model.named_parameters() if each.grad is None]
