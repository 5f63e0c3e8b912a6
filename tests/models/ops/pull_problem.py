"""Feature maps, weights and cameras of odd sizes for the operators between pixels and voxels."""

import sys
from pathlib import Path

import torch

from project.grid import VoxelGrid
from project.models.camera_rays import DepthBins
from project.models.ops.pull import Space

sys.path.insert(0, str(Path(__file__).parents[1]))

from small_model import IMAGE, rig

GRID = VoxelGrid.from_range('lidar', (-14.0, -10.0, -3.0, 14.0, 10.0, 3.0), (4.0, 4.0, 2.0))
SPACE = Space(GRID, DepthBins(1.0, 18.0, 6), IMAGE)


def problem(dtype=torch.float32, device='cpu', channels=6, groups=2, batch=2, cameras=3):
    """Features (B, N, 3, 5, C), weights (B, N, 3, 5, G, D) and projections; each sample sees from another height."""
    torch.manual_seed(0)
    features = torch.randn(batch, cameras, 3, 5, channels).to(dtype)
    weights = torch.rand(batch, cameras, 3, 5, groups, SPACE.bins.count).to(dtype)
    matrices = torch.stack([torch.from_numpy(rig(cameras, height=0.4 + sample)).float() for sample in range(batch)])
    return [each.to(device) for each in (features, weights, matrices)]
