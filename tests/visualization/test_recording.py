"""Order, points, boxes and cameras of keyframes, against nuscenes-devkit's own projections."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from nuscenes import NuScenes

from project.formats import FORMATS, Keyframe, OccupancyLabels, infos
from project.grid import VoxelGrid
from project.sources.base import Lidar, PointLayout, Rig
from project.sources.nuscenes.source import NuScenesSource
from project.sources.records import BoxRecords, KeyframeRecord
from project.taxonomy import FREE
from project.visualization.frame import Frame
from project.visualization.sources.label_folders import FolderFrames
from project.visualization.sources.recording import Keyframes, keyframes_beside, keyframes_of_tables


def empty_frame(token: str, frame: str) -> Frame:
    grid = VoxelGrid.from_range(frame, (-4, -4, -2, 4, 4, 2), 1)
    return Frame('scene-0061', 1, token, grid, np.full(grid.shape, FREE, np.uint8))


def second_token(keyframes: Keyframes) -> str:
    return list(keyframes.names)[1]


@pytest.fixture(params=['lidar', 'ego'])
def frame(request, tiny_world: Path) -> Frame:
    """The second keyframe of a synthetic world, in either frame."""
    keyframes = keyframes_of_tables(tiny_world)
    return keyframes.complete(empty_frame(second_token(keyframes), request.param))


def test_scenes_are_in_order_of_time(tiny_world: Path):
    scenes: dict[str, list[int]] = {}
    for names in keyframes_of_tables(tiny_world).names.values():
        scenes.setdefault(names.scene_name, []).append(int(names.lidar_file.split('__')[-1].split('.')[0]))
    assert list(scenes) == ['scene-0061', 'scene-0103']
    assert all(times == sorted(times) for times in scenes.values())


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


def tables_alone(tiny_world: Path, root: Path) -> Path:
    """The synthetic world without maps, sensors' files and lidarseg."""
    shutil.copytree(tiny_world / 'v1.0-mini', root / 'v1.0-mini')
    (root / 'v1.0-mini' / 'lidarseg.json').unlink()
    return root


def test_what_is_not_unpacked_is_left_out(tiny_world: Path, tmp_path: Path):
    keyframes = keyframes_of_tables(tables_alone(tiny_world, tmp_path))
    frame = keyframes.complete(empty_frame(second_token(keyframes), 'lidar'))
    assert frame.points is None
    assert frame.cameras == []
    assert frame.boxes


def test_damaged_lidar_points_are_named(tiny_world: Path, tmp_path: Path):
    keyframes = keyframes_of_tables(tables_alone(tiny_world, tmp_path))
    token = second_token(keyframes)
    file = tmp_path / 'samples' / 'LIDAR_TOP' / keyframes.names[token].lidar_file
    file.parent.mkdir(parents=True)
    file.write_bytes(bytes(4 * 251))
    with pytest.raises(ValueError, match='LIDAR_TOP.*pcd.bin: its 1004 bytes'):
        keyframes.complete(empty_frame(token, 'lidar'))


def test_a_keyframe_of_another_dataset_stays_as_it_is(tiny_world: Path):
    frame = empty_frame('f' * 32, 'lidar')
    assert keyframes_of_tables(tiny_world).complete(frame) is frame


def test_points_of_another_layout_in_another_place(tmp_path: Path):
    layout = PointLayout(('intensity', 'x', 'y', 'z'), 'float64', 1.0)
    rig = Rig((Lidar('roof', layout),), (), np.zeros((2, 3)))
    names = Keyframe('drive', 'drive-token', 'a' * 32, 'lidar', '0.bin')
    no_boxes = BoxRecords((), (), np.zeros((0, 4, 4)), np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int))
    record = KeyframeRecord(names, 0, np.eye(4), np.eye(4), {}, no_boxes, 'day 2/roof/0.bin', 'roof')
    entries = infos.scene_infos([record], rig=rig)
    infos.write(tmp_path / 'labels/nuscenes_infos_train.pkl', entries, infos.metainfo('own', rig=rig))
    file = tmp_path / 'data/day 2/roof/0.bin'
    file.parent.mkdir(parents=True)
    np.array([[0.5, 3, 1, -1], [0.5, 0.1, 0, 0]], 'float64').tofile(file)
    labels = OccupancyLabels(FORMATS['voxels'].GRID, np.zeros((1, 3), np.int32), np.ones(1, np.uint8))
    FORMATS['voxels'].write(tmp_path / 'labels' / FORMATS['voxels'].path(names), labels)
    frame = FolderFrames(tmp_path / 'labels', dataroot=tmp_path / 'data').frame('drive', 0)
    # The second point is within a metre of the lidar.
    np.testing.assert_array_equal(frame.points, np.array([[3, 1, -1]], np.float32))


def test_a_dataset_that_knows_no_file_is_refused(tiny_world: Path, tmp_path: Path):
    np.savez_compressed(tmp_path / f'{"f" * 32}.npz', np.full((7, 5, 3), FREE, np.uint8))
    with pytest.raises(ValueError, match='none of its 1 submission files is of a keyframe of .*world'):
        FolderFrames(tmp_path, dataroot=tiny_world)


def test_the_index_says_the_same_as_the_tables(tiny_world: Path, tmp_path: Path):
    scenes = NuScenesSource(tiny_world).scenes
    records = {scene.name: scene.records for scene in scenes}
    infos.write(
        tmp_path / 'nuscenes_infos_train.pkl', infos.scene_infos(records['scene-0061']), infos.metainfo('v1.0-mini')
    )
    expected = keyframes_of_tables(tiny_world)
    token = second_token(expected)
    found = keyframes_beside(tmp_path, [token], 'sample_token', tiny_world)
    assert list(found.names.items()) == list(expected.names.items())[:3]
    frames = [keyframes.complete(empty_frame(token, 'ego')) for keyframes in (found, expected)]
    assert len(frames[0].cameras) == 6
    for first, second in zip(*(frame.boxes for frame in frames), strict=True):
        np.testing.assert_array_equal(first.grid_from_box, second.grid_from_box)
        assert (first.size, first.label) == (second.size, second.label)
    np.testing.assert_array_equal(frames[0].points, frames[1].points)
    labels = OccupancyLabels(FORMATS['voxels'].GRID, np.zeros((1, 3), np.int32), np.ones(1, np.uint8))
    FORMATS['voxels'].write(tmp_path / FORMATS['voxels'].path(found.names[token]), labels)
    assert len(FolderFrames(tmp_path, dataroot=tiny_world).frame('scene-0061', 0).cameras) == 6
    elsewhere = tmp_path / 'elsewhere'
    (elsewhere / 'samples').mkdir(parents=True)
    with pytest.raises(ValueError, match='elsewhere: holds no lidar or camera file of the keyframes of'):
        FolderFrames(tmp_path, dataroot=elsewhere)


def test_versions_are_found_or_asked_for(tiny_world: Path, tmp_path: Path):
    with pytest.raises(ValueError, match='holds no folder of tables'):
        keyframes_of_tables(tmp_path)
    with pytest.raises(ValueError, match='v1.0-trainval: no such folder'):
        keyframes_of_tables(tiny_world, 'v1.0-trainval')
    for version in ('v1.0-mini', 'v1.0-trainval'):
        (tmp_path / version).mkdir()
    with pytest.raises(ValueError, match='holds v1.0-mini and v1.0-trainval; choose one with --version'):
        keyframes_of_tables(tmp_path)
