"""Cars whose boxes are drawn too late or too early."""

from dataclasses import replace

import numpy as np
import pytest

from project.checking.box_checks import box_findings, box_lag
from project.checking.config import BoxCheckConfig
from project.geometry.rigid import poses
from project.labels.aggregation.aggregate import Sweeps
from project.sources.base import Scene, Tracks
from project.sources.records import Keyframe

CONFIG = BoxCheckConfig()
SIZE = np.array([4.0, 2.0, 1.6])
SPEED = 10.0


def traffic(root, rng: np.random.Generator, lag_s: float) -> Scene:
    """A lidar at rest between cars that come and go along x; their boxes are where they were `lag_s` seconds ago."""
    keyframes, seconds = 5, np.arange(5) * 0.5
    lanes = [(direction, y, start) for direction, y in ((1, 4.0), (-1, -4.0)) for start in (-12.0, 0.0, 12.0)]
    files, boxes = [], np.tile(np.eye(4), (keyframes, len(lanes), 1, 1))
    for k, time in enumerate(seconds):
        points = []
        for track, (direction, y, start) in enumerate(lanes):
            x = start + direction * SPEED * time
            # The side that the lidar sees, and the end that faces it.
            side = rng.uniform((-2, -1, -0.4), (2, -0.9, 0.8), (150, 3)) * (1, np.sign(y), 1)
            end = rng.uniform((1.9, -1, -0.4), (2, 1, 0.8), (80, 3)) * (-np.sign(x) or 1, 1, 1)
            points.append(np.concatenate([side, end]) + np.array([x, y, -1.0]))
            turned = [1, 0, 0, 0] if direction > 0 else [0, 0, 0, 1]
            turned = [1, 0, 0, 0] if direction > 0 else [0, 0, 0, 1]
            boxes[k, track] = poses(turned, [x - direction * SPEED * lag_s, y, -1.0])
        points = np.concatenate(points)
        np.column_stack([points, np.zeros((len(points), 2))]).astype(np.float32).tofile(root / f'{k}.bin')
        files.append(f'{k}.bin')
    present = np.ones((keyframes, len(lanes)), bool)
    return Scene(
        name='traffic', dataroot=root,
        keyframes=tuple(Keyframe('traffic', 't', str(k), str(k), f'{k}.bin') for k in range(keyframes)),
        keyframe_sweeps=np.arange(keyframes), sweep_files=tuple(files), label_files=(None,) * keyframes,
        timestamps_us=(seconds * 1e6).astype(np.int64), global_from_ego=np.tile(np.eye(4), (keyframes, 1, 1)),
        ego_from_lidar=np.tile(np.eye(4), (keyframes, 1, 1)),
        tracks=Tracks(present, boxes, np.tile(SIZE, (*present.shape, 1)), np.full(len(lanes), 17, np.uint8)),
    )  # fmt: skip


@pytest.mark.parametrize('lag_s', [-0.2, -0.1, 0.0, 0.1, 0.2])
def test_boxes_lag_by_so_much(tmp_path, rng, lag_s):
    lag, boxes = box_lag(Sweeps(traffic(tmp_path, rng, lag_s)), CONFIG)
    assert boxes >= 12
    assert lag == pytest.approx(lag_s, abs=0.05)


def test_without_anything_that_moves_there_is_no_lag(tmp_path, rng):
    scene = traffic(tmp_path, rng, 0.1)
    still = replace(scene.tracks, global_from_box=np.repeat(scene.tracks.global_from_box[:1], 5, axis=0))
    assert box_lag(Sweeps(replace(scene, tracks=still)), CONFIG) == (0.0, 0)


def test_tracks_that_rays_miss_are_named():
    by_track = {3: np.array([100, 60]), 4: np.array([100, 90]), 5: np.array([10, 0])}
    names = ['vehicle.car'] * 6
    [finding] = box_findings(by_track, names, 7, CONFIG)
    assert finding.keyframe == 7 and finding.sentence.startswith('vehicle.car (track 3): of 100 rays')
    assert '60 % end on it here' in finding.sentence and finding.remedy
