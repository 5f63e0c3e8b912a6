"""Logs of the 123D library (``pip install py123d``): Argoverse 2, Waymo, nuPlan, KITTI-360, PandaSet and others.

The library first converts a data set into its own logs; ``docs/own_data.md`` shows how. Each log becomes a scene here.
The ego frame is the one that the library calls IMU.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from project.errors import UserError
from project.geometry.rigid import inverse
from project.label_mapping import with_label_mapping
from project.sources.base import Lidar, Rig, Scene, cameras_of
from project.sources.box_tracks import DatedBoxes, annotations_of, box_records, tracks_at
from project.sources.keyframes import choose_keyframes, images_at, keyframe_named, token, with_poses_of_car
from project.sources.plausible import check_plausible
from project.sources.records import CameraRecord, KeyframeRecord
from project.sources.taxonomies import read_taxonomy, taxonomy_of_boxes
from project.sources.trajectory import Trajectory

LOGS, TAXONOMY_FILE = 'logs', 'taxonomy.yaml'

IMAGES = 'images'
"""Folder in the dataroot for images that are taken out of logs, see :mod:`project.sources.py123d_images`."""

MERGED = 'lidar_merged'
"""The library's name for the points of all lidars, in data sets that merge them."""

NOT_DESKEWED = ('kitti360',)
"""Data sets whose points are not deskewed."""


class Py123dSource:
    """The logs below a folder; see :class:`project.sources.base.SceneSource`.

    Args:
        dataroot: folder that holds ``logs``, where the library has written them, and perhaps ``taxonomy.yaml``. With
            it, categories of boxes are those of the data set; without it, the dozen categories of the library.
        scene_names: names of logs; all by default.
        label_mapping: YAML with other labels for the categories, see :func:`project.label_mapping.relabelled`.
        keyframe_every_s: seconds between keyframes.

    Raises:
        ImportError: py123d is not installed.
        ValueError: there are no logs or not those asked for.
    """

    def __init__(
        self,
        dataroot: Path,
        scene_names: list[str] | None = None,
        label_mapping: Path | None = None,
        keyframe_every_s: float = 0.5,
    ):
        self.dataroot, self.keyframe_every_s = dataroot, keyframe_every_s
        self.left_out: Sequence[str] = ()
        logs = open_logs(dataroot)
        unknown = sorted(set(scene_names or ()) - set(logs))
        if unknown or not logs:
            raise UserError(f'{dataroot / LOGS}: has no log {", ".join(unknown)}')
        self.scene_names: Sequence[str] = tuple(name for name in sorted(logs) if not scene_names or name in scene_names)
        self.version = '+'.join(sorted({log.dataset for log in logs.values()}))
        train = {name for name, log in logs.items() if log.split.endswith('train')}
        self.splits: Mapping[str, frozenset[str]] = {'train': frozenset(train), 'val': frozenset(set(logs) - train)}
        taxonomy = dataroot / TAXONOMY_FILE
        self.native = taxonomy.is_file()
        self.taxonomy = read_taxonomy(taxonomy) if self.native else taxonomy_of_boxes(_default_categories())
        if label_mapping is not None:
            self.taxonomy = with_label_mapping(self.taxonomy, label_mapping)

    def load(self, name: str) -> Scene:
        """A log as a scene.

        Raises:
            ValueError, OSError: the log lacks lidar or poses, or has a category that the taxonomy does not know.
        """
        log = open_logs(self.dataroot)[name]
        points = PointsOfLog(self.dataroot, name, *_sweeps(log))
        if not len(points.times_us):
            raise UserError(f'{self.dataroot / LOGS}: the log {name} has no lidar')
        try:
            scene = _scene(log, name, points, self)
            check_plausible(scene)
            return scene
        except ValueError as error:
            raise UserError(f'{self.dataroot / LOGS}: the log {name}: {error}') from None


@lru_cache(maxsize=1)
def open_logs(dataroot: Path) -> dict[str, Any]:
    """All logs below a folder, by name, each from its start to its end, as the library's SceneAPI.

    Raises:
        ImportError: py123d is not installed.
    """
    try:
        from py123d.api.scene.arrow.arrow_scene_builder import ArrowSceneBuilder
        from py123d.api.scene.scene_filter import SceneFilter
        from py123d.common.execution import SequentialExecutor
    except ImportError as error:
        raise ImportError(
            f'logs of 123D are read by py123d, which is not installed ({error}): pip install py123d'
        ) from None
    builder = ArrowSceneBuilder(dataroot / LOGS, dataroot / 'maps')
    # With scenes a thousand years apart, each log is one scene.
    scenes = builder.get_scenes(SceneFilter(timestamp_threshold_s=3e10), SequentialExecutor())
    return {scene.log_name: scene for scene in scenes}


@dataclass(frozen=True)
class PointsOfLog:
    """Reads the points of a log's sweeps; a sweep here is from one lidar.

    Attributes:
        dataroot: folder that holds the logs.
        name: name of the log.
        times_us: (S,) int64 when each sweep began.
        lidars: (S,) int64, the lidar of each sweep.
        ids: the library's number of each lidar.
        names: name of each lidar.
        ego_from_lidar: (L, 4, 4) float64.
        merged: whether the library merges the points of all lidars.
    """

    dataroot: Path
    name: str
    times_us: np.ndarray
    lidars: np.ndarray
    ids: tuple[int, ...]
    names: tuple[str, ...]
    ego_from_lidar: np.ndarray
    merged: bool

    def __call__(self, sweep: int) -> tuple[np.ndarray, np.ndarray | None]:
        """See :class:`project.sources.base.PointReader`."""
        lidar, time_us = int(self.lidars[sweep]), int(self.times_us[sweep])
        cloud = _cloud(self.dataroot, self.name, time_us, MERGED if self.merged else self.names[lidar])
        mine = np.ones(len(cloud.xyz), bool)
        if self.merged and cloud.ids is not None:
            mine = cloud.ids == self.ids[lidar]
        lidar_from_ego = inverse(self.ego_from_lidar[lidar])
        points = np.zeros((np.count_nonzero(mine), 4), np.float32)
        points[:, :3] = cloud.xyz[mine] @ lidar_from_ego[:3, :3].T + lidar_from_ego[:3, 3]
        if cloud.intensity is not None:
            points[:, 3] = cloud.intensity[mine]
        times = cloud.timestamps
        return points, None if times is None else (times[mine] - time_us) / 1e6


@lru_cache(maxsize=2)
def _cloud(dataroot: Path, name: str, time_us: int, lidar: str) -> Any:
    cloud = open_logs(dataroot)[name].get_lidar_at_timestamp(time_us, lidar)
    if cloud is None:
        raise UserError(f'{dataroot / LOGS}: the log {name} has no points of {lidar} at {time_us} us')
    return cloud


def _default_categories() -> list[str]:
    from py123d.datatypes.detections.box_detection_label import DefaultBoxDetectionLabel

    return [label.name.lower() for label in DefaultBoxDetectionLabel if label.name != 'EGO']


def _sweeps(log: Any) -> tuple:
    """Times, lidars, ids, names, poses of :class:`PointsOfLog`, and whether lidars are merged."""
    lidars = sorted(log.get_lidar_metadatas().values(), key=lambda lidar: int(lidar.lidar_id))
    merged_us = [time.time_us for time in log.get_all_lidar_timestamps(MERGED)]
    names = [lidar.lidar_id.name.lower() for lidar in lidars]
    sweeps = [
        (time_us, number)
        for number, name in enumerate(names)
        for time_us in (merged_us or [time.time_us for time in log.get_all_lidar_timestamps(name)])
    ]
    times_us, numbers = np.array(sorted(sweeps), np.int64).reshape(-1, 2).T
    poses = np.array([lidar.lidar_to_imu_se3.transformation_matrix for lidar in lidars]).reshape(-1, 4, 4)
    return times_us, numbers, tuple(int(lidar.lidar_id) for lidar in lidars), tuple(names), poses, bool(merged_us)


def _scene(log: Any, name: str, points: PointsOfLog, source: Py123dSource) -> Scene:
    times_us, lidars = points.times_us, points.lidars
    trajectory, own_box = _trajectory(log)
    global_from_ego = trajectory.at(times_us)
    annotations, tracks = annotations_of(_boxes(log, source.native), source.taxonomy)
    of_first = np.flatnonzero(lidars == lidars[0])
    keyframes = of_first[choose_keyframes(times_us[of_first], annotations.times_us, source.keyframe_every_s)]
    at_keyframes = tracks_at(annotations, times_us[keyframes])
    images = _images(log, name, trajectory)
    records = tuple(
        KeyframeRecord(
            keyframe=keyframe_named(name, points.names[lidars[sweep]], int(times_us[sweep])),
            timestamp_us=int(times_us[sweep]),
            ego_from_lidar=points.ego_from_lidar[lidars[sweep]],
            global_from_ego=global_from_ego[sweep],
            cameras=images_at(images, int(times_us[sweep])),
            boxes=box_records(at_keyframes, k, tracks, source.taxonomy),
            lidar_name=points.names[lidars[sweep]],
        )
        for k, sweep in enumerate(keyframes)
    )
    return Scene(
        name=name,
        dataroot=source.dataroot,
        keyframes=tuple(record.keyframe for record in records),
        keyframe_sweeps=keyframes,
        sweep_files=(LOGS,) * len(times_us),
        label_files=(None,) * len(times_us),
        timestamps_us=times_us,
        global_from_ego=global_from_ego,
        ego_from_lidar=points.ego_from_lidar[lidars],
        tracks=at_keyframes,
        cameras=tuple(cameras_of(record) for record in records),
        records=records,
        rig=_rig(log, points, tuple(images), own_box),
        taxonomy=source.taxonomy,
        lidars=lidars,
        trajectory=trajectory,
        annotations=annotations if len(annotations.times_us) else None,
        read_points=points,
    )


def _rig(log: Any, points: PointsOfLog, cameras: tuple[str, ...], own_box: np.ndarray) -> Rig:
    first = _cloud(points.dataroot, points.name, int(points.times_us[0]), MERGED if points.merged else points.names[0])
    period_s = (first.timestamp_end.time_us - first.timestamp.time_us) / 1e6
    deskewed = log.dataset not in NOT_DESKEWED
    lidars = tuple(Lidar(name, period_s=period_s or None, stamp='start', deskewed=deskewed) for name in points.names)
    return Rig(lidars, cameras, own_box)


def _trajectory(log: Any) -> tuple[Trajectory, np.ndarray]:
    """The trajectory of the car, and its box in the ego frame, (2, 3)."""
    times = log.get_all_ego_state_se3_timestamps(include_history=True)
    states = [log.get_ego_state_se3_at_timestamp(time) for time in times]
    if not states:
        raise UserError('it has no poses of the car')
    car = states[0].metadata
    half = np.array([car.length, car.width, car.height]) / 2
    centre = np.array([car.center_to_imu_se3.x, car.center_to_imu_se3.y, car.center_to_imu_se3.z])
    poses = np.stack([state.imu_se3.transformation_matrix for state in states])
    trajectory = Trajectory.through(np.array([time.time_us for time in times], np.int64), poses)
    # A margin of 10 cm, for parts that stick out.
    return trajectory, np.stack([centre - half - 0.1, centre + half + 0.1])


def _boxes(log: Any, native: bool) -> DatedBoxes:
    times_us: list[int] = []
    tracks: list[str] = []
    categories: list[str] = []
    poses, sizes = [np.zeros((0, 4, 4))], [np.zeros((0, 3))]
    for time in log.get_all_box_detections_se3_timestamps(include_history=True):
        for box in log.get_box_detections_se3_at_timestamp(time) or ():
            label = box.attributes.label if native else box.attributes.default_label
            if box.attributes.default_label.name == 'EGO':
                continue
            times_us.append(time.time_us)
            tracks.append(str(box.attributes.track_token))
            categories.append(label.name.lower())
            poses.append(box.center_se3.transformation_matrix[None])
            sizes.append(np.asarray(box.bounding_box_se3.array)[None, -3:])
    return DatedBoxes(
        np.array(times_us, np.int64), tuple(tracks), tuple(categories), np.concatenate(poses), np.concatenate(sizes)
    )


def _images(log: Any, name: str, trajectory: Trajectory) -> dict[str, list[CameraRecord]]:
    """The images of each pinhole camera: their times and poses. The library keeps their pixels."""
    images = {}
    for camera_id, camera in log.get_camera_metadatas().items():
        if getattr(getattr(camera, 'intrinsics', None), 'camera_matrix', None) is None:
            continue
        of_camera = [
            CameraRecord(
                file=f'{IMAGES}/{name}/{camera_id.name.lower()}/{time.time_us}.jpg',
                token=token(name, camera_id.name, time.time_us),
                timestamp_us=time.time_us,
                camera_matrix=np.asarray(camera.intrinsics.camera_matrix),
                ego_from_camera=camera.camera_to_imu_se3.transformation_matrix,
                global_from_ego=np.eye(4),
                size_px=(int(camera.width), int(camera.height)),
            )
            for time in log.get_all_camera_timestamps(camera_id)
        ]
        images[camera_id.name.lower()] = with_poses_of_car(of_camera, trajectory)
    return images
