"""Losses over voxels. Both leave out ignored labels, and are zero, with zero gradient, where nothing is left."""

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, one_hot

from project.taxonomy import NOISE, UNOBSERVED


@MODELS.register_module()
class OccupancyCrossEntropy(nn.Module):
    """Mean cross-entropy over the voxels that count.

    Args:
        ignore: labels of voxels that do not count.
        loss_weight: factor.
    """

    def __init__(self, ignore: Sequence[int] = (NOISE, UNOBSERVED), loss_weight: float = 1.0):
        super().__init__()
        self.ignore, self.loss_weight = tuple(ignore), loss_weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of (B, C, ...) logits and (B, ...) integer labels."""
        counts = _counts(target, self.ignore)
        labels = target.long().masked_fill(~counts, -100)
        total = cross_entropy(logits.float(), labels, ignore_index=-100, reduction='sum')
        return self.loss_weight * total / counts.sum().clamp(min=1)


@MODELS.register_module()
class OccupancyLovaszSoftmax(nn.Module):
    """Smooth surrogate of the mean IoU, over the classes that occur among the voxels that count.

    Berman et al., The Lovász-Softmax loss (CVPR 2018); the whole batch is one set of voxels.

    Args:
        ignore: labels of voxels that do not count.
        loss_weight: factor.
    """

    def __init__(self, ignore: Sequence[int] = (NOISE, UNOBSERVED), loss_weight: float = 1.0):
        super().__init__()
        self.ignore, self.loss_weight = tuple(ignore), loss_weight

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of (B, C, ...) logits and (B, ...) integer labels."""
        classes = logits.shape[1]
        probabilities = logits.float().softmax(1).transpose(0, 1).flatten(1)  # (C, voxels)
        counts = _counts(target, self.ignore).flatten()
        labels = target.long().flatten().masked_fill(~counts, 0)
        truth = one_hot(labels, classes).T * counts  # (C, voxels)
        # Ignored voxels get an error below every other and so stand at the end, where they weigh nothing. Sorting all
        # voxels costs less than waiting for the number of those that count.
        errors = torch.where(counts, (truth - probabilities).abs(), -1.0)
        errors, order = errors.sort(dim=1, descending=True)
        losses = (errors.clamp(min=0) * _lovasz_gradient(truth.gather(1, order))).sum(1)
        present = truth.any(1)
        return self.loss_weight * (losses * present).sum() / present.sum().clamp(min=1)


def _lovasz_gradient(truth: Tensor) -> Tensor:
    """Increase of the Jaccard loss with each further wrong voxel (algorithm 1 of the paper): (C, voxels) of 0 and 1."""
    total = truth.sum(1, keepdim=True)
    intersection = total - truth.cumsum(1)
    union = total + (1 - truth).cumsum(1)
    jaccard = 1 - intersection.float() / union
    return torch.cat([jaccard[:, :1], jaccard.diff(dim=1)], dim=1)


def _counts(target: Tensor, ignore: Sequence[int]) -> Tensor:
    """(B, ...) bool: the voxel's label is not an ignored one."""
    counts = torch.ones_like(target, dtype=torch.bool)
    for label in ignore:
        counts = counts & (target != label)
    return counts
