"""The head for flow: from features of voxels to their velocities."""

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.grid import VoxelGrid
from project.models.losses import one_of
from project.taxonomy import MOVING


@MODELS.register_module()
class OccupancyFlowHead(nn.Module):
    """A small network that gives each voxel its velocity over ground, along x and y of the grid, m/s.

    It starts with everything standing still.

    Args:
        grid: voxels; a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        in_channels: of a voxel.
        hidden_channels: between the two layers.
        labels: of things that move; by default those whose velocity OpenOcc scores. All others stand still.
        loss_weight: factor.
    """

    targets = ('gt_flow',)
    """Fields of data samples that the loss needs besides the labels."""

    def __init__(
        self,
        grid: VoxelGrid | dict,
        in_channels: int,
        hidden_channels: int = 64,
        labels: Sequence[int] = MOVING,
        loss_weight: float = 0.2,
    ):
        super().__init__()
        self.slices = VoxelGrid.of(grid).shape[2]
        self.labels, self.loss_weight = tuple(labels), loss_weight
        self.hidden = nn.Conv2d(in_channels, hidden_channels, 3, padding=1)
        self.flow = nn.Conv2d(hidden_channels, 2, 1)
        nn.init.zeros_(self.flow.weight)
        nn.init.zeros_(self.flow.bias)

    def forward(self, volume: Tensor) -> dict[str, Tensor]:
        """``flow``, (B, X, Y, Z, 2), of (B Z, C, X, Y) features."""
        flow = self.flow(torch.relu(self.hidden(volume)))
        return {'flow': flow.unflatten(0, (-1, self.slices)).permute(0, 3, 4, 1, 2)}

    def loss(self, outputs: dict[str, Tensor], labels: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Mean absolute difference over the voxels of things that move; zero where there are none.

        Args:
            outputs: of :meth:`forward`.
            labels: (B, X, Y, Z) true labels.
            target: (B, X, Y, Z, 2) true velocities.
        """
        counts = one_of(labels, self.labels)
        errors = (outputs['flow'].float() - target).abs().sum(-1)
        total = torch.where(counts, errors, 0).sum()
        return {'loss_flow': self.loss_weight * total / counts.sum().clamp(min=1)}

    def predict(self, outputs: dict[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
        """``pred_flow``, (B, X, Y, Z, 2) float32, of the outputs and the (B, X, Y, Z) predicted labels."""
        moves = one_of(labels, self.labels)[..., None]
        return {'pred_flow': torch.where(moves, outputs['flow'].float(), 0)}
