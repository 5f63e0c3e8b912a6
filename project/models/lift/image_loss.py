"""Image losses: predicted depth and class of pixels against labels rendered into the cameras."""

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import pad

from project.models.camera_rays import DepthBins
from project.models.lift.depth import Lifted
from project.models.losses import OccupancyCrossEntropy
from project.taxonomy import NOISE, UNOBSERVED


@MODELS.register_module()
class OccupancyImageLoss(nn.Module):
    """Cross-entropy of depths, between the two bins around the true one, and of classes.

    A ray that meets no voxel counts as one that ends in the last bin.

    Args:
        bins: DepthBins of the depth net, or their attributes.
        depth_weight, semantic_weight: factors.
        balance: of classes, as of ``OccupancyCrossEntropy``.
    """

    def __init__(
        self,
        bins: DepthBins | dict,
        depth_weight: float = 1.0,
        semantic_weight: float = 1.0,
        balance: float = 0.3,
    ):
        super().__init__()
        self.bins, self.depth_weight = DepthBins.of(bins), depth_weight
        self.semantics = OccupancyCrossEntropy((NOISE, UNOBSERVED), semantic_weight, balance)

    def forward(self, lifted: Lifted, depths: Tensor, semantics: Tensor) -> dict[str, Tensor]:
        """Losses by name.

        Args:
            lifted: depth and class of (B, N, h, w) pixels.
            depths: (B, N, h', w') float32, metres, infinite for nothing; h' and w' may be less where images are padded.
            semantics: (B, N, h', w') labels 0-17, 255 for unknown.
        """
        shape = lifted.depth.shape[-2:]
        missing = (0, shape[1] - depths.shape[-1], 0, shape[0] - depths.shape[-2])
        depths, semantics = pad(depths, missing), pad(semantics, missing, value=UNOBSERVED)
        logits = lifted.semantics.flatten(0, 1)
        return {
            'loss_depth': self.depth_weight * self._depth_loss(lifted.depth, depths, semantics != UNOBSERVED),
            'loss_image_semantics': self.semantics(logits, semantics.flatten(0, 1)),
        }

    def _depth_loss(self, logits: Tensor, depths: Tensor, known: Tensor) -> Tensor:
        places = self.bins.coordinate(depths.clamp(max=self.bins.farthest))
        low = places.floor().clamp(max=self.bins.count - 2)
        share = (places - low)[:, :, None]
        low = low.long()[:, :, None]
        logs = logits.float().log_softmax(2)
        losses = -(logs.gather(2, low) * (1 - share) + logs.gather(2, low + 1) * share)[:, :, 0]
        return torch.where(known, losses, 0).sum() / known.sum().clamp(min=1)
