"""The head for flow: from features of voxels to their velocities."""

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from project.grid import VoxelGrid
from project.models.lift.layers import VoxelNet
from project.models.losses import one_of
from project.taxonomy import MOVING

SPEED = 10.0
"""Velocity that an output of 1 means, m/s: of the order of a car's, so that small weights can say it."""


@MODELS.register_module()
class OccupancyFlowHead(nn.Module):
    """A small network that says of each voxel whether it moves, and how fast along x and y of the grid, m/s.

    Three quarters of the things that can move stand, and a network that is unsure gets the least mean difference by
    saying that all of them do. So it learns velocities from what moves alone, and whether something moves apart from
    that. What rather stands than moves is predicted to stand still, as everything is before training.

    Args:
        grid: voxels; a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        in_channels: of a voxel.
        hidden_channels: between the two layers.
        labels: of things that can move; by default those whose velocity OpenOcc scores. All others stand still.
        least_speed: what is slower stands, m/s.
        loss_weight, moving_weight: factors of the losses of the velocity, and of whether something moves.
    """

    targets = ('gt_flow',)
    """Fields of data samples that the loss needs besides the labels."""

    def __init__(
        self,
        grid: VoxelGrid | dict,
        in_channels: int,
        hidden_channels: int = 64,
        labels: Sequence[int] = MOVING,
        least_speed: float = 0.2,
        loss_weight: float = 0.2,
        moving_weight: float = 0.5,
    ):
        super().__init__()
        self.labels, self.least_speed = tuple(labels), least_speed
        self.loss_weight, self.moving_weight = loss_weight, moving_weight
        self.voxels = VoxelNet(VoxelGrid.of(grid).shape[2], in_channels, hidden_channels, 3)
        nn.init.zeros_(self.voxels[-1].weight)
        nn.init.zeros_(self.voxels[-1].bias)

    def forward(self, volume: Tensor) -> dict[str, Tensor]:
        """``flow``, (B, X, Y, Z, 2), and ``moves``, (B, X, Y, Z) logits, of (B Z, C, X, Y) features."""
        said = self.voxels(volume)
        return {'flow': SPEED * said[..., :2], 'moves': said[..., 2]}

    def loss(self, outputs: dict[str, Tensor], labels: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Mean absolute difference of velocities over the voxels that move, and cross-entropy of whether they do.

        Both are zero where there are no such voxels.

        Args:
            outputs: of :meth:`forward`.
            labels: (B, X, Y, Z) true labels.
            target: (B, X, Y, Z, 2) true velocities.
        """
        counts = one_of(labels, self.labels)
        moves = target.norm(dim=-1) >= self.least_speed
        errors = (outputs['flow'].float() - target).abs().sum(-1)
        doubts = binary_cross_entropy_with_logits(outputs['moves'].float(), moves.float(), reduction='none')
        return {
            'loss_flow': self.loss_weight * _mean(errors, counts & moves),
            'loss_moving': self.moving_weight * _mean(doubts, counts),
        }

    def predict(self, outputs: dict[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
        """``pred_flow``, (B, X, Y, Z, 2) float32, of the outputs and the (B, X, Y, Z) predicted labels."""
        moves = one_of(labels, self.labels) & (outputs['moves'] > 0)
        return {'pred_flow': torch.where(moves[..., None], outputs['flow'].float(), 0)}


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """Mean of the values that count; zero if none does."""
    return torch.where(counts, values, 0).sum() / counts.sum().clamp(min=1)
