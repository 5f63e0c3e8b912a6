"""A detector of plain modules, small enough for tests, with odd sizes; and cameras around it."""

import numpy as np
import torch
from mmengine.structures import BaseDataElement
from torch import nn

from project.grid import VoxelGrid
from project.models import (
    OccupancyBEVFormer,
    OccupancyCrossEntropy,
    OccupancyEncoder,
    OccupancyEncoderLayer,
    OccupancyHead,
    OccupancyLovaszSoftmax,
    OccupancySpatialAttention,
    OccupancyTemporalAttention,
)

GRID = VoxelGrid.from_range('lidar', (-14.0, -10.0, -3.0, 14.0, 10.0, 3.0), (4.0, 4.0, 2.0))
"""X=7, Y=5, Z=3."""

DIMS, HEADS, ANCHORS = 8, 2, 3
IMAGE = (24, 40)
"""Rows and columns."""


class Pyramid(nn.Module):
    """Two feature maps, of a quarter and an eighth of the image."""

    def __init__(self, dims=DIMS):
        super().__init__()
        self.fine = nn.Conv2d(3, dims, 4, stride=4)
        self.coarse = nn.Conv2d(dims, dims, 2, stride=2)

    def forward(self, images):
        fine = self.fine(images)
        return [fine, self.coarse(fine)]


def small_layer():
    """One layer of the encoder."""
    return OccupancyEncoderLayer(
        OccupancyTemporalAttention(DIMS, HEADS, num_points=2),
        OccupancySpatialAttention(DIMS, HEADS, num_levels=2, num_anchors=ANCHORS, points_per_anchor=2),
        embed_dims=DIMS,
        feedforward_dims=12,
    )


def small_encoder(cameras=4, layers=2, **options):
    """An encoder for the pyramid."""
    torch.manual_seed(0)
    return OccupancyEncoder([small_layer() for _ in range(layers)], GRID, DIMS, cameras, num_levels=2, **options)


def small_detector(cameras=4):
    """A detector built without a configuration."""
    encoder = small_encoder(cameras)
    losses = {'ce': OccupancyCrossEntropy(), 'lovasz': OccupancyLovaszSoftmax()}
    head = OccupancyHead(GRID, DIMS, hidden_dims=10, losses=losses)
    detector = OccupancyBEVFormer(Pyramid(), nn.Identity(), encoder, head, GRID)
    for name, parameter in detector.named_parameters():
        if 'sampling_offsets.weight' in name or 'attention_weights.weight' in name:
            nn.init.normal_(parameter, std=0.1)  # they start at zero, which would hide errors
    return detector


def rig(cameras=4, focal=20.0, height=1.0):
    """(N, 4, 4) image from lidar of cameras at `height`, looking outwards from the origin, the first along +y."""
    intrinsic = np.array([[focal, 0, IMAGE[1] / 2, 0], [0, focal, IMAGE[0] / 2, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    matrices = []
    for yaw in np.arange(cameras) * 2 * np.pi / cameras:
        sine, cosine = np.sin(yaw), np.cos(yaw)
        # Columns of the image grow to the right of the view, rows downwards, depth along the view.
        camera_from_lidar = np.array(
            [[cosine, sine, 0, 0], [0, 0, -1, height], [-sine, cosine, 0, 0], [0, 0, 0, 1]], dtype=float
        )
        matrices.append(intrinsic @ camera_from_lidar)
    return np.stack(matrices)


def sample(**metainfo):
    """A data sample with labels and the metainfo of the rig."""
    labels = torch.randint(0, 18, GRID.shape, dtype=torch.uint8)
    return BaseDataElement(metainfo={'lidar2img': rig(), **metainfo}, gt_occupancy=labels)


def images(batch=1, cameras=4):
    """Random images."""
    return {'imgs': torch.randn(batch, cameras, 3, *IMAGE)}


def queue(batch=1, exists=(True, True, True), shifts=(0.0, 0.0, 0.0)):
    """Inputs and samples of three frames, the ego at `shifts` metres along x."""
    inputs = {'imgs': torch.randn(batch, len(shifts), 4, 3, *IMAGE)}
    poses = torch.eye(4, dtype=torch.float64).repeat(len(shifts), 1, 1)
    poses[:, 0, 3] = torch.tensor(shifts)
    cameras = torch.from_numpy(rig()).expand(len(shifts), -1, -1, -1)
    metainfo = dict(
        lidar2img=cameras.numpy(), global_from_grid=poses.numpy(), frame_exists=torch.tensor(exists).numpy()
    )
    return inputs, [sample(**metainfo) for _ in range(batch)]
