"""The occupancy head: from a bird's-eye view to a label for every voxel."""

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn

from project.grid import VoxelGrid
from project.models.build import build
from project.models.losses import losses_by_name
from project.taxonomy import LABEL_NAMES


@MODELS.register_module()
class OccupancyHead(nn.Module):
    """Lifts each cell by an embedding of the height and convolves the volume.

    Args:
        grid: voxels (X, Y, Z); a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        embed_dims: channels C of the bird's-eye view.
        hidden_dims: channels between the two convolutions.
        num_classes: labels, 0 = noise and the last = free.
        losses: name to module or config; the names are those in the log.
        baseline_compatible: no activations, as in the baseline, whose decoder is therefore affine.
    """

    def __init__(
        self,
        grid: VoxelGrid | dict,
        embed_dims: int = 256,
        hidden_dims: int = 512,
        num_classes: int = len(LABEL_NAMES),
        losses: dict[str, nn.Module | dict] | None = None,
        baseline_compatible: bool = False,
    ):
        super().__init__()
        self.height_embed = nn.Parameter(torch.randn(VoxelGrid.of(grid).shape[2], embed_dims))
        self.conv1 = nn.Conv3d(embed_dims, hidden_dims, 3, padding=2, dilation=2)
        self.norm1 = nn.BatchNorm3d(hidden_dims)
        self.conv2 = nn.Conv3d(hidden_dims, embed_dims, 3, padding=1)
        self.norm2 = nn.BatchNorm3d(embed_dims)
        self.classifier = nn.Conv3d(embed_dims, num_classes, 1)
        self.activation = nn.Identity() if baseline_compatible else nn.ReLU(inplace=True)
        self.losses = nn.ModuleDict({name: build(loss) for name, loss in (losses or {}).items()})

    def forward(self, bev: Tensor) -> Tensor:
        """(B, classes, X, Y, Z) logits of a (B, C, X, Y) bird's-eye view."""
        # Channels last: the encoder's layout, and the fastest one for convolutions on a GPU.
        volume = (bev.movedim(1, -1)[..., None, :] + self.height_embed).movedim(-1, 1)
        volume = self.activation(self.norm1(self.conv1(volume)))
        volume = self.activation(self.norm2(self.conv2(volume)))
        return self.classifier(volume)

    def loss(self, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Losses by name, of (B, classes, X, Y, Z) logits and (B, X, Y, Z) labels.

        Raises:
            ValueError: labels and logits are of different grids.
        """
        return losses_by_name(self.losses, logits, target)
