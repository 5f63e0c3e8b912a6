"""The head for instances: which object each voxel belongs to.

After Panoptic-DeepLab (Cheng et al., CVPR 2020) and Panoptic-FlashOcc (Yu et al., 2024): a map of the centres of
objects as seen from above, and for each voxel the way to the centre of its object.
"""

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import logsigmoid, max_pool2d

from project.grid import VoxelGrid
from project.models.lift.layers import VoxelNet
from project.models.losses import one_of
from project.taxonomy import MOVING


@MODELS.register_module()
class OccupancyInstanceHead(nn.Module):
    """Finds centres of objects and groups the voxels of things by the centre that they point to.

    Args:
        grid: voxels; a VoxelGrid or the arguments of ``VoxelGrid.from_range``.
        in_channels: of a voxel.
        hidden_channels: between the two layers of either part.
        labels: of things whose objects are told apart; by default those of panoptic quality.
        threshold: least probability of a centre.
        most: largest number of objects.
        centre_weight, offset_weight: factors of the losses.
    """

    targets = ('gt_centres', 'gt_offsets')
    """Fields of data samples that the loss needs besides the labels; ``FindObjectCentres`` makes them."""

    def __init__(
        self,
        grid: VoxelGrid | dict,
        in_channels: int,
        hidden_channels: int = 64,
        labels: Sequence[int] = MOVING,
        threshold: float = 0.15,
        most: int = 128,
        centre_weight: float = 0.5,
        offset_weight: float = 0.2,
    ):
        super().__init__()
        slices = VoxelGrid.of(grid).shape[2]
        self.labels, self.threshold, self.most = tuple(labels), threshold, most
        self.centre_weight, self.offset_weight = centre_weight, offset_weight
        # The map from above is a volume of one slice, whose channels are those of all slices.
        self.centres = VoxelNet(1, slices * in_channels, hidden_channels, 1)
        self.offsets = VoxelNet(slices, in_channels, hidden_channels, 2)
        nn.init.constant_(self.centres[-1].bias, -3.0)  # few cells hold a centre

    def forward(self, volume: Tensor) -> dict[str, Tensor]:
        """``centres``, (B, X, Y) logits, and ``offsets``, (B, X, Y, Z, 2) cells, of (B Z, C, X, Y) features."""
        above = volume.unflatten(0, (-1, self.offsets.slices)).flatten(1, 2)
        return {'centres': self.centres(above)[..., 0, 0], 'offsets': self.offsets(volume)}

    def loss(self, outputs: dict[str, Tensor], labels: Tensor, centres: Tensor, offsets: Tensor) -> dict[str, Tensor]:
        """Focal loss of the centres as in CenterNet (Zhou et al., 2019), and mean absolute difference of the offsets.

        Args:
            outputs: of :meth:`forward`.
            labels: (B, X, Y, Z) true labels.
            centres: (B, X, Y) values, 1 at centres.
            offsets: (B, X, Y, Z, 2), NaN for voxels of no object.
        """
        logits = outputs['centres'].float()
        probability, is_centre = logits.sigmoid(), centres == 1
        found = -((1 - probability) ** 2) * logsigmoid(logits)
        invented = -((1 - centres) ** 4) * probability**2 * logsigmoid(-logits)
        centre_loss = torch.where(is_centre, found, invented).sum() / is_centre.sum().clamp(min=1)
        counts = one_of(labels, self.labels) & ~offsets[..., 0].isnan()
        errors = (outputs['offsets'].float() - offsets.nan_to_num()).abs().sum(-1)
        offset_loss = torch.where(counts, errors, 0).sum() / counts.sum().clamp(min=1)
        return {'loss_centres': self.centre_weight * centre_loss, 'loss_offsets': self.offset_weight * offset_loss}

    def predict(self, outputs: dict[str, Tensor], labels: Tensor) -> dict[str, Tensor]:
        """``pred_objects``, (B, X, Y, Z) int32, of the outputs and the (B, X, Y, Z) predicted labels."""
        things = one_of(labels, self.labels)
        parts = zip(outputs['centres'].float(), outputs['offsets'].float(), things, strict=True)
        return {'pred_objects': torch.stack([grouped(*part, self.threshold, self.most) for part in parts])}


def grouped(logits: Tensor, offsets: Tensor, things: Tensor, threshold: float, most: int) -> Tensor:
    """Group voxels by the centre nearest to where they point.

    Args:
        logits: (X, Y) of centres; the largest of 3x3 cells is one.
        offsets: (X, Y, Z, 2) cells.
        things: (X, Y, Z) bool, voxels that belong to objects.
        threshold, most: least probability and largest number of centres.

    Returns:
        (X, Y, Z) int32 objects from 1, the surest first; 0 for other voxels, and where there is no centre at all.
    """
    probability = logits.sigmoid()
    peaks = probability * (probability == max_pool2d(probability[None], 3, stride=1, padding=1)[0])
    values, places = peaks.flatten().topk(min(most, peaks.numel()))
    places = places[values >= threshold]
    objects = torch.zeros_like(things, dtype=torch.int32)
    if len(places):
        columns = logits.shape[1]
        centres = torch.stack([places // columns, places % columns], dim=1).float()
        voxels = things.nonzero()[:, :2] + offsets[things]
        distances = torch.cdist(voxels, centres, compute_mode='donot_use_mm_for_euclid_dist')
        objects[things] = distances.argmin(1).int() + 1
    return objects
