"""Losses on voxels. Both leave out ignored labels, and are zero, with zero gradient, if no voxel is left."""

from collections.abc import Sequence

import torch
from mmdet3d.registry import MODELS
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from project.taxonomy import NOISE, UNOBSERVED


@MODELS.register_module()
class OccupancyCrossEntropy(nn.Module):
    """Mean cross-entropy over the voxels that count.

    Args:
        ignore: labels of voxels that do not count.
        loss_weight: factor.
        balance: the weight of a voxel is the share of its label in the batch, to the power of minus this; 0 gives all
            the same weight.
    """

    def __init__(self, ignore: Sequence[int] = (NOISE, UNOBSERVED), loss_weight: float = 1.0, balance: float = 0.0):
        super().__init__()
        self.ignore, self.loss_weight, self.balance = tuple(ignore), loss_weight, balance

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of (B, C, ...) logits and (B, ...) integer labels."""
        counts = counted(target, self.ignore)
        labels = target.long().masked_fill(~counts, -100)
        if not self.balance:
            total = cross_entropy(logits.float(), labels, ignore_index=-100, reduction='sum')
            return self.loss_weight * total / counts.sum().clamp(min=1)
        # Compared with each class: all voxels added to few places would wait for each other on a GPU.
        classes = torch.arange(logits.shape[1], device=labels.device)
        numbers = (labels.flatten() == classes[:, None]).sum(1).float()
        weights = (numbers.clamp(min=1) / numbers.sum().clamp(min=1)) ** -self.balance
        total = cross_entropy(logits.float(), labels, weights, ignore_index=-100, reduction='sum')
        return self.loss_weight * total / (weights * numbers).sum().clamp(min=1)


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
        probabilities = logits.float().softmax(1).transpose(0, 1).flatten(1)  # (C, voxels)
        counts, labels = counted(target, self.ignore).flatten(), target.flatten()
        truth = counts & (labels == torch.arange(len(probabilities), device=labels.device)[:, None])
        losses, present = _lovasz(probabilities, truth, counts), truth.any(1)
        return self.loss_weight * (losses * present).sum() / present.sum().clamp(min=1)


@MODELS.register_module()
class OccupancyGeometryLoss(nn.Module):
    """Cross-entropy and Lovász loss of occupied against free voxels, whatever their class.

    The probability that a voxel is occupied is the sum of those of all labels but free.

    Args:
        ignore: labels of voxels that do not count.
        loss_weight: factor.
        balance: of the two, as of ``OccupancyCrossEntropy``.
    """

    def __init__(self, ignore: Sequence[int] = (NOISE, UNOBSERVED), loss_weight: float = 1.0, balance: float = 0.3):
        super().__init__()
        self.ignore, self.loss_weight = tuple(ignore), loss_weight
        self.entropy = OccupancyCrossEntropy((UNOBSERVED,), balance=balance)

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Scalar loss of (B, C, ...) logits, the last of them of free, and (B, ...) integer labels."""
        logits = logits.float()
        free, counts = logits.shape[1] - 1, counted(target, self.ignore)
        both = torch.stack([logits[:, free], logits[:, :free].logsumexp(1)], dim=1)
        occupied = (target != free) & counts
        entropy = self.entropy(both, occupied.to(torch.uint8).masked_fill(~counts, UNOBSERVED))
        probability = both.softmax(1)[:, 1].reshape(1, -1)
        overlap = _lovasz(probability, occupied.reshape(1, -1), counts.flatten())[0]
        return self.loss_weight * (entropy + overlap)


def _lovasz(probabilities: Tensor, truth: Tensor, counts: Tensor) -> Tensor:
    """(C,) Lovász losses of (C, voxels) probabilities.

    Args:
        probabilities: (C, voxels) float32.
        truth: (C, voxels) bool; false for voxels that do not count.
        counts: (voxels,) bool.
    """
    # Ignored voxels get an error below all others, so they come last and have no weight. Sorting all voxels costs less
    # than waiting for the number of those that count.
    errors = torch.where(counts, (truth.float() - probabilities).abs(), -1.0)
    errors, order = errors.sort(dim=1, descending=True)
    return (errors.clamp(min=0) * _lovasz_gradient(truth.gather(1, order))).sum(1)


def _lovasz_gradient(truth: Tensor) -> Tensor:
    """Increase of the Jaccard loss with each further wrong voxel (algorithm 1 of the paper): (C, voxels) bool."""
    # As one row: a GPU adds up few long rows slowly.
    before = truth.flatten().cumsum(0, dtype=torch.int32).view(truth.shape)
    before = before - (before[:, :1] - truth[:, :1].int())
    total = before[:, -1:]
    intersection = total - before
    union = torch.arange(1, truth.shape[1] + 1, device=truth.device, dtype=torch.int32) + intersection
    jaccard = 1 - intersection.float() / union
    return torch.cat([jaccard[:, :1], jaccard.diff(dim=1)], dim=1)


def counted(target: Tensor, ignore: Sequence[int]) -> Tensor:
    """(B, ...) bool: the voxel's label is not an ignored one."""
    return ~one_of(target, ignore)


def one_of(target: Tensor, labels: Sequence[int]) -> Tensor:
    """(B, ...) bool: the voxel's label is one of some labels."""
    found = torch.zeros_like(target, dtype=torch.bool)
    for label in labels:
        found = found | (target == label)
    return found


def losses_by_name(losses: nn.ModuleDict, logits: Tensor, target: Tensor) -> dict[str, Tensor]:
    """Losses as the log has them, of (B, classes, X, Y, Z) logits and (B, X, Y, Z) labels.

    Raises:
        ValueError: labels and logits are of different grids.
    """
    if logits.shape[2:] != target.shape[1:]:
        raise ValueError(
            f'the labels have {tuple(target.shape[1:])} voxels, the model {tuple(logits.shape[2:])}: '
            "give the dataset's labels and the model the same grid"
        )
    return {f'loss_{name}': loss(logits, target) for name, loss in losses.items()}
