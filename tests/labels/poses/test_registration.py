"""A street of planes, seen from poses that are known: how well poses given wrong are found again."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from project.geometry.rigid import inverse
from project.labels.poses.refinement import UNCERTAINTY_M, displacement
from project.labels.poses.registration import MIN_POINTS, registered

pytest.importorskip('small_gicp')

SWEEPS = 12


def street(rng, corners):
    """(N, 3) points of a road between two walls and, with `corners`, of houses that stand out from these."""
    n = 40_000
    x, y, z = rng.uniform(-40, 60, n), rng.uniform(-9, 9, n), rng.uniform(0, 5, n)
    parts = [np.stack([x, y, 0 * x], axis=1)]
    parts += [np.stack([x, side + 0 * x, z], axis=1) for side in (-9, 9)]
    for near, side in ((-30, -9), (-12, 9), (3, -9), (15, 9), (33, -9)) if corners else ():
        parts += [np.stack([near + 0 * y[:3000], side * (0.6 + 0.4 * y[:3000] / 9), z[:3000]], axis=1)]
    return np.concatenate(parts)


def seen(world, poses, rng):
    """Sweeps of 6000 points each within 30 m of the car, with 1 cm of noise, ego frame."""
    for pose in poses:
        near = world[np.linalg.norm(world - pose[:3, 3], axis=1) < 30]
        points = near[rng.choice(len(near), 6000, replace=False)] + rng.normal(0, 0.01, (6000, 3))
        yield (points - pose[:3, 3]) @ pose[:3, :3]


@pytest.fixture
def true_poses():
    """(S, 4, 4): half a metre a sweep along x, in a slight curve."""
    poses = np.tile(np.eye(4), (SWEEPS, 1, 1))
    poses[:, 0, 3] = 0.5 * np.arange(SWEEPS)
    poses[:, :3, :3] = Rotation.from_rotvec(np.outer(0.004 * np.arange(SWEEPS), (0, 0, 1))).as_matrix()
    return poses


def drifting(poses):
    """The poses with heights that are lost by up to half a metre, and slow waves in x, y and yaw."""
    given = poses.copy()
    phase = np.arange(SWEEPS) / SWEEPS * 2
    given[:, :3, 3] += np.stack([0.06 * np.sin(3 * phase), 0.06 * np.sin(4 * phase), -0.25 * phase], axis=1)
    given[:, :3, :3] = (
        Rotation.from_rotvec(np.outer(0.003 * np.sin(3 * phase), (0, 0, 1))).as_matrix() @ given[:, :3, :3]
    )
    return given


def test_what_poses_have_lost_is_found_again(true_poses, rng):
    given = drifting(true_poses)
    poses, lost = registered(seen(street(rng, corners=True), true_poses, rng), given)
    assert not lost.any()
    assert displacement(given, true_poses) > 0.15
    assert displacement(poses, true_poses) < UNCERTAINTY_M


def test_exact_poses_stay(true_poses, rng):
    poses, _ = registered(seen(street(rng, corners=True), true_poses, rng), true_poses)
    assert displacement(poses, true_poses) < 0.01


def test_where_the_street_looks_the_same_everywhere_the_way_is_as_given(true_poses, rng):
    given = true_poses.copy()
    given[:, 2, 3] -= 0.05 * np.arange(SWEEPS)
    poses, _ = registered(seen(street(rng, corners=False), true_poses, rng), given)
    motion = inverse(poses[0]) @ poses
    np.testing.assert_allclose(motion[:, :3, 3], true_poses[:, :3, 3], atol=0.05)


def test_the_same_every_time(true_poses, rng):
    sweeps = list(seen(street(rng, corners=True), true_poses, rng))
    first, second = (registered(sweeps, drifting(true_poses))[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_a_sweep_of_few_points_moves_on_from_the_one_before(true_poses, rng):
    given = drifting(true_poses)
    sweeps = list(seen(street(rng, corners=True), true_poses, rng))
    sweeps[5] = sweeps[5][: MIN_POINTS - 1]
    poses, lost = registered(sweeps, given)
    np.testing.assert_array_equal(np.flatnonzero(lost), [5])
    steps = inverse(poses[4]) @ poses[5], inverse(given[4]) @ given[5]
    np.testing.assert_allclose(*steps, atol=0.01)
    others = ~lost
    assert displacement(poses[others], true_poses[others]) < UNCERTAINTY_M


def test_a_sweep_that_meets_nothing_is_lost(true_poses, rng):
    sweeps = list(seen(street(rng, corners=True), true_poses, rng))
    sweeps[5] = sweeps[5] + (0, 0, 20)
    _, lost = registered(sweeps, true_poses)
    np.testing.assert_array_equal(np.flatnonzero(lost), [5])


def test_without_points_poses_are_as_given(true_poses):
    poses, lost = registered([np.zeros((0, 3))] * SWEEPS, true_poses)
    assert lost.all()
    np.testing.assert_array_equal(poses, true_poses)
