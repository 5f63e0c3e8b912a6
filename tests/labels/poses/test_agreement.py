"""The agreement of poses is measured in metres."""

import numpy as np
import pytest
from town import CONFIG, driven, road, seen

from project.labels.poses.agreement import displacement, ground_gap, unsteadiness


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


def test_unsteady_is_what_jumps_or_is_noisy_and_not_what_drifts(rng):
    given = driven(sweeps=40)
    drifted, noisy = given.copy(), given.copy()
    drifted[:, :3, 3] += np.outer(np.arange(40), (0.05, -0.03, 0.1))
    noisy[:, :3, 3] += rng.normal(0, 0.1, (40, 3))
    # Products with BLAS are rounded otherwise on another processor.
    assert unsteadiness(given, given, CONFIG) == pytest.approx(0, abs=1e-12)
    assert unsteadiness(given[:2], noisy[:2], CONFIG) == 0
    assert unsteadiness(drifted, given, CONFIG) < 0.01
    assert 0.05 < unsteadiness(noisy, given, CONFIG) < 0.3


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
