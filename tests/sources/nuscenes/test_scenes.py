"""Scenes as plain data, beside what nuscenes-devkit makes of the same tables."""

from pathlib import Path

import numpy as np
import pytest
from nuscenes.nuscenes import NuScenes

from project.errors import UserError
from project.geometry.rigid import poses
from project.labels.aggregation.boxes import boxes_at, extended
from project.sources.nuscenes.source import NuScenesSource
from project.taxonomy import CAMERAS, RAW_NAMES


@pytest.fixture(scope='module')
def devkit(tiny_world: Path) -> NuScenes:
    return NuScenes('v1.0-mini', str(tiny_world), verbose=False)


@pytest.fixture(scope='module')
def scenes(tiny_world: Path):
    return list(NuScenesSource(tiny_world).scenes)


def test_all_scenes_are_there_and_one_can_be_asked_for(scenes, tiny_world):
    assert [scene.name for scene in scenes] == ['scene-0061', 'scene-0103']
    assert all(scene.left_out == () for scene in scenes) and NuScenesSource(tiny_world).left_out == ()
    (alone,) = NuScenesSource(tiny_world, scene_names=['scene-0103']).scenes
    assert (alone.name, alone.sweep_files, alone.keyframes) == (
        'scene-0103',
        scenes[1].sweep_files,
        scenes[1].keyframes,
    )
    np.testing.assert_array_equal(alone.tracks.global_from_box, scenes[1].tracks.global_from_box)
    with pytest.raises(UserError, match='has no scene scene-0001'):
        NuScenesSource(tiny_world, scene_names=['scene-0103', 'scene-0001'])


def test_sweeps_and_poses_are_those_of_the_devkit(scenes, devkit):
    scene = scenes[0]
    assert len(scene.keyframes) == 3 and len(scene.sweep_files) == 21
    assert scene.time_steps.tolist() == [0] + [1] * 9 + [2] + [3] * 9 + [4]
    token = devkit.get('sample', scene.keyframes[0].sample_token)['data']['LIDAR_TOP']
    for sweep, file in enumerate(scene.sweep_files):
        record = devkit.get('sample_data', token)
        assert (record['filename'], record['timestamp']) == (file, scene.timestamps_us[sweep])
        pose = devkit.get('ego_pose', record['ego_pose_token'])
        calibration = devkit.get('calibrated_sensor', record['calibrated_sensor_token'])
        np.testing.assert_allclose(scene.global_from_ego[sweep], poses(pose['rotation'], pose['translation']))
        expected = poses(calibration['rotation'], calibration['translation'])
        np.testing.assert_allclose(scene.ego_from_lidar[sweep], expected)
        token = record['next']
    for k, keyframe in enumerate(scene.keyframes):
        assert devkit.get('lidarseg', keyframe.lidar_token)['filename'] == scene.label_files[scene.keyframe_sweeps[k]]
        assert scene.sweep_files[scene.keyframe_sweeps[k]].endswith(keyframe.lidar_file)


def test_boxes_are_those_of_the_devkit_at_keyframes_and_between(scenes, devkit):
    scene = scenes[0]
    times_s = scene.timestamps_us / 1e6
    tracks = extended(scene.tracks, times_s[scene.keyframe_sweeps])
    token = scene.keyframes[0].lidar_token
    for sweep in range(len(scene.sweep_files)):
        k = max(int(scene.time_steps[sweep]) // 2, 0)
        step_s = np.diff(times_s[scene.keyframe_sweeps])[min(k, 1)]
        fraction = (times_s[sweep] - times_s[scene.keyframe_sweeps[k]]) / step_s
        (boxes,) = boxes_at(tracks, scene.tracks.present, np.array([k]), np.array([fraction]), np.eye(4))
        theirs = {tuple(np.round(box.center, 3)): box for box in devkit.get_boxes(token)}
        sure = np.flatnonzero(~boxes.guessed)
        assert len(sure) > 10
        for i in sure:
            pose = boxes.scene_from_box[i]
            nearest = min(theirs.values(), key=lambda box, centre=pose[:3, 3]: np.abs(box.center - centre).max())
            np.testing.assert_allclose(pose[:3, 3], nearest.center, atol=1e-6)
            np.testing.assert_allclose(pose[:3, :3], nearest.rotation_matrix, atol=1e-6)
            np.testing.assert_allclose(boxes.sizes[i], nearest.wlh[[1, 0, 2]])
            assert RAW_NAMES[boxes.categories[i]] == nearest.name
        token = devkit.get('sample_data', token)['next']


def test_records_of_keyframes_are_complete(scenes):
    for scene in scenes:
        records = scene.records
        assert [record.keyframe for record in records] == list(scene.keyframes)
        assert all(tuple(record.cameras) == CAMERAS for record in records)
        assert all(camera.camera_matrix.shape == (3, 3) for record in records for camera in record.cameras.values())
