"""Makes scenes from the tables of nuScenes."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from project.errors import UserError
from project.geometry.rigid import poses
from project.sources.base import Lidar, PointLayout, Rig, Scene, cameras_of, tracks_of
from project.sources.nuscenes import schema
from project.sources.nuscenes.keyframe_readings import KeyframeReadings, keyframe_readings
from project.sources.nuscenes.tables import Calibration, Tables
from project.sources.plausible import check_plausible, reachable
from project.sources.records import BoxRecords, CameraRecord, Keyframe, KeyframeRecord
from project.storage.mounts import sizes_of
from project.taxonomy import CAMERAS, Taxonomy

REFERENCE = 'LIDAR_TOP'
"""The lidar that gives keyframes their frame and time by default."""


def make_scene(
    tables: Tables,
    scene: schema.SceneRow,
    dataroot: Path,
    taxonomy: Taxonomy,
    lidars: Sequence[str],
    described: Mapping[str, Lidar],
    points: PointLayout | None,
) -> Scene:
    """A scene as plain arrays.

    Args:
        tables: the tables.
        scene: which scene.
        dataroot: folder that file names start from.
        taxonomy: the categories.
        lidars: the lidars to use; the first one gives keyframes their frame and time; empty for all.
        described: lidars that are not like nuScenes' lidar, by channel.
        points: layout of files of points, if it differs from the described one.

    Raises:
        UserError: the tables do not describe the scene completely, or hold impossible values.
    """
    channels = lidars_of(tables, scene, lidars)
    records, notes = _records(tables, scene, channels[0])
    sweeps = _sweeps(tables, scene, channels)
    if not lidars:
        sweeps, channels, absent = _without_absent(sweeps, channels, dataroot)
        notes += absent
    rows = [reading for reading, _ in sweeps]
    numbers = {reading.token: number for number, reading in enumerate(rows)}
    keyframes = tuple(record.keyframe for record in records)
    notes += _check_labels(tables, keyframes)
    read_as = [described.get(channel, Lidar(channel)) for channel in channels]
    rig = Rig.nuscenes(camera_order({name for record in records for name in record.cameras}))
    made = Scene(
        name=scene.name,
        dataroot=dataroot,
        keyframes=keyframes,
        keyframe_sweeps=np.array([numbers[keyframe.lidar_token] for keyframe in keyframes]),
        sweep_files=tuple(reading.filename for reading in rows),
        label_files=tuple(tables.label_files.get(reading.token) for reading in rows),
        timestamps_us=np.array([reading.timestamp for reading in rows]),
        global_from_ego=ego_poses(tables, rows),
        ego_from_lidar=np.stack([calibration.ego_from_sensor for _, calibration in sweeps]),
        tracks=tracks_of(records, taxonomy),
        cameras=tuple(cameras_of(record) for record in records),
        records=tuple(records),
        rig=replace(rig, lidars=tuple(each if points is None else replace(each, points=points) for each in read_as)),
        taxonomy=taxonomy,
        lidars=np.array([channels.index(calibration.channel) for _, calibration in sweeps]) if channels[1:] else None,
        left_out=tuple(notes),
    )
    check_plausible(made)
    return made


def keyframe_records(
    tables: Tables, scene: schema.SceneRow, lidars: Sequence[str] = ()
) -> tuple[list[KeyframeRecord], list[str]]:
    """The keyframes of a scene in order of time, for the index, and sentences on what was left out.

    Raises:
        UserError: the tables do not describe the scene completely.
    """
    return _records(tables, scene, lidars_of(tables, scene, lidars)[0])


def _records(tables: Tables, scene: schema.SceneRow, reference: str) -> tuple[list[KeyframeRecord], list[str]]:
    keyframes, notes = keyframe_readings(tables, scene, reference)
    readings = [reading for keyframe in keyframes for reading in (keyframe.lidar, *keyframe.cameras.values())]
    pose_of = dict(zip((reading.token for reading in readings), ego_poses(tables, readings), strict=True))
    boxes = tables.annotations.of([keyframe.sample.token for keyframe in keyframes])
    records = [_record(tables, scene, *each, pose_of) for each in zip(keyframes, boxes, strict=True)]
    records, unreachable = reachable(records)
    return records, notes + unreachable + _missing_images(records)


def _missing_images(records: Sequence[KeyframeRecord]) -> list[str]:
    """Sentences on cameras that have no image of some keyframes."""
    notes = []
    for name in camera_order({name for record in records for name in record.cameras}):
        images = [(record.keyframe.sample_token, record.cameras.get(name)) for record in records]
        without = [token for token, image in images if image is None]
        unsized = [token for token, image in images if image is not None and image.size_px is None]
        of = f'of {len(records)} keyframes, as of'
        if without:
            notes.append(f'sample_data.json: has no {name} of {len(without)} {of} {without[0]}')
        # Where no image has a size, labels have no masks of cameras, which is said elsewhere.
        if unsized and len(unsized) + len(without) < len(images):
            notes.append(f'sample_data.json: has no width or height of {name} of {len(unsized)} {of} {unsized[0]}')
    return notes


def lidars_of(tables: Tables, scene: schema.SceneRow, wanted: Sequence[str] = ()) -> list[str]:
    """Channels of the lidars of a scene; the first one defines keyframes.

    Raises:
        UserError: there is none, or a wanted one is missing.
    """
    found = {
        calibration.channel
        for reading in tables.readings[scene.token]
        if (calibration := calibration_of(tables, reading)).modality == 'lidar'
    }
    if not found:
        raise UserError('sample_data.json: has no file of a lidar of this scene')
    missing = [channel for channel in wanted if channel not in found]
    if missing:
        raise UserError(f'sensor.json: this scene has no lidar {missing[0]}; it has {", ".join(sorted(found))}')
    return list(wanted) or sorted(found, key=lambda channel: (channel != REFERENCE, channel))


def camera_order(names: set[str]) -> list[str]:
    """Names of cameras in the order of images: those of nuScenes first, in mmdet3d's order."""
    return [name for name in CAMERAS if name in names] + sorted(names - set(CAMERAS))


def calibration_of(tables: Tables, reading: schema.ReadingRow) -> Calibration:
    """The calibration of the sensor of a reading.

    Raises:
        UserError: its calibration or sensor is missing in the tables.
    """
    calibration = tables.calibrations.get(reading.calibrated_sensor_token)
    if calibration is None:
        raise UserError(
            f'sample_data.json: the calibrated_sensor_token {reading.calibrated_sensor_token} of {reading.token} leads '
            'to no record of calibrated_sensor.json'
        )
    if not calibration.channel:
        raise UserError(f'calibrated_sensor.json: the sensor_token of {calibration.token} leads to no sensor')
    return calibration


def ego_poses(tables: Tables, readings: Sequence[schema.ReadingRow]) -> np.ndarray:
    """(N, 4, 4) float64 global frame from ego frame at the times of readings.

    Raises:
        UserError: a pose is missing or invalid.
    """
    index, numbers = tables.ego_poses.index, tables.ego_poses.numbers
    missing = next((reading for reading in readings if reading.ego_pose_token not in index), None)
    if missing is not None:
        raise UserError(
            f'sample_data.json: the ego_pose_token {missing.ego_pose_token} of {missing.token} leads to no record of '
            'ego_pose.json'
        )
    chosen = numbers[[index[reading.ego_pose_token] for reading in readings]].reshape(-1, 7)
    lengths = np.linalg.norm(chosen[:, :4], axis=1)
    wrong = ~((lengths > 1e-6) & (lengths < 1e6))
    if wrong.any():
        i = wrong.argmax()
        raise UserError(
            f'ego_pose.json: {readings[i].ego_pose_token}: rotation is {chosen[i, :4].tolist()}, which is no '
            'quaternion w, x, y, z'
        )
    return poses(chosen[:, :4], chosen[:, 4:])


def _sweeps(
    tables: Tables, scene: schema.SceneRow, channels: Sequence[str]
) -> list[tuple[schema.ReadingRow, Calibration]]:
    """All readings of some lidars in order of time; readings of equal times in the order of the lidars."""
    sweeps = [(reading, calibration_of(tables, reading)) for reading in tables.readings[scene.token]]
    sweeps = [(reading, calibration) for reading, calibration in sweeps if calibration.channel in channels]
    sweeps.sort(key=lambda sweep: (sweep[0].timestamp, channels.index(sweep[1].channel)))
    owners: dict[str, str] = {}
    for reading, _ in sweeps:
        if owners.setdefault(reading.filename, reading.token) != reading.token:
            raise UserError(
                f'sample_data.json: {owners[reading.filename]} and {reading.token} have one file, {reading.filename}; '
                'each sweep has a file of its own'
            )
    return sweeps


def _without_absent(
    sweeps: list[tuple[schema.ReadingRow, Calibration]], channels: Sequence[str], dataroot: Path
) -> tuple[list[tuple[schema.ReadingRow, Calibration]], list[str], list[str]]:
    """Sweeps without those of further lidars that have no files: users may download only a part of a data set."""
    first, *others = channels
    absent = [
        channel
        for channel in others
        if not any(
            size >= 0 for size in sizes_of(dataroot / row.filename for row, of in sweeps if of.channel == channel)
        )
    ]
    kept = [sweep for sweep in sweeps if sweep[1].channel not in absent]
    notes = [f'sample_data.json: {channel} is left out: none of its files exists' for channel in absent]
    return kept, [first, *(channel for channel in others if channel not in absent)], notes


def _check_labels(tables: Tables, keyframes: Sequence[Keyframe]) -> list[str]:
    """Sentences on keyframes that have no labels of points though others have.

    Raises:
        UserError: only some keyframes of the scene have them.
    """
    without = [keyframe.lidar_token for keyframe in keyframes if keyframe.lidar_token not in tables.label_files]
    # Without labels of points, categories come from boxes and the ground.
    if without and len(without) < len(keyframes):
        raise UserError(
            f'lidarseg.json: has no labels for {len(without)} of {len(keyframes)} keyframes, as for the sample_data '
            f'{without[0]}'
        )
    return (
        [f'lidarseg.json: has no labels for any of {len(without)} keyframes'] if without and tables.label_files else []
    )


def _record(
    tables: Tables,
    scene: schema.SceneRow,
    readings: KeyframeReadings,
    boxes: BoxRecords,
    pose_of: dict[str, np.ndarray],
) -> KeyframeRecord:
    lidar, sample = readings.lidar, readings.sample
    cameras = {}
    for name in camera_order(set(readings.cameras)):
        image = readings.cameras[name]
        calibration = calibration_of(tables, image)
        if calibration.camera_matrix.shape != (3, 3):
            raise UserError(
                f'calibrated_sensor.json: {calibration.token} of {name}: camera_intrinsic is '
                f'{calibration.camera_matrix.tolist()}; it should be three rows of three numbers'
            )
        cameras[name] = CameraRecord(
            file=image.filename,
            token=image.token,
            timestamp_us=image.timestamp,
            camera_matrix=calibration.camera_matrix,
            ego_from_camera=calibration.ego_from_sensor,
            global_from_ego=pose_of[image.token],
            size_px=None if image.width is None or image.height is None else (image.width, image.height),
        )
    return KeyframeRecord(
        keyframe=Keyframe(scene.name, scene.token, sample.token, lidar.token, Path(lidar.filename).name),
        timestamp_us=lidar.timestamp,
        ego_from_lidar=calibration_of(tables, lidar).ego_from_sensor,
        global_from_ego=pose_of[lidar.token],
        cameras=cameras,
        boxes=boxes,
        lidar_path=lidar.filename,
        lidar_name=calibration_of(tables, lidar).channel,
    )
