"""Points of a sweep are thinned, and separated into ground and others."""

import numpy as np
import pytest
from town import CONFIG

from project.labels.poses.surfaces import thinned_surfaces


def plane(rng, n, reach, height=0.0, slope=0.0):
    x, y = rng.uniform(-reach, reach, (2, n))
    return np.stack([x, y, height + slope * x], axis=1)


def test_one_point_stays_in_each_cell_within_reach(rng):
    points = np.concatenate([plane(rng, 50_000, 20), plane(rng, 1000, 80)])
    kept = thinned_surfaces(points, np.eye(4), CONFIG).xyz
    assert np.hypot(*kept[:, :2].T).max() < CONFIG.reach_m
    cells = np.floor(kept / CONFIG.thinned_m)
    assert len(np.unique(cells, axis=0)) == len(kept)
    inside = points[np.hypot(*points[:, :2].T) < CONFIG.reach_m]
    assert len(kept) == len(np.unique(np.floor(inside / CONFIG.thinned_m), axis=0))


def test_the_frame_of_the_points_does_not_matter(rng, random_rigid):
    # In the middle of cells: on their border, rounding decides to which of two a point belongs.
    points, move = plane(rng, 5000, 20, height=CONFIG.thinned_m / 2), random_rigid()
    moved = points @ move[:3, :3].T + move[:3, 3]
    here, there = thinned_surfaces(points, np.eye(4), CONFIG), thinned_surfaces(moved, np.linalg.inv(move), CONFIG)
    assert abs(len(here.xyz) - len(there.xyz)) < 0.02 * len(here.xyz)
    assert there.is_ground.mean() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize('height', [-1.8, 0.0, 0.6])
@pytest.mark.parametrize('slope', [0.0, 0.05])
def test_ground_may_lie_at_any_height_and_lean(rng, height, slope):
    ground = plane(rng, 5000, 25, height, slope)
    wall = np.column_stack([np.full(3000, 12.5), rng.uniform(-20, 20, 3000), rng.uniform(0.5, 5, 3000)])
    wall[:, 2] += height + slope * wall[:, 0]
    roof = plane(rng, 2000, 3, height + 1.6, slope)
    roof[:, 1] += 8
    surfaces = thinned_surfaces(np.concatenate([ground, wall, roof]), np.eye(4), CONFIG)
    above = surfaces.xyz[:, 2] - height - slope * surfaces.xyz[:, 0]
    assert surfaces.is_ground[above < 0.01].mean() > 0.99
    assert not surfaces.is_ground[above > 0.4].any()


def test_points_that_are_no_numbers_or_far_above_are_left_out(rng):
    points = plane(rng, 1000, 20)
    points[::3] = np.nan
    points[1::3, 2] = 30.0
    kept = thinned_surfaces(points, np.eye(4), CONFIG).xyz
    assert np.isfinite(kept).all() and np.abs(kept[:, 2]).max() == 0


def test_no_points_are_no_surfaces():
    surfaces = thinned_surfaces(np.zeros((0, 3), np.float32), np.eye(4), CONFIG)
    assert surfaces.xyz.shape == (0, 3) and surfaces.is_ground.shape == (0,)
