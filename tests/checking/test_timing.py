"""Times, poses and calibration of scenes that were bent by known amounts."""

from dataclasses import replace

import numpy as np
import pytest

from project.checking.config import TimingConfig
from project.checking.ground_checks import FlatGround
from project.checking.timing import calibration_findings, camera_findings, sweep_findings
from project.geometry.rigid import poses
from project.sources.base import Scene, Tracks
from project.sources.records import BoxRecords, CameraRecord, Keyframe, KeyframeRecord

CONFIG = TimingConfig()
SWEEPS, SPEED = 41, 10.0


def drive() -> Scene:
    """A car that drives straight ahead at 10 m/s, one sweep each 50 ms, a keyframe each half second."""
    seconds = np.arange(SWEEPS) * 0.05
    ego = poses(np.tile([1.0, 0, 0, 0], (SWEEPS, 1)), np.column_stack([SPEED * seconds, 0 * seconds, 0.02 * seconds]))
    keyframes = tuple(Keyframe('drive', 't', str(k), str(k), f'{k}.bin') for k in range(5))
    nothing = BoxRecords((), (), np.zeros((0, 4, 4)), np.zeros((0, 3)), np.zeros(0, np.int64), np.zeros(0, np.int64))
    records = []
    for k, keyframe in enumerate(keyframes):
        at_us = k * 500_000 - 30_000
        pose = poses([1, 0, 0, 0], [SPEED * at_us / 1e6, 0, 0.02 * at_us / 1e6])
        camera = CameraRecord('a.jpg', 'a', at_us, np.eye(3), np.eye(4), pose)
        records.append(KeyframeRecord(keyframe, k * 500_000, np.eye(4), ego[10 * k], {'CAM_FRONT': camera}, nothing))
    return Scene(
        name='drive', dataroot=None, keyframes=keyframes, keyframe_sweeps=np.arange(0, SWEEPS, 10),
        sweep_files=tuple(f'{i}.bin' for i in range(SWEEPS)), label_files=(None,) * SWEEPS,
        timestamps_us=(seconds * 1e6).round().astype(np.int64), global_from_ego=ego,
        ego_from_lidar=np.tile(np.eye(4), (SWEEPS, 1, 1)), records=tuple(records),
        tracks=Tracks(np.zeros((5, 0), bool), np.zeros((5, 0, 4, 4)), np.zeros((5, 0, 3)), np.zeros(0, np.uint8)),
    )  # fmt: skip


def floor(tilt: float = 0.0) -> list[FlatGround]:
    """Ground around each keyframe, which climbs by `tilt` along x in the frame of the car."""
    x, y = np.meshgrid(np.arange(-8, 8), np.arange(-8, 8))
    points = np.column_stack([x.ravel(), y.ravel(), tilt * x.ravel()]).astype(float)
    return [FlatGround(np.arange(len(points)), points + pose[:3, 3], points) for pose in drive().global_from_ego[::10]]


def test_a_drive_without_faults_shows_none():
    scene = drive()
    assert sweep_findings(scene, CONFIG) == [] and camera_findings(scene, CONFIG) == []
    assert calibration_findings(scene, scene, floor(), CONFIG) == []


@pytest.mark.parametrize('late_us', [-20_000, 20_000])
def test_a_sweep_with_a_wrong_time_is_named(late_us):
    scene = drive()
    times = scene.timestamps_us.copy()
    times[14] += late_us
    found = sweep_findings(replace(scene, timestamps_us=times), CONFIG)
    assert {finding.kind for finding in found} == {'sweep time'} and {finding.keyframe for finding in found} <= {1, 2}
    assert any('14.bin' in finding.sentence for finding in found)


def test_two_sweeps_of_one_time_are_named():
    scene = drive()
    times = scene.timestamps_us.copy()
    times[14] = times[13]
    [finding] = sweep_findings(replace(scene, timestamps_us=times), CONFIG)
    assert finding.sentence == '13.bin and 14.bin: have one time'


@pytest.mark.parametrize(
    ('change_us', 'words'), [(-150_000, 'taken 0.18 s before'), (30_000, '0.30 m from where the car')]
)
def test_a_camera_with_a_wrong_time_is_named(change_us, words):
    scene = drive()
    records = []
    for record in scene.records:
        camera = record.cameras['CAM_FRONT']
        moved = replace(camera, timestamp_us=camera.timestamp_us + change_us)
        records.append(replace(record, cameras={'CAM_FRONT': moved}))
    found = camera_findings(replace(scene, records=tuple(records)), CONFIG)
    assert any(words in finding.sentence for finding in found)


@pytest.mark.parametrize(
    ('step', 'kind', 'words'),
    [
        ((0, 0.03, 0), 'yaw', '3.0 cm to the left for each metre driven, by 1.7 degrees'),
        ((0, -0.02, 0), 'yaw', '2.0 cm to the right'),
        ((0, 0, -0.02), 'pitch', '2.0 cm down'),
        ((0.05, 0, 0), 'distance', '5.0 % further'),
    ],
)
def test_what_sweeps_must_be_moved_by_tells_the_calibration(step, kind, words):
    given = drive()
    used = given.global_from_ego.copy()
    used[:, :3, 3] += given.global_from_ego[:, :1, 3] * np.array(step)
    [finding] = calibration_findings(given, replace(given, global_from_ego=used), floor(), CONFIG)
    assert finding.kind == kind and words in finding.sentence


def test_poses_without_height_say_nothing_of_the_pitch():
    given = drive()
    flat, used = given.global_from_ego.copy(), given.global_from_ego.copy()
    flat[:, 2, 3] = 0
    used[:, 2, 3] = 0.05 * used[:, 0, 3]
    assert (
        calibration_findings(
            replace(given, global_from_ego=flat), replace(given, global_from_ego=used), floor(), CONFIG
        )
        == []
    )


def test_ground_that_leans_is_a_tilted_lidar():
    scene = drive()
    [finding] = calibration_findings(scene, scene, floor(np.tan(np.radians(4))), CONFIG)
    assert finding.kind == 'tilt' and 'leans by 4.0 degrees along and 0.0 across' in finding.sentence
