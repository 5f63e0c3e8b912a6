"""How well poses agree is told in metres."""

import numpy as np
import pytest
from town import CONFIG, driven, road, seen

from project.labels.poses.agreement import displacement, ground_gap


def test_displacement_is_that_of_points_around_the_car(random_rigid):
    poses = np.stack([random_rigid() for _ in range(3)])
    elsewhere = random_rigid() @ poses
    assert displacement(poses, elsewhere) == pytest.approx(0, abs=1e-9)
    lifted = poses[:2].copy()
    lifted[1, :3, 3] += 0.25 * poses[1, :3, 2]
    assert displacement(poses[:2], lifted) == pytest.approx(0.25)
    turned = poses[:2].copy()
    turned[1, :3, :3] = poses[1, :3, :3] @ [[0, -1, 0], [1, 0, 0], [0, 0, 1]]
    assert displacement(poses[:2], turned) == pytest.approx(np.sqrt(2) * CONFIG.seen_m)


def test_ground_lies_as_far_apart_as_poses_are_wrong_in_height(rng):
    poses = driven(sweeps=3)
    sweeps = list(seen(road(rng), poses, rng))
    assert ground_gap(sweeps, poses) < 0.02
    poses[1, 2, 3] += 0.3
    poses[2, 2, 3] -= 0.2
    assert ground_gap(sweeps, poses) == pytest.approx(0.5, abs=0.02)


def test_where_no_two_keyframes_see_the_same_ground_nothing_is_told(rng):
    sweeps = list(seen(road(rng), driven(sweeps=2), rng))
    assert ground_gap(sweeps, driven(step_m=500.0, sweeps=2)) is None
    assert ground_gap(sweeps[:1], driven(sweeps=1)) is None
