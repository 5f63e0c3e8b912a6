"""The losses against slow, plain definitions."""

import pytest
import torch

from project.models.losses import OccupancyCrossEntropy, OccupancyGeometryLoss, OccupancyLovaszSoftmax

LOSSES = [OccupancyCrossEntropy(), OccupancyLovaszSoftmax(), OccupancyGeometryLoss()]


def case(batch=2, classes=5, shape=(7, 5, 3)):
    torch.manual_seed(2)
    logits = torch.randn(batch, classes, *shape, dtype=torch.float64, requires_grad=True)
    return logits, torch.randint(0, classes - 1, (batch, *shape)).to(torch.uint8)  # the last class never occurs


def voxels(logits, target, ignore=(0, 255)):
    """(N, classes) probabilities and (N,) labels of the voxels that count."""
    flat, labels = logits.movedim(1, -1).flatten(0, -2).softmax(-1), target.flatten().long()
    kept = torch.tensor([label not in ignore for label in labels.tolist()])
    return flat[kept], labels[kept]


def jaccard_loss(wrong, truth):
    """1 - IoU of a class, the voxels of the set `wrong` being mistaken."""
    truth = set(truth)
    missed, invented = truth & wrong, wrong - truth
    union = len(truth) + len(invented)
    return 1 - (len(truth) - len(missed)) / union if union else 0.0


def slow_lovasz(probabilities, labels):
    """Lovász extension of the Jaccard loss, as the paper defines it, averaged over the classes that occur."""
    losses = []
    for label in sorted(set(labels.tolist())):
        truth = (labels == label).nonzero()[:, 0].tolist()
        errors = torch.where(labels == label, 1 - probabilities[:, label], probabilities[:, label])
        loss, wrong = 0.0, set()
        for voxel in errors.argsort(descending=True).tolist():
            before = jaccard_loss(wrong, truth)
            wrong = wrong | {voxel}
            loss = loss + errors[voxel] * (jaccard_loss(wrong, truth) - before)
        losses.append(loss)
    return torch.stack(losses).mean()


def test_lovasz_is_the_papers():
    logits, target = case()
    ours = OccupancyLovaszSoftmax()(logits, target)
    torch.testing.assert_close(ours.double(), slow_lovasz(*voxels(logits, target)), rtol=1e-5, atol=0)


def test_lovasz_gradient_is_the_papers():
    logits, target = case(shape=(3, 2, 2))
    (ours,) = torch.autograd.grad(OccupancyLovaszSoftmax()(logits, target), logits)
    (slow,) = torch.autograd.grad(slow_lovasz(*voxels(logits, target)), logits)
    torch.testing.assert_close(ours, slow, rtol=1e-4, atol=1e-7)


def test_geometry_is_the_entropy_and_the_overlap_of_what_is_occupied():
    logits, target = case()
    target[0, :3], target[1, 0] = 4, 255  # free, and unobserved
    probabilities, labels = voxels(logits, target)
    occupied = labels != 4
    likely = 1 - probabilities[:, 4]
    shares = occupied.double().mean(), 1 - occupied.double().mean()
    weights = torch.where(occupied, shares[0] ** -0.3, shares[1] ** -0.3)
    entropy = -(weights * torch.where(occupied, likely, 1 - likely).log()).sum() / weights.sum()
    errors = torch.where(occupied, 1 - likely, likely)
    truth, wrong, overlap = occupied.nonzero()[:, 0].tolist(), set(), 0.0
    for voxel in errors.argsort(descending=True).tolist():
        before, wrong = jaccard_loss(wrong, truth), wrong | {voxel}
        overlap = overlap + errors[voxel] * (jaccard_loss(wrong, truth) - before)
    ours = OccupancyGeometryLoss(loss_weight=2.0)(logits, target)
    torch.testing.assert_close(ours.double(), 2 * (entropy + overlap), rtol=1e-4, atol=0)


def test_cross_entropy_is_the_mean_over_the_voxels_that_count():
    logits, target = case()
    probabilities, labels = voxels(logits, target)
    expected = -probabilities[torch.arange(len(labels)), labels].log().mean()
    torch.testing.assert_close(OccupancyCrossEntropy()(logits, target).double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize('loss', LOSSES)
def test_ignored_voxels_have_no_influence(loss):
    logits, target = case()
    target[0, :4] = 255
    changed = logits.detach().clone()
    changed[0, :, :4] = 50.0 * torch.randn_like(changed[0, :, :4])
    changed.movedim(1, -1)[target == 0] = 7.0
    torch.testing.assert_close(loss(changed, target), loss(logits, target))
    (gradient,) = torch.autograd.grad(loss(logits, target), logits)
    assert not gradient[0, :, :4].any()


@pytest.mark.parametrize('loss', LOSSES)
@pytest.mark.parametrize('ignored', [0, 255])
def test_no_voxel_that_counts(loss, ignored):
    logits, target = case()
    value = loss(logits, torch.full_like(target, ignored))
    value.backward()
    assert value.item() == 0
    assert logits.grad.isfinite().all() and not logits.grad.any()


@pytest.mark.parametrize('loss', LOSSES)
def test_one_voxel_that_counts(loss):
    logits, target = case()
    target[:] = 0
    target[1, 3, 2, 1] = 2
    value = loss(logits, target)
    value.backward()
    assert value.item() > 0
    assert logits.grad[1, :, 3, 2, 1].any() and logits.grad.count_nonzero() == logits.shape[1]


def test_lovasz_of_one_voxel_is_its_error():
    logits, target = case()
    target[:] = 0
    target[1, 3, 2, 1] = 2
    error = 1 - logits[1, :, 3, 2, 1].softmax(0)[2]
    torch.testing.assert_close(OccupancyLovaszSoftmax()(logits, target).double(), error, rtol=1e-5, atol=0)


@pytest.mark.parametrize('loss', LOSSES)
def test_bfloat16_logits_are_summed_in_float32(loss):
    logits, target = case()
    value = loss(logits.bfloat16(), target)
    assert value.dtype == torch.float32
    torch.testing.assert_close(value, loss(logits.bfloat16().double(), target).float(), rtol=1e-5, atol=0)


def test_weight_is_a_factor():
    logits, target = case()
    for kind in (OccupancyCrossEntropy, OccupancyLovaszSoftmax, OccupancyGeometryLoss):
        torch.testing.assert_close(kind(loss_weight=3.0)(logits, target), 3 * kind()(logits, target))
