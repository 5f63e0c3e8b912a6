"""Losses in the images."""

import torch
from small_lift import BINS

from project.models.camera_rays import DepthBins
from project.models.lift.depth import Lifted
from project.models.lift.image_loss import OccupancyImageLoss

CENTRES = torch.tensor(DepthBins(**BINS).centres())


def lifted(index=2, label=4, sure=30.0):
    """Two pixels of one camera that are sure of a bin and a label."""
    depth, semantics = torch.zeros(1, 1, 6, 1, 2), torch.zeros(1, 1, 18, 1, 2)
    depth[:, :, index], semantics[:, :, label] = sure, sure
    return Lifted(torch.zeros(1, 1, 3, 1, 2), depth, semantics)


def losses(given, depth, label):
    depths = torch.full((1, 1, 1, 2), float(depth))
    labels = torch.full((1, 1, 1, 2), label, dtype=torch.uint8)
    return OccupancyImageLoss(BINS)(given, depths, labels)


def test_it_is_zero_for_what_is_right_and_large_for_what_is_wrong():
    right = losses(lifted(), CENTRES[2], 4)
    assert right['loss_depth'] < 1e-5 and right['loss_image_semantics'] < 1e-5
    wrong = losses(lifted(), CENTRES[4], 9)
    assert wrong['loss_depth'] > 10 and wrong['loss_image_semantics'] > 10


def test_between_two_bins_both_count():
    between = losses(lifted(sure=0.0), (CENTRES[2] * CENTRES[3]).sqrt(), 4)['loss_depth']
    torch.testing.assert_close(between, torch.tensor(6.0).log())


def test_nothing_met_is_the_last_bin():
    assert losses(lifted(index=5), torch.inf, 17)['loss_depth'] < 1e-5


def test_unknown_pixels_and_padding_do_not_count():
    given = lifted()
    assert all(value == 0 for value in losses(given, 3.0, 255).values())
    padded = OccupancyImageLoss(BINS)(
        given, CENTRES[2].view(1, 1, 1, 1), torch.full((1, 1, 1, 1), 4, dtype=torch.uint8)
    )
    assert all(value < 1e-5 for value in padded.values())
