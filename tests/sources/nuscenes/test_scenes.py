"""Scenes as plain data, beside what nuscenes-devkit makes of the same tables."""

from pathlib import Path

import numpy as np
import pytest
from nuscenes.nuscenes import NuScenes

from project.geometry.rigid import poses
from project.labels.aggregation.boxes import boxes_at, extended
from project.sources.nuscenes.scenes import make_dataset
from project.sources.nuscenes.tables import read_tables
from project.taxonomy import CAMERAS, RAW_NAMES


@pytest.fixture(scope='module')
def devkit(tiny_world: Path) -> NuScenes:
    return NuScenes('v1.0-mini', str(tiny_world), verbose=False)


@pytest.fixture(scope='module')
def dataset(tiny_world: Path):
    return make_dataset(read_tables(tiny_world, 'v1.0-mini'), tiny_world)


def test_all_scenes_are_there_and_one_can_be_asked_for(dataset, tiny_world):
    assert [scene.name for scene in dataset.scenes] == ['scene-0061', 'scene-0103'] and not dataset.broken
    assert [scene['name'] for scene in read_tables(tiny_world, 'v1.0-mini', ['scene-0103']).scenes] == ['scene-0103']
    with pytest.raises(ValueError, match='has no scene scene-0001'):
        read_tables(tiny_world, 'v1.0-mini', ['scene-0103', 'scene-0001'])


def test_sweeps_and_poses_are_those_of_the_devkit(dataset, devkit):
    scene = dataset.scenes[0]
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


def test_boxes_are_those_of_the_devkit_at_keyframes_and_between(dataset, devkit):
    scene = dataset.scenes[0]
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


def test_records_of_keyframes_are_complete(dataset):
    for scene in dataset.scenes:
        records = scene.records
        assert [record.keyframe for record in records] == list(scene.keyframes)
        assert all(tuple(record.cameras) == CAMERAS for record in records)
        assert all(camera.camera_matrix.shape == (3, 3) for record in records for camera in record.cameras.values())


@pytest.fixture
def tables(tiny_world):
    return read_tables(tiny_world, 'v1.0-mini')


def first(records: dict, scene: dict, **condition) -> dict:
    """A record of a table that belongs to a scene."""
    return next(r for r in records[scene['token']] if all(r[key] == value for key, value in condition.items()))


def ego_pose(tables, scene) -> tuple[dict, str]:
    token = first(tables.sensor_data, scene, channel='LIDAR_TOP')['ego_pose_token']
    return tables.ego_poses[token], f'ego_pose.json: {token}'


def calibration(tables, scene) -> tuple[dict, str]:
    reading = first(tables.sensor_data, scene, channel='CAM_BACK')
    # The scenes share their calibrations, and this one becomes the first scene's own.
    token = reading['calibrated_sensor_token'] = 'own'
    tables.calibrations[token] = {**next(iter(tables.calibrations.values())), 'token': token, 'channel': 'CAM_BACK'}
    return tables.calibrations[token], f'calibrated_sensor.json: {token}'


def annotation(tables, scene) -> tuple[dict, str]:
    sample = next(sample for sample in tables.samples[scene['token']] if sample['token'] in tables.annotations)
    box = tables.annotations[sample['token']][0]
    return box, f'sample_annotation.json: the box of instance {box["instance_token"]} in keyframe {sample["token"]}'


def reading(tables, scene) -> tuple[dict, str]:
    record = first(tables.sensor_data, scene, channel='LIDAR_TOP')
    return record, f'sample_data.json: {record["token"]}'


def sample(tables, scene) -> tuple[dict, str]:
    record = first(tables.samples, scene)
    return record, f'sample.json: {record["token"]}'


@pytest.mark.parametrize(
    ('record_of', 'key', 'value'),
    [
        (ego_pose, 'rotation', [0.0, 0.0, 0.0, 0.0]),
        (ego_pose, 'rotation', [float('nan'), 0.0, 0.0, 0.0]),
        (ego_pose, 'rotation', [1.0, 0.0, 0.0]),
        (ego_pose, 'translation', [0.0, None, 0.0]),
        (calibration, 'rotation', [0.0, 0.0, 0.0, 0.0]),
        (calibration, 'camera_intrinsic', []),
        (calibration, 'camera_intrinsic', [[float('inf'), 0, 0], [0, 1, 0], [0, 0, 1]]),
        (annotation, 'rotation', [0.0, 0.0, 0.0, 0.0]),
        (annotation, 'translation', [0.0, float('nan'), 0.0]),
        (annotation, 'size', [-1.0, 2.0, 1.0]),
        (reading, 'timestamp', None),
        (sample, 'timestamp', None),
        (sample, 'timestamp', 'noon'),
    ],
)
def test_numbers_that_are_none_are_named_and_the_other_scene_is_there(tables, tiny_world, record_of, key, value):
    record, name = record_of(tables, tables.scenes[0])
    record[key] = value
    made = make_dataset(tables, tiny_world)
    assert [scene.name for scene in made.scenes] == ['scene-0103']
    assert made.broken['scene-0061'].startswith(name)


def test_what_nobody_foresaw_stops_one_scene_only(tables, tiny_world):
    del tables.sensor_data[tables.scenes[0]['token']]
    made = make_dataset(tables, tiny_world)
    assert [scene.name for scene in made.scenes] == ['scene-0103']
    assert made.broken['scene-0061'].startswith('KeyError: ')
