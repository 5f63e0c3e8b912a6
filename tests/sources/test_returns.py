"""Points that stand still lie where they are, whenever a moving lidar has measured them."""

from dataclasses import replace

import numpy as np
import pytest
from recordings import START_US, car_at, record, timed_lidar

from project.geometry.rigid import poses
from project.sources.base import Lidar
from project.sources.returns import lidar_poses, returns_of
from project.sources.trajectory import Trajectory

WORLD = np.random.default_rng(1).uniform([-20, -20, 0], [40, 20, 3], (200, 3))
MOUNT = poses([0.9, 0.1, 0, 0.3], [1.2, -0.4, 1.7])
TIMES = np.arange(1, 12) * 0.1


def in_global(scene, sweep):
    points = returns_of(scene, sweep).points[:, :3]
    pose = scene.global_from_ego[sweep] @ scene.ego_from_lidar[sweep]
    return points @ pose[:3, :3].T + pose[:3, 3]


def test_points_are_carried_to_the_time_stamp(tmp_path):
    scene = record(tmp_path, WORLD, [(timed_lidar(), MOUNT, TIMES)])
    # Between poses 0.1 s apart the car is taken to drive straight on.
    np.testing.assert_allclose(in_global(scene, 5), WORLD, atol=0.02)
    fine = START_US + np.arange(0, 1_300_000, 10_000)
    trajectory = Trajectory(fine, np.stack([car_at((time - START_US) / 1e6) for time in fine]))
    scene = replace(scene, trajectory=trajectory)
    np.testing.assert_allclose(in_global(scene, 5), WORLD, atol=2e-4)


def test_what_is_deskewed_already_stays(tmp_path):
    scene = record(tmp_path, WORLD, [(timed_lidar(deskewed=True), MOUNT, TIMES)])
    np.testing.assert_allclose(in_global(scene, 5), WORLD, atol=1e-5)


def test_corrected_poses_leave_the_motion_within_a_sweep(tmp_path):
    scene = record(tmp_path, WORLD, [(timed_lidar(), MOUNT, TIMES)])
    trajectory = Trajectory(scene.timestamps_us, scene.global_from_ego)
    lifted = scene.global_from_ego.copy()
    lifted[:, 2, 3] += 0.5
    moved = replace(scene, global_from_ego=lifted, trajectory=trajectory)
    np.testing.assert_allclose(returns_of(moved, 5).points, returns_of(scene, 5).points, atol=1e-5)


def test_poses_of_the_lidar_start_from_its_time_stamp(tmp_path):
    scene = record(tmp_path, WORLD, [(timed_lidar(), MOUNT, TIMES)])
    found = lidar_poses(scene, 5, np.array([0.0, -0.1]))
    np.testing.assert_allclose(found[0], np.eye(4), atol=1e-12)
    before = np.linalg.inv(car_at(TIMES[5]) @ MOUNT) @ car_at(TIMES[4]) @ MOUNT
    np.testing.assert_allclose(found[1], before, atol=1e-9)


def test_no_returns_stay_at_the_origin(tmp_path):
    scene = record(tmp_path, WORLD, [(timed_lidar(), MOUNT, TIMES)])
    points = np.fromfile(tmp_path / scene.sweep_files[5]).reshape(-1, 5)
    points[3, :3] = 0
    points.tofile(tmp_path / scene.sweep_files[5])
    np.testing.assert_array_equal(returns_of(scene, 5).points[3, :3], 0)


def test_times_that_are_none_are_refused(tmp_path):
    scene = record(tmp_path, WORLD, [(timed_lidar(), MOUNT, TIMES)])
    points = np.fromfile(tmp_path / scene.sweep_files[5]).reshape(-1, 5)
    points[:, 4] *= 1e6
    points.tofile(tmp_path / scene.sweep_files[5])
    with pytest.raises(ValueError, match=r'0_0\.600\.bin: a point was measured -100000 s after .* time_unit_s'):
        returns_of(scene, 5)


@pytest.mark.parametrize('stamp', ['start', 'middle', 'end'])
@pytest.mark.parametrize('clockwise', [True, False])
def test_the_azimuth_tells_when_a_turning_lidar_measured(tmp_path, stamp, clockwise):
    lidar = Lidar('top', deskewed=False, period_s=0.1, stamp=stamp, turn_from_deg=70.0, clockwise=clockwise)
    scene = record(tmp_path, WORLD, [(lidar, MOUNT, TIMES)])
    points, told = np.zeros((len(WORLD), 5), np.float32), np.ones(len(WORLD), bool)
    begin = {'start': 0.0, 'middle': -0.05, 'end': -0.1}[stamp]
    for at, place in enumerate(WORLD):
        offset = begin
        # The lidar turns until it looks at the point, which the car drives past meanwhile.
        for _ in range(30):
            seen = np.linalg.inv(car_at(TIMES[5] + offset) @ MOUNT) @ np.append(place, 1)
            turned = np.arctan2(seen[1], seen[0]) - np.radians(70)
            share = (-turned if clockwise else turned) / (2 * np.pi) % 1
            told[at] &= 0.02 < share < 0.98  # a point at the seam may be seen twice, or never
            offset = begin + 0.1 * share
        points[at, :3] = seen[:3]
    points.tofile(tmp_path / scene.sweep_files[5])
    assert told.sum() > 150
    np.testing.assert_allclose(in_global(scene, 5)[told], WORLD[told], atol=0.02)
    as_stored = replace(scene, rig=replace(scene.rig, lidars=(replace(lidar, turn_from_deg=None),)))
    assert np.abs(in_global(as_stored, 5) - WORLD)[told].max() > 0.3
