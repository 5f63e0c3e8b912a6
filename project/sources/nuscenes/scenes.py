"""Scenes as plain data, made of the tables of nuScenes."""

from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path

import numpy as np

from project.errors import what_is_wrong
from project.geometry.rigid import poses
from project.sources.base import Rig, Scene, cameras_of, tracks_of
from project.sources.nuscenes.tables import Tables
from project.sources.records import BoxRecords, CameraRecord, Keyframe, KeyframeRecord
from project.taxonomy import CAMERAS, RAW_NAMES, Taxonomy


@dataclass(frozen=True)
class Dataset:
    """The scenes of a folder of nuScenes.

    Attributes:
        version: e.g. ``v1.0-mini``.
        scenes: the scenes that are complete.
        broken: what is wrong with the others, by name.
    """

    version: str
    scenes: list[Scene]
    broken: dict[str, str]


def make_dataset(tables: Tables, dataroot: Path, taxonomy: Taxonomy | None = None) -> Dataset:
    """Scenes of tables; one that the tables do not describe completely is reported, not raised."""
    taxonomy = taxonomy or Taxonomy.nuscenes()
    dataset = Dataset(tables.version, [], {})
    for scene in tables.scenes:
        try:
            records = keyframe_records(tables, scene)
            dataset.scenes.append(_scene(tables, scene, records, dataroot, taxonomy))
        except Exception as error:
            dataset.broken[scene['name']] = what_is_wrong(error)
    return dataset


def _scene(tables: Tables, scene: dict, records: list[KeyframeRecord], dataroot: Path, taxonomy: Taxonomy) -> Scene:
    readings = [reading for reading in tables.sensor_data[scene['token']] if reading['channel'] == 'LIDAR_TOP']
    readings.sort(key=lambda reading: reading['timestamp'])
    tokens = [reading['token'] for reading in readings]
    keyframes = tuple(record.keyframe for record in records)
    without = [keyframe.lidar_token for keyframe in keyframes if keyframe.lidar_token not in tables.lidarseg_files]
    if without:
        raise ValueError(f'lidarseg.json has no labels for the keyframe with LIDAR_TOP token {without[0]}')
    lidarseg_files = {keyframe.lidar_token: tables.lidarseg_files[keyframe.lidar_token] for keyframe in keyframes}
    return Scene(
        name=scene['name'],
        dataroot=dataroot,
        keyframes=keyframes,
        keyframe_sweeps=np.array([tokens.index(keyframe.lidar_token) for keyframe in keyframes]),
        sweep_files=tuple(reading['filename'] for reading in readings),
        label_files=tuple(lidarseg_files.get(token) for token in tokens),
        timestamps_us=np.array([reading['timestamp'] for reading in readings]),
        global_from_ego=np.stack([_ego_pose(tables, reading) for reading in readings]),
        ego_from_lidar=np.stack([_calibration(tables, reading)[0] for reading in readings]),
        tracks=tracks_of(records, taxonomy),
        cameras=tuple(cameras_of(record) for record in records),
        records=tuple(records),
        rig=Rig.nuscenes([channel for channel in CAMERAS if any(channel in record.cameras for record in records)]),
        taxonomy=taxonomy,
    )


def keyframe_records(tables: Tables, scene: dict) -> list[KeyframeRecord]:
    """The keyframes of a scene in order of time, as the index has them; needs no lidarseg.

    Raises:
        ValueError: the tables do not describe the scene completely.
    """
    samples, sensor_data = tables.samples[scene['token']], tables.sensor_data[scene['token']]
    _check_times('sample', samples)
    _check_times('sample_data', sensor_data)
    samples = sorted(samples, key=itemgetter('timestamp'))
    by_sample: dict[str, dict[str, dict]] = {sample['token']: {} for sample in samples}
    for reading in sensor_data:
        _calibration(tables, reading)
        if reading['is_key_frame']:
            by_sample[reading['sample_token']][reading['channel']] = reading
    if not by_sample:
        raise ValueError('sample.json has no keyframe of this scene')
    return [_keyframe_record(tables, scene, token, readings) for token, readings in by_sample.items()]


def _keyframe_record(tables: Tables, scene: dict, token: str, readings: dict[str, dict]) -> KeyframeRecord:
    lidar = readings.get('LIDAR_TOP')
    if lidar is None:
        raise ValueError(f'sample_data.json has no LIDAR_TOP for the keyframe {token}')
    keyframe = Keyframe(scene['name'], scene['token'], token, lidar['token'], Path(lidar['filename']).name)
    cameras = {channel: _camera(tables, readings[channel]) for channel in CAMERAS if channel in readings}
    boxes = tables.annotations.get(token, [])
    return KeyframeRecord(
        keyframe=keyframe,
        timestamp_us=lidar['timestamp'],
        ego_from_lidar=_calibration(tables, lidar)[0],
        global_from_ego=_ego_pose(tables, lidar),
        cameras=cameras,
        boxes=_box_records(boxes, token),
        lidar_path=lidar['filename'],
    )


def _check_times(table: str, records: list[dict]) -> None:
    for record in records:
        if not isinstance(record['timestamp'], int):
            raise ValueError(f'{table}.json: {record["token"]} has the timestamp {record["timestamp"]}')


def _box_records(boxes: list[dict], sample_token: str) -> BoxRecords:
    unknown = sorted({box['category_name'] for box in boxes} - set(RAW_NAMES))
    if unknown:
        raise ValueError(f'category.json has categories that lidarseg does not have: {", ".join(unknown)}')
    numbers = [[*box['translation'], *box['size'], *box['rotation']] for box in boxes]
    numbers = np.array(numbers, float).reshape(-1, 10)
    translations, width_length_height, rotations = np.split(numbers, (3, 6), axis=1)
    wrong = ~np.isfinite(numbers).all(axis=1) | (width_length_height < 0).any(axis=1) | ~rotations.any(axis=1)
    if wrong.any():
        box = boxes[np.argmax(wrong)]
        raise ValueError(
            f'sample_annotation.json: the box of instance {box["instance_token"]} in keyframe {sample_token} has the '
            f'translation {box["translation"]}, size {box["size"]}, rotation {box["rotation"]}'
        )
    return BoxRecords(
        instances=tuple(box['instance_token'] for box in boxes),
        categories=tuple(box['category_name'] for box in boxes),
        global_from_box=poses(rotations, translations),
        sizes=width_length_height[:, [1, 0, 2]],
        num_lidar_pts=np.array([box['num_lidar_pts'] for box in boxes], np.int64),
        num_radar_pts=np.array([box['num_radar_pts'] for box in boxes], np.int64),
    )


def _camera(tables: Tables, reading: dict) -> CameraRecord:
    ego_from_camera, matrix = _calibration(tables, reading)
    pose = _ego_pose(tables, reading)
    size_px = reading['width'], reading['height']
    return CameraRecord(
        reading['filename'], reading['token'], reading['timestamp'], matrix, ego_from_camera, pose, size_px
    )


def _calibration(tables: Tables, reading: dict) -> tuple[np.ndarray, np.ndarray]:
    """(4, 4) ego frame from the sensor's, and the camera matrix, (3, 3) for cameras."""
    calibration = tables.calibrations.get(reading['calibrated_sensor_token'])
    if calibration is None or calibration['channel'] is None:
        raise ValueError(f'calibrated_sensor.json lacks the calibration of {reading["filename"]}')
    matrix = np.array(calibration['camera_intrinsic'], float)
    if calibration['channel'].startswith('CAM') and not (matrix.shape == (3, 3) and np.isfinite(matrix).all()):
        raise ValueError(f'calibrated_sensor.json: {calibration["token"]} has no 3x3 camera_intrinsic')
    return _pose(calibration, f'calibrated_sensor.json: {calibration["token"]}'), matrix


def _ego_pose(tables: Tables, reading: dict) -> np.ndarray:
    pose = tables.ego_poses.get(reading['ego_pose_token'])
    if pose is None:
        raise ValueError(f'ego_pose.json lacks the pose of {reading["filename"]}')
    return _pose(pose, f'ego_pose.json: {reading["ego_pose_token"]}')


def _pose(record: dict, name: str) -> np.ndarray:
    """(4, 4) transform of a record; numbers that are none would become labels all the same."""
    rotation, translation = (np.array(record[key], float) for key in ('rotation', 'translation'))
    shapes = rotation.shape, translation.shape
    if shapes != ((4,), (3,)) or not (0 < np.linalg.norm(rotation) < np.inf and np.isfinite(translation).all()):
        raise ValueError(f'{name} has no rotation and translation: {record["rotation"]}, {record["translation"]}')
    return poses(rotation, translation)
