"""Points, boxes and cameras of a nuScenes folder, against nuscenes-devkit's own projections."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from nuscenes import NuScenes

from project.grid import VoxelGrid
from project.taxonomy import FREE
from project.visualization.dataroot import Dataroot
from project.visualization.frame import Frame


def empty_frame(token: str, frame: str) -> Frame:
    grid = VoxelGrid.from_range(frame, (-4, -4, -2, 4, 4, 2), 1)
    return Frame('scene-0061', 1, token, grid, np.full(grid.shape, FREE, np.uint8))


@pytest.fixture(params=['lidar', 'ego'])
def frame(request, tiny_world: Path) -> Frame:
    """The second keyframe of a made world, in either frame."""
    dataroot = Dataroot(tiny_world)
    token = dataroot.scenes['scene-0061'][1].sample_token
    return dataroot.complete(empty_frame(token, request.param))


def test_scenes_are_in_order_of_time(tiny_world: Path):
    scenes = Dataroot(tiny_world).scenes
    assert list(scenes) == ['scene-0061', 'scene-0103']
    for keyframes in scenes.values():
        times = [int(keyframe.lidar_file.split('__')[-1].split('.')[0]) for keyframe in keyframes]
        assert times == sorted(times)


def test_boxes_lie_where_the_devkit_projects_them(tiny_world: Path, frame: Frame):
    tables = NuScenes('v1.0-mini', str(tiny_world), verbose=False)
    data = tables.get('sample', frame.token)['data']
    assert len(frame.cameras) == 6
    checked = 0
    for camera in frame.cameras:
        _, expected, intrinsic = tables.get_sample_data(data[camera.name])
        centres = {tuple(np.round(intrinsic @ box.center / box.center[2], 2)): box for box in expected}
        projected = [camera.image_from_grid @ box.grid_from_box[:, 3] for box in frame.boxes]
        ours = {tuple(np.round(point / point[2], 2)) for point in projected if point[2] > 0}
        assert centres.keys() <= ours
        checked += len(centres)
    assert checked > 5


def test_lidar_points_lie_on_the_boxes(frame: Frame):
    inside = 0
    for box in frame.boxes:
        local = np.column_stack([frame.points, np.ones(len(frame.points))]) @ np.linalg.inv(box.grid_from_box).T
        inside += (np.abs(local[:, :3]) < np.array(box.size) / 2 + 0.1).all(axis=1).sum()
    assert inside > 100
    ground = np.quantile(frame.points[:, 2], 0.2)
    assert ground == pytest.approx(-1.84 if frame.grid.frame == 'lidar' else 0, abs=0.4)


def test_what_is_not_unpacked_is_left_out(tiny_world: Path, tmp_path: Path):
    shutil.copytree(tiny_world / 'v1.0-mini', tmp_path / 'v1.0-mini')
    shutil.copytree(tiny_world / 'maps', tmp_path / 'maps')
    shutil.copytree(tiny_world / 'lidarseg', tmp_path / 'lidarseg')
    dataroot = Dataroot(tmp_path)
    frame = dataroot.complete(empty_frame(dataroot.scenes['scene-0061'][0].sample_token, 'lidar'))
    assert frame.points is None
    assert frame.cameras == []
    assert frame.boxes


def test_versions_are_found_or_asked_for(tiny_world: Path, tmp_path: Path):
    with pytest.raises(ValueError, match='holds no folder v1.0'):
        Dataroot(tmp_path)
    with pytest.raises(ValueError, match='holds no v1.0-trainval'):
        Dataroot(tiny_world, 'v1.0-trainval')
    for version in ('v1.0-mini', 'v1.0-trainval'):
        (tmp_path / version).mkdir()
    with pytest.raises(ValueError, match='holds v1.0-mini, v1.0-trainval; choose one with --version'):
        Dataroot(tmp_path)
