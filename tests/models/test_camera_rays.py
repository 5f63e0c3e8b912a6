"""Rays of pixels, and bins of depth."""

import numpy as np
import pytest
import torch

from project.models.camera_rays import DepthBins, heights, pixel_rays


def projection(rng, random_rigid):
    intrinsic = np.eye(4)
    intrinsic[:2, :3] = [[rng.uniform(300, 1300), 0, 410.5], [0, rng.uniform(300, 1300), 207.0]]
    mirrored = np.diag([rng.choice([-1.1, 1.1]), 1.1, 1.1, 1.0])
    return intrinsic @ random_rigid(3.0) @ mirrored


def test_a_point_on_a_ray_is_seen_at_its_pixel_and_depth(rng, random_rigid):
    for _ in range(20):
        matrix = projection(rng, random_rigid)
        origins, directions = pixel_rays(torch.from_numpy(matrix)[None], (5, 7), (450, 800))
        depth = float(rng.uniform(1, 60))
        points = (origins[0, :, None, None] + depth * directions[0]).double().numpy()
        pixels = np.einsum('ij,jhw->ihw', matrix[:3, :3], points) + matrix[:3, 3, None, None]
        np.testing.assert_allclose(pixels[2], depth, rtol=1e-4)
        columns, rows = np.meshgrid((np.arange(7) + 0.5) * 800 / 7, (np.arange(5) + 0.5) * 450 / 5)
        np.testing.assert_allclose(pixels[0] / depth, columns, atol=0.05)
        np.testing.assert_allclose(pixels[1] / depth, rows, atol=0.05)


def test_heights_are_those_of_points_on_the_rays(rng, random_rigid):
    bins = DepthBins(1.0, 50.0, 4)
    origins, directions = pixel_rays(torch.from_numpy(projection(rng, random_rigid)), (3, 2), (450, 800))
    expected = [origins[2] + depth * directions[2] for depth in bins.centres()]
    torch.testing.assert_close(heights(origins, directions, bins), torch.stack(expected))


def test_bins_are_a_constant_ratio_apart_and_hold_their_middles():
    bins = DepthBins(1.0, 64.0, 6)
    centres = torch.tensor(bins.centres())
    torch.testing.assert_close(centres[1:] / centres[:-1], torch.full((5,), 2.0))
    torch.testing.assert_close(bins.coordinate(centres), torch.arange(6.0))
    assert bins.index(torch.tensor([0.1, 1.9, 2.1, 63.0, 900.0])).tolist() == [0, 0, 1, 5, 5]
    assert bins.coordinate(torch.tensor([1e-9, 1e9])).tolist() == [0, 5]


def test_bins_that_cannot_be():
    for wrong in ((0.0, 10.0, 4), (5.0, 4.0, 4), (1.0, 4.0, 1)):
        with pytest.raises(ValueError, match='depth bins need'):
            DepthBins(*wrong)
