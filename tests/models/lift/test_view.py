"""Ways from pixels to voxels."""

import torch
from small_lift import BINS
from small_model import GRID, IMAGE, rig

from project.models.camera_rays import DepthBins
from project.models.lift.depth import Lifted
from project.models.lift.view import OccupancyPull, OccupancySplat, OccupancyViews
from project.models.ops.pull import Space

SPACE = Space(GRID, DepthBins(**BINS), IMAGE)


def lifted(channels=4):
    """Four cameras whose pixels are all sure to show something in bin 4."""
    depth = torch.full((1, 4, 6, 3, 5), -30.0)
    depth[:, :, 4] = 30.0
    return Lifted(torch.ones(1, 4, channels, 3, 5), depth, torch.zeros(1, 4, 18, 3, 5))


MATRICES = torch.from_numpy(rig(4)).float()[None]


def test_what_is_there_is_where_the_depth_says_and_what_is_seen_ends_there():
    volume = OccupancyPull()(lifted(), MATRICES, SPACE)[0, 1]  # at the cameras' height
    there, seen = volume[..., 0], volume[..., 2]
    low, high = (SPACE.bins.nearest * 2.718281828 ** (SPACE.bins.log_ratio * index) for index in (4, 5))
    ahead = torch.from_numpy(GRID.centres()[3, :, 1, 1])  # y of the voxels before and behind
    for y, found, visible in zip(ahead.tolist(), there[3], seen[3], strict=True):
        if abs(y) > 3:
            assert (found > 0.5) == (low - 2 < abs(y) < high + 2)
            assert visible.item() == (1.0 if abs(y) < high else 0.0) or abs(abs(y) - high) < 3


def test_layers_lie_beside_each_other():
    volume = OccupancyPull(layers=2)(lifted(), MATRICES, SPACE)
    assert volume.shape == (1, 3, 7, 5, 8) and OccupancyPull(layers=2).out_channels(4) == 8
    assert not torch.equal(volume[..., :4], volume[..., 4:])


def test_several_ways_are_put_together():
    views = OccupancyViews([OccupancyPull(), OccupancySplat()])
    volume = views(lifted(), MATRICES, SPACE)
    assert volume.shape[-1] == views.out_channels(4) == 8
    torch.testing.assert_close(volume[..., 4:], OccupancySplat()(lifted(), MATRICES, SPACE))


def test_what_is_left_in_voxels_adds_up_to_the_pixels():
    """All of what pixels leave lies in the grid but for what is above and below it."""
    volume = OccupancySplat()(lifted(), MATRICES, SPACE)
    assert 0 < volume[..., 0].sum() <= 4 * 3 * 5 + 1e-3
