"""Reads, once, the parts of nuScenes' tables that scenes need.

Only needed records and fields are kept: v1.0-trainval has 2.6 million ``sample_data``, of which a fifth is needed.
"""

from array import array
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np

from project.errors import UserError
from project.geometry.rigid import poses
from project.sources.naming import folder_name
from project.sources.nuscenes import schema
from project.sources.nuscenes.annotations import AnnotationTable, read_annotations
from project.sources.nuscenes.misplaced import KINDS, check_nothing_is_misplaced
from project.sources.nuscenes.orphans import attach
from project.sources.nuscenes.reader import read_table
from project.workers import beside

LARGE_TABLE = 1 << 27
"""A table of boxes of more bytes takes longer to read than another process to start."""

FARTHEST_SENSOR_M = 30.0
"""No sensor is farther from the middle of the rear axle: a calibration in centimetres or millimetres is."""

R = TypeVar('R', bound=schema.Row)


@dataclass(frozen=True)
class Calibration:
    """The pose of a sensor on the car.

    Attributes:
        token: of its record.
        channel: name of the sensor; empty if the sensor is missing in the tables.
        modality: ``lidar``, ``camera``, ``radar`` or another word; empty if `channel` is.
        ego_from_sensor: (4, 4) float64.
        camera_matrix: (3, 3) float64 for cameras.
    """

    token: str
    channel: str
    modality: str
    ego_from_sensor: np.ndarray
    camera_matrix: np.ndarray


@dataclass(frozen=True)
class Poses:
    """P poses of the car: `index` is the row of each token, `numbers` (P, 7) rotation w, x, y, z and translation."""

    index: dict[str, int]
    numbers: np.ndarray


@dataclass
class Tables:
    """What scenes need of the tables.

    Attributes:
        folder: where they are.
        scenes: the scenes asked for, by name.
        samples: keyframes of each scene, by scene token.
        calibrations: by token.
        readings: of each scene, by scene token: all readings of lidars, and those of cameras at keyframes.
        ego_poses: of those readings.
        annotations: boxes of the keyframes.
        categories: the category table.
        label_files: file with the category of each point, by sample_data token.
        left_out: sentences for the user on records that are not used.
    """

    folder: Path
    scenes: dict[str, schema.SceneRow] = field(default_factory=dict)
    samples: dict[str, list[schema.SampleRow]] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    readings: dict[str, list[schema.ReadingRow]] = field(default_factory=dict)
    ego_poses: Poses = field(default_factory=lambda: Poses({}, np.zeros((0, 7))))
    annotations: AnnotationTable = field(default_factory=AnnotationTable.empty)
    categories: list[schema.CategoryRow] = field(default_factory=list)
    label_files: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)


def read_tables(
    folder: Path, scene_names: Collection[str] | None = None, labels: bool = True, processes: int = 1
) -> Tables:
    """Read the tables for some scenes, or for all.

    Args:
        folder: folder of the tables.
        scene_names: names of the scenes; None for all.
        labels: whether categories of points are needed.
        processes: number of processes that may read large tables; 2 halve the time.

    Raises:
        UserError: a table is missing or damaged, records contradict each other, or there is no scene of a name asked
            for.
    """
    tables = Tables(folder)
    all_scenes = _unique(folder, 'scene', schema.SceneRow)
    _choose_scenes(tables, all_scenes.values(), scene_names)
    samples, others = _read_samples(tables, all_scenes)
    _read_calibrations(tables)
    tables.categories = list(_unique(folder, 'category', schema.CategoryRow).values())
    # The table of boxes takes as long as those of readings and poses.
    in_process = processes > 1 and _is_large(folder / 'sample_annotation.json')
    times = {token: sample.timestamp for token, sample in samples.items()}
    with beside(in_process, read_annotations, folder, times, others, tables.categories) as annotations:
        _read_readings(tables, samples, others)
        _read_poses(tables)
        tables.annotations = annotations()
    tables.left_out += tables.annotations.left_out
    if labels:
        _read_label_files(tables)
    return tables


def _is_large(table: Path) -> bool:
    return table.is_file() and table.stat().st_size > LARGE_TABLE


def _unique(folder: Path, name: str, row: type[R]) -> dict[str, R]:
    """The records of a table by token; identical copies of a record count once."""
    found: dict[str, R] = {}
    for rows in read_table(folder, name, row):
        for record in rows:
            _add(found, record, folder / f'{name}.json')
    return found


def _add(found: dict[str, R], record: R, path: Path) -> bool:
    earlier = found.setdefault(record.token, record)
    if earlier is not record and earlier != record:
        fields = [name for name in record.__struct_fields__ if getattr(earlier, name) != getattr(record, name)]
        raise UserError(f'{path}: has two records of the token {record.token} that differ in {", ".join(fields)}')
    return earlier is record


def _choose_scenes(tables: Tables, scenes: Iterable[schema.SceneRow], names: Collection[str] | None) -> None:
    path = tables.folder / 'scene.json'
    wanted = {folder_name(name, '--scenes') for name in names or ()}
    for scene in scenes:
        scene.name = folder_name(scene.name, f'{path}, token {scene.token}')
        if wanted and scene.name not in wanted:
            continue
        if scene.name in tables.scenes:
            raise UserError(
                f'{path}: two scenes are called {scene.name} (tokens {tables.scenes[scene.name].token} and '
                f'{scene.token}); their labels would be mixed'
            )
        tables.scenes[scene.name] = scene
    if not names and not tables.scenes:
        raise UserError(f'{path}: has no scenes')
    unknown = sorted(wanted - set(tables.scenes))
    if unknown:
        raise UserError(f'{path}: has no scene {", ".join(unknown)}')


def _read_samples(
    tables: Tables, all_scenes: dict[str, schema.SceneRow]
) -> tuple[dict[str, schema.SampleRow], set[str]]:
    """The keyframes of the scenes asked for, by token, and the tokens of all others."""
    tables.samples = {scene.token: [] for scene in tables.scenes.values()}
    chosen, others, nowhere = {}, set(), []
    for sample in _unique(tables.folder, 'sample', schema.SampleRow).values():
        if sample.scene_token in tables.samples:
            tables.samples[sample.scene_token].append(sample)
            chosen[sample.token] = sample
        else:
            others.add(sample.token)
            if sample.scene_token not in all_scenes:
                nowhere.append(sample.token)
    if nowhere:
        tables.left_out.append(
            f'sample.json: {len(nowhere)} keyframes are left out whose scene_token leads to no scene, such as that of '
            f'{nowhere[0]}'
        )
    return chosen, others


def _read_calibrations(tables: Tables) -> None:
    sensors = _unique(tables.folder, 'sensor', schema.SensorRow)
    tables.left_out += [
        f'sensor.json: {sensor.channel} is left out, for its modality is {sensor.modality}'
        for sensor in sensors.values()
        if _modality_by_name(sensor) not in ('other', modality_of(sensor))
    ]
    for row in _unique(tables.folder, 'calibrated_sensor', schema.CalibrationRow).values():
        sensor = sensors.get(row.sensor_token)
        channel, modality = (sensor.channel, modality_of(sensor)) if sensor else ('', '')
        where = f'{tables.folder / "calibrated_sensor.json"}: {row.token}'
        away_m = np.linalg.norm(row.translation)
        if away_m > FARTHEST_SENSOR_M:
            raise UserError(
                f'{where}: translation is {list(row.translation)}, {away_m:.0f} m away from the car; less than '
                f'{FARTHEST_SENSOR_M:g} m would be plausible: is it in metres?'
            )
        pose = poses(*_checked(where, np.array(row.rotation), np.array(row.translation)))
        rows = row.camera_intrinsic
        if len({len(numbers) for numbers in rows}) > 1:
            raise UserError(f'{where}: camera_intrinsic is {rows}; it should be three rows of three numbers')
        tables.calibrations[row.token] = Calibration(row.token, channel, modality, pose, np.array(rows, float))


def modality_of(sensor: schema.SensorRow) -> str:
    """Kind of a sensor: as the table states, or else by its name."""
    return sensor.modality.lower() or _modality_by_name(sensor)


def _modality_by_name(sensor: schema.SensorRow) -> str:
    name = sensor.channel.lower()
    return next((kind for kind, start in (('lidar', 'lidar'), ('camera', 'cam')) if name.startswith(start)), 'other')


def _checked(where: str, rotation: np.ndarray, translation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if not 1e-6 < np.linalg.norm(rotation) < 1e6:
        raise UserError(f'{where}: rotation is {rotation.tolist()}, which is no quaternion w, x, y, z')
    return rotation, translation


def _read_readings(tables: Tables, samples: dict[str, schema.SampleRow], others: set[str]) -> None:
    path = tables.folder / 'sample_data.json'
    tables.readings = {scene.token: [] for scene in tables.scenes.values()}
    found: dict[str, schema.ReadingRow] = {}
    orphans = []
    field = 'sample_token' if others else ''
    for rows in read_table(tables.folder, 'sample_data', schema.ReadingRow, field, others):
        for row in rows:
            if row.sample_token in others:
                continue
            calibration = tables.calibrations.get(row.calibrated_sensor_token)
            # A reading without calibration could be from any sensor: it is kept, so that its scene is reported.
            kind = calibration.modality if calibration else ''
            if (kind not in ('lidar', '') and not (kind == 'camera' and row.is_key_frame)) or not _add(
                found, row, path
            ):
                continue
            row.filename = _posix(row.filename)
            sample = samples.get(row.sample_token or '')
            if sample is None:
                orphans.append(row)
                continue
            # One object for each token that many records have.
            row.sample_token = sample.token
            if calibration:
                row.calibrated_sensor_token = calibration.token
            tables.readings[sample.scene_token].append(row)
    if orphans:
        tables.left_out += attach(orphans, tables.readings, tables.samples)


def _read_poses(tables: Tables) -> None:
    path = tables.folder / 'ego_pose.json'
    wanted = {reading.ego_pose_token for readings in tables.readings.values() for reading in readings}
    index: dict[str, int] = {}
    numbers = array('d')
    for rows in read_table(tables.folder, 'ego_pose', schema.PoseRow, 'token', _AllBut(wanted)):
        for row in rows:
            if row.token not in wanted:
                continue
            if row.token not in index:
                index[row.token] = len(index)
                numbers.extend(row.rotation)
                numbers.extend(row.translation)
            elif tuple(numbers[7 * index[row.token] :][:7]) != row.rotation + row.translation:
                raise UserError(f'{path}: has two records of the token {row.token} that differ')
    tables.ego_poses = Poses(index, np.array(numbers).reshape(-1, 7))


def _posix(filename: str) -> str:
    """A path as this system has it: tables that were written on Windows have backslashes."""
    return filename.replace('\\', '/').removeprefix('./')


class _AllBut:
    """Contains everything but the members of a set."""

    def __init__(self, members: set[str]):
        self._members = members

    def __contains__(self, item: object) -> bool:
        return item not in self._members


def _read_label_files(tables: Tables) -> None:
    """Categories of points: nuScenes-lidarseg, or nuScenes-panoptic where there is only that, or none."""
    name = next((kind for kind in KINDS if (tables.folder / f'{kind}.json').exists()), None)
    if name is None:
        check_nothing_is_misplaced(tables.folder)
        return
    for record in _unique(tables.folder, name, schema.LabelsRow).values():
        earlier = tables.label_files.setdefault(record.sample_data_token, _posix(record.filename))
        if earlier != _posix(record.filename):
            raise UserError(
                f'{tables.folder / name}.json: has two files for the sample_data {record.sample_data_token}: '
                f'{earlier} and {record.filename}'
            )
    if not tables.label_files:
        check_nothing_is_misplaced(tables.folder, 'is empty')
    owners: dict[str, str] = {}
    for token, file in tables.label_files.items():
        if owners.setdefault(file, token) != token:
            raise UserError(
                f'{tables.folder / name}.json: the sample_data {owners[file]} and {token} have one file, {file}; each '
                'sweep has labels of its own'
            )
