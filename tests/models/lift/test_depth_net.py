"""Depths of pixels: logits of depth and of height, and features of rays."""

import torch
from small_lift import BINS
from small_model import GRID, IMAGE, rig

from project.models.camera_rays import DepthBins, pixel_rays
from project.models.lift.depth import OccupancyDepthNet, ray_features


def net():
    torch.manual_seed(0)
    return OccupancyDepthNet(8, 8, 6, dict(BINS, count=40), GRID.extent, blocks=1, height_step=0.25).eval()


def test_a_pixel_that_knows_it_shows_the_ground_knows_its_depth():
    """Only the height of the ground is said, 2 m below the grid's origin; depths follow from the calibration."""
    model = net()
    ground = -2.0
    logits = torch.full((1, model.num_heights, 3, 5), -20.0)
    logits[:, round((ground - GRID.minimum[2]) / 0.25 - 0.5)] = 20.0
    matrices = torch.from_numpy(rig(1, height=1.0)).float()
    origins, directions = pixel_rays(matrices, (3, 5), IMAGE)
    depth = model._at_heights(logits, origins, directions).softmax(1)
    expected = ((ground - origins[:, 2]) / directions[:, 2, 2, 0]).item()  # the lowest row looks down
    likeliest = model.bins.centres()[depth[0, :, 2, 2].argmax()]
    assert abs(likeliest / expected - 1) < 0.1


def test_rays_look_the_same_in_a_turned_and_in_a_mirrored_grid():
    matrices = torch.from_numpy(rig(3)).float()
    turn = torch.tensor([[0.6, -0.8, 0, 0], [0.8, 0.6, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])
    for move in (turn, torch.diag(torch.tensor([-1.0, 1.0, 1.0, 1.0]))):
        features = [ray_features(*pixel_rays(each, (3, 5), IMAGE)) for each in (matrices, matrices @ move)]
        torch.testing.assert_close(*features, rtol=1e-4, atol=1e-5)


def test_depths_are_float32_under_autocast():
    features, matrices = torch.randn(1, 2, 8, 3, 5), torch.from_numpy(rig(2)).float()[None]
    with torch.autocast('cpu', torch.bfloat16):
        lifted = net()(features, matrices, IMAGE)
    assert lifted.depth.dtype == torch.float32 and lifted.depth.shape == (1, 2, 40, 3, 5)
    assert lifted.context.shape == (1, 2, 6, 3, 5) and lifted.semantics.shape == (1, 2, 18, 3, 5)


def test_shares_of_bins_within_reach_are_shares():
    bins = DepthBins(**BINS)
    shares = torch.tensor(bins.within(1e9))
    assert torch.equal(shares, torch.ones(6, 6))
    near = torch.tensor(bins.within(0.1))
    assert torch.equal(near, near.diag().diag())
    width = bins.nearest * (torch.tensor(bins.log_ratio).exp() - 1)
    torch.testing.assert_close(near[0, 0], 0.2 / width)
