"""The head: from features of voxels to their labels."""

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.grid import VoxelGrid
from project.models.build import build
from project.models.losses import losses_by_name
from project.taxonomy import LABEL_NAMES


@MODELS.register_module()
class OccupancyVoxelHead(nn.Module):
    """A small network for each voxel.

    Args:
        grid: voxels; a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        in_channels: of a voxel.
        hidden_channels: between the two layers.
        num_classes: labels, 0 = noise and the last = free.
        losses: name to module or config; the names are those in the log.
    """

    def __init__(
        self,
        grid: VoxelGrid | dict,
        in_channels: int,
        hidden_channels: int = 64,
        num_classes: int = len(LABEL_NAMES),
        losses: dict[str, nn.Module | dict] | None = None,
    ):
        super().__init__()
        self.slices = VoxelGrid.of(grid).shape[2]
        self.hidden = nn.Conv2d(in_channels, hidden_channels, 1)
        self.classifier = nn.Conv2d(hidden_channels, num_classes, 1)
        self.losses = nn.ModuleDict({name: build(loss) for name, loss in (losses or {}).items()})

    def forward(self, volume: Tensor) -> Tensor:
        """(B, classes, X, Y, Z) logits of (B Z, C, X, Y) features."""
        logits = self.classifier(torch.relu(self.hidden(volume)))
        return logits.unflatten(0, (-1, self.slices)).permute(0, 2, 3, 4, 1)

    def loss(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Losses by name, of (B, classes, X, Y, Z) logits and (B, X, Y, Z) labels.

        Raises:
            ValueError: labels and logits are of different grids.
        """
        return losses_by_name(self.losses, logits, target)
