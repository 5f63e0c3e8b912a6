"""Scenes of a folder with ``NAME/scene.json`` for each scene and, if wanted, ``taxonomy.yaml``."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from project.errors import UserError
from project.geometry.rigid import poses
from project.label_mapping import with_label_mapping
from project.sources.base import Rig, Scene, cameras_of
from project.sources.box_tracks import DatedBoxes, annotations_of, box_records, tracks_at
from project.sources.folder.schema import CameraFields, Pose, SceneFile, read_scene_file
from project.sources.keyframes import choose_keyframes, images_at, keyframe_named, token, with_poses_of_car
from project.sources.lidar_fields import lidar_of
from project.sources.plausible import check_plausible
from project.sources.records import CameraRecord, KeyframeRecord
from project.sources.taxonomies import read_taxonomy, taxonomy_of_boxes
from project.sources.trajectory import Trajectory
from project.taxonomy import Taxonomy

SCENE_FILE, TAXONOMY_FILE = 'scene.json', 'taxonomy.yaml'

_OUTSIDE_S = 0.5
"""How long a sweep or an image may be before the first pose of the car or after the last."""


class FolderSource:
    """The scenes of a folder; see :class:`project.sources.base.SceneSource`.

    Args:
        dataroot: the folder.
        scene_names: scenes to load; all by default.
        label_mapping: YAML with other labels for the categories, see :func:`project.label_mapping.relabelled`.

    Raises:
        ValueError: there are no scenes or not those asked for, or a file is damaged; the message names it.
    """

    def __init__(self, dataroot: Path, scene_names: list[str] | None = None, label_mapping: Path | None = None):
        self.dataroot = dataroot
        self.left_out: Sequence[str] = ()
        self.version = dataroot.resolve().name
        found = sorted(path.parent.name for path in dataroot.glob(f'*/{SCENE_FILE}'))
        if not found:
            raise UserError(f'{dataroot}: has no folder with a {SCENE_FILE}')
        unknown = sorted(set(scene_names or ()) - set(found))
        if unknown:
            raise UserError(f'{dataroot}: has no scene {", ".join(unknown)}')
        # All scenes are read: the taxonomy must not depend on the choice of scenes.
        files = {name: read_scene_file(dataroot / name / SCENE_FILE) for name in found}
        self.scene_names: Sequence[str] = tuple(name for name in found if not scene_names or name in scene_names)
        self.splits: Mapping[str, frozenset[str]] = {
            split: frozenset(name for name, file in files.items() if file.split == split) for split in ('train', 'val')
        }
        taxonomy = _taxonomy(dataroot, files)
        self.taxonomy = with_label_mapping(taxonomy, label_mapping) if label_mapping else taxonomy

    def load(self, name: str) -> Scene:
        """A scene as plain arrays.

        Raises:
            ValueError, OSError: the file does not describe the scene completely; the message names file and field.
        """
        path = self.dataroot / name / SCENE_FILE
        file = read_scene_file(path)
        try:
            scene = _scene(file, name, self.dataroot, self.taxonomy)
            check_plausible(scene)
        except ValueError as error:
            # The message names the field; here the file is known.
            raise UserError(f'{path}: {error}') from None
        return scene


def _taxonomy(dataroot: Path, files: Mapping[str, SceneFile]) -> Taxonomy:
    stated = dataroot / TAXONOMY_FILE
    if stated.is_file():
        return read_taxonomy(stated)
    labelled = [name for name, file in files.items() if any(sweep.categories for sweep in file.sweeps)]
    if labelled:
        raise UserError(f'{stated}: missing, and {labelled[0]}/{SCENE_FILE} has categories of points')
    return taxonomy_of_boxes(sorted({box.category for file in files.values() for box in file.boxes}))


def _scene(file: SceneFile, name: str, dataroot: Path, taxonomy: Taxonomy) -> Scene:
    rig = _rig(file)
    trajectory = _trajectory(file)
    lidar_names = list(file.lidars)
    sweeps = sorted(file.sweeps, key=lambda sweep: (sweep.timestamp_us, _known(sweep.lidar, lidar_names, 'sweeps')))
    if not sweeps:
        raise UserError('`sweeps` is empty')
    times_us = np.array([sweep.timestamp_us for sweep in sweeps], np.int64)
    lidars = np.array([lidar_names.index(sweep.lidar) for sweep in sweeps])
    global_from_ego = _poses_at(trajectory, times_us, 'sweeps')
    ego_from_lidar = np.stack([_pose(file.lidars[sweep.lidar].ego_from_lidar, 'lidars') for sweep in sweeps])
    annotations, tracks = annotations_of(_boxes(file, trajectory), taxonomy)
    keyframe_sweeps = _keyframe_sweeps(file, times_us, lidars, annotations.times_us)
    at_keyframes = tracks_at(annotations, times_us[keyframe_sweeps])
    images = _images(file, name, trajectory)
    records = tuple(
        KeyframeRecord(
            keyframe=keyframe_named(name, sweeps[sweep].lidar, int(times_us[sweep])),
            timestamp_us=int(times_us[sweep]),
            ego_from_lidar=ego_from_lidar[sweep],
            global_from_ego=global_from_ego[sweep],
            cameras=images_at(images, int(times_us[sweep])),
            boxes=box_records(at_keyframes, k, tracks, taxonomy),
            lidar_path=f'{name}/{sweeps[sweep].file}',
            lidar_name=sweeps[sweep].lidar,
        )
        for k, sweep in enumerate(keyframe_sweeps)
    )
    return Scene(
        name=name,
        dataroot=dataroot,
        keyframes=tuple(record.keyframe for record in records),
        keyframe_sweeps=keyframe_sweeps,
        sweep_files=tuple(f'{name}/{sweep.file}' for sweep in sweeps),
        label_files=tuple(sweep.categories and f'{name}/{sweep.categories}' for sweep in sweeps),
        timestamps_us=times_us,
        global_from_ego=global_from_ego,
        ego_from_lidar=ego_from_lidar,
        tracks=at_keyframes,
        cameras=tuple(cameras_of(record) for record in records),
        records=records,
        rig=rig,
        taxonomy=taxonomy,
        lidars=lidars if len(lidar_names) > 1 else None,
        trajectory=trajectory,
        annotations=annotations if len(annotations.times_us) else None,
    )


def _rig(file: SceneFile) -> Rig:
    if not file.lidars:
        raise UserError('`lidars` is empty')
    own_box = Rig.nuscenes().own_box if file.own_box is None else np.array(file.own_box)
    if (own_box[0] >= own_box[1]).any():
        raise UserError(f'`own_box` has {own_box[0]} as its lowest corner and {own_box[1]} as its highest')
    return Rig(tuple(lidar_of(name, fields) for name, fields in file.lidars.items()), tuple(file.cameras), own_box)


def _trajectory(file: SceneFile) -> Trajectory:
    if len(file.poses) < 2:
        raise UserError('`poses` has fewer than two poses of the car')
    times_us = np.array([pose.timestamp_us for pose in file.poses], np.int64)
    if (np.diff(times_us) <= 0).any():
        at = int(np.argmax(np.diff(times_us) <= 0)) + 1
        raise UserError(f'`poses[{at}].timestamp_us` is not later than the one before')
    return Trajectory(times_us, np.stack([_pose(pose, f'poses[{at}]') for at, pose in enumerate(file.poses)]))


def _poses_at(trajectory: Trajectory, times_us: np.ndarray, field: str) -> np.ndarray:
    first, last = trajectory.times_us[0] - _OUTSIDE_S * 1e6, trajectory.times_us[-1] + _OUTSIDE_S * 1e6
    outside = (times_us < first) | (times_us > last)
    if outside.any():
        raise UserError(
            f'`{field}` has the timestamp_us {times_us[outside][0]}, and `poses` reach from '
            f'{trajectory.times_us[0]} to {trajectory.times_us[-1]}'
        )
    return trajectory.at(times_us)


def _pose(pose: Pose, field: str) -> np.ndarray:
    numbers = np.array([*pose.rotation, *pose.translation])
    if not np.isfinite(numbers).all() or not numbers[:4].any():
        raise UserError(f'`{field}` has no rotation and translation: {pose.rotation}, {pose.translation}')
    return poses(numbers[:4], numbers[4:])


def _boxes(file: SceneFile, trajectory: Trajectory) -> DatedBoxes:
    for at, box in enumerate(file.boxes):
        if not (np.isfinite(box.size).all() and min(box.size) > 0):
            raise UserError(f'`boxes[{at}].size` is {box.size}')
    times_us = np.array([box.timestamp_us for box in file.boxes], np.int64)
    boxes = np.array([_pose(box, f'boxes[{at}]') for at, box in enumerate(file.boxes)]).reshape(-1, 4, 4)
    if file.boxes_frame != 'global':
        boxes = _poses_at(trajectory, times_us, 'boxes') @ _ego_from_boxes(file) @ boxes
    return DatedBoxes(
        times_us,
        tuple(box.track for box in file.boxes),
        tuple(box.category for box in file.boxes),
        boxes,
        np.array([box.size for box in file.boxes], float).reshape(-1, 3),
    )


def _ego_from_boxes(file: SceneFile) -> np.ndarray:
    if file.boxes_frame == 'ego':
        return np.eye(4)
    _known(file.boxes_frame, ['global', 'ego', *file.lidars], 'boxes_frame')
    return _pose(file.lidars[file.boxes_frame].ego_from_lidar, 'lidars')


def _keyframe_sweeps(file: SceneFile, times_us: np.ndarray, lidars: np.ndarray, boxes_us: np.ndarray) -> np.ndarray:
    """(K,) int64 the sweeps of the first lidar that are keyframes."""
    of_first = np.flatnonzero(lidars == 0)
    if not len(of_first):
        raise UserError(f'`sweeps` has none of {next(iter(file.lidars))}, whose sweeps are keyframes')
    if file.keyframes_us is None:
        return of_first[choose_keyframes(times_us[of_first], boxes_us, file.keyframe_every_s)]
    missing = sorted(set(file.keyframes_us) - set(times_us[of_first].tolist()))
    if missing or not file.keyframes_us:
        raise UserError(
            f'`keyframes_us` has {missing[:1] or "no times"}; it must name time stamps of sweeps of the first lidar'
        )
    return of_first[np.isin(times_us[of_first], file.keyframes_us)]


def _images(file: SceneFile, scene: str, trajectory: Trajectory) -> dict[str, list[CameraRecord]]:
    """The images of each camera."""
    images: dict[str, list[CameraRecord]] = {name: [] for name in file.cameras}
    for image in file.images:
        _known(image.camera, list(file.cameras), 'images')
        camera = file.cameras[image.camera]
        images[image.camera].append(_image(camera, image.camera, f'{scene}/{image.file}', image.timestamp_us))
    return {name: with_poses_of_car(of_camera, trajectory) for name, of_camera in images.items()}


def _image(camera: CameraFields, name: str, path: str, timestamp_us: int) -> CameraRecord:
    return CameraRecord(
        file=path,
        token=token(path),
        timestamp_us=timestamp_us,
        camera_matrix=np.array(camera.matrix),
        ego_from_camera=_pose(camera.ego_from_camera, f'cameras.{name}'),
        global_from_ego=np.eye(4),
        size_px=camera.size_px,
    )


def _known(name: str, names: list[str], field: str) -> int:
    if name not in names:
        raise UserError(f'`{field}` names {name}; there are {", ".join(names)}')
    return names.index(name)
