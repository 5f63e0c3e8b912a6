"""Pieces of a scene have what their labels need, and do not grow with the scene."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from handmade import CAR, make_scene

from project.labels.aggregation.point_groups import PointCollector, ScenePoints
from project.labels.aggregation.sweeps import Points
from project.labels.pipeline import AggregatedScene, aggregated_scene, label_keyframes
from project.labels.run.convert import division_of
from project.labels.run.every_sweep import at_every_sweep
from project.labels.run.settings import Settings
from project.labels.visibility.box_rays import BoxRays
from project.labels.visibility.free_space import ObservedRays
from project.labels.visibility.lidar_rays import Rays
from project.sources.base import Cameras, Lidar, Rig, Scene, Tracks

KEYFRAMES = 8
BESIDE_M = 2.5


def two_lidars_and_cars(root: Path) -> Scene:
    """Every second sweep is of another lidar; a car comes and goes, and another beside it is there at the start."""
    scene = make_scene(root, track_at=(1, 2, 3, 5, 6), keyframes=KEYFRAMES)
    given, rig = scene.tracks, Rig.nuscenes()
    beside = given.global_from_box.copy()
    beside[..., :3, 3] += BESIDE_M * beside[..., :3, 1]
    present = np.column_stack([np.arange(KEYFRAMES) < 2, given.present])
    tracks = Tracks(
        present, np.concatenate([beside, given.global_from_box], axis=1), np.repeat(given.sizes, 2, axis=1),
        np.array([CAR, CAR], np.uint8),
    )  # fmt: skip
    looking_ahead = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 1.5], [0, 0, 0, 1.0]])
    cameras = [
        Cameras(
            (pose @ looking_ahead)[None], np.array([[[50.0, 0, 50], [0, 50, 50], [0, 0, 1]]]), np.array([[100, 100]])
        )
        for pose in scene.global_from_ego[::2]
    ]
    return replace(
        scene, tracks=tracks, cameras=tuple(cameras), lidars=np.arange(2 * KEYFRAMES - 1) % 2,
        rig=Rig((Lidar('first'), Lidar('second')), rig.cameras, rig.own_box),
    )  # fmt: skip


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


@pytest.mark.parametrize('num_sweeps', [0, 1])
def test_labels_of_pieces_are_those_of_the_scene(tmp_path, num_sweeps):
    scene = two_lidars_and_cars(tmp_path)
    settings = Settings(
        tmp_path / 'whole', formats=('voxels', 'points', 'openocc'), num_sweeps=num_sweeps, masks=True, flow=True,
        instances=True, refine_poses=False, remove_ghosts=False,
    )  # fmt: skip
    whole = aggregated_scene(scene, settings)
    label_keyframes(whole, settings)
    for first in range(0, KEYFRAMES, 2):
        piece = pickle.loads(pickle.dumps(whole.cut(range(first, first + 2), num_sweeps)))
        assert label_keyframes(piece, replace(settings, save_path=tmp_path / 'pieces')) == 2
    assert len(files_of(tmp_path / 'whole')) == 3 * KEYFRAMES
    assert files_of(tmp_path / 'pieces') == files_of(tmp_path / 'whole')


def drive(root: Path, keyframes: int) -> AggregatedScene:
    """A drive past tiles of two points a time step, and past cars of one ray; each is seen at two keyframes."""
    root.mkdir()
    steps = 2 * keyframes - 1
    present = np.eye(keyframes, dtype=bool) | np.eye(keyframes, k=1, dtype=bool)
    boxes = np.tile(np.eye(4), (keyframes, keyframes, 1, 1))
    tracks = Tracks(present, boxes, np.ones((keyframes, keyframes, 3)), np.full(keyframes, CAR, np.uint8))
    scene = replace(make_scene(root, keyframes=keyframes), tracks=tracks)
    collector = PointCollector(steps)
    for step in range(steps):
        points = Points(np.full((2, 3), step, np.float32), np.full(2, CAR, np.uint8), np.zeros(2, np.uint8))
        collector.add(step, points, np.array([step // 2, (step + 1) // 2], np.int32))
    cloud = collector.cloud(keyframes)
    rays = Rays(
        np.zeros((steps, 3), np.float32), np.zeros(steps, np.uint16), np.arange(steps + 1), np.zeros((steps, 2, 3))
    )
    box_rays = BoxRays(np.zeros((2 * steps, 2, 3), np.float32), np.zeros(2 * steps, bool), cloud.starts)
    unboxed = PointCollector(steps).cloud(1)
    points = ScenePoints(cloud, cloud, unboxed, np.eye(4), np.zeros((keyframes, 2)), scene.taxonomy)
    return AggregatedScene(scene, points, ObservedRays(rays, box_rays, np.eye(4)), range(keyframes))


def test_a_piece_grows_with_the_scene_by_the_poses_of_its_sweeps_only(tmp_path):
    short, long = 20, 220
    pieces = [drive(tmp_path / str(keyframes), keyframes).cut(range(9, 11), 1) for keyframes in (short, long)]
    # Two keyframes, those of their windows, and one more on both sides.
    for piece in pieces:
        np.testing.assert_array_equal(np.unique(piece.points.static.points.xyz), np.arange(14, 25))
        assert piece.scene.num_steps == 11 and piece.keyframes == range(2, 4)
    short_bytes, long_bytes = (len(pickle.dumps(piece)) for piece in pieces)
    assert long_bytes - short_bytes < 1000 * (long - short)


def test_a_scene_with_labels_at_every_sweep_is_not_divided(tmp_path):
    every = at_every_sweep(make_scene(tmp_path, keyframes=KEYFRAMES))
    settings = Settings(tmp_path, masks=True)
    assert division_of(2).parts(every, settings, 2) == 1
    with pytest.raises(ValueError, match='every sweep'):
        replace(drive(tmp_path / 'long', KEYFRAMES), scene=every).cut(range(2), 1)
