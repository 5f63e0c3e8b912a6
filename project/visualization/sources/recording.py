"""Data of keyframes besides their voxels: scenes and order, boxes, lidar points and camera images.

It comes from the index that data_converter.py writes beside its labels, or from the tables of nuScenes.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from project.formats import Keyframe, infos
from project.label_set import LabelSet
from project.sources.base import Lidar, Rig
from project.sources.read_points import read_returns
from project.storage.mounts import at_hand, sizes_of
from project.taxonomy import RAW_NAMES, Taxonomy
from project.visualization.frame import Box, CameraImage, Frame

INDEX_FILES = ('nuscenes_infos_val.pkl', 'nuscenes_infos_train.pkl')


class Keyframes:
    """Keyframes of whole scenes, each scene in order of time.

    Args:
        entries: of ``data_list`` in the index, see :mod:`project.formats.infos`.
        metainfo: of the index: the labels, and how files hold points.
        dataroot: folder that paths of points and images start from; without it there are neither.

    Attributes:
        names: names of each keyframe, by sample token.
        labels: names and colours of the labels.
    """

    def __init__(self, entries: Iterable[dict], metainfo: dict, dataroot: Path | None = None):
        self.labels = LabelSet.stated_in(metainfo)
        self._lidars = {lidar.name: lidar for lidar in infos.rig_of(metainfo).lidars}
        self._entries = {entry['token']: entry for entry in entries}
        self.names: dict[str, Keyframe] = {token: infos.keyframe(entry) for token, entry in self._entries.items()}
        self.dataroot = dataroot

    def complete(self, frame: Frame) -> Frame:
        """The frame with time, pose, boxes, lidar points and camera images of its keyframe, as far as they are known.

        Raises:
            ValueError: the file of the lidar points is damaged.
        """
        entry = self._entries.get(frame.token)
        if entry is None:
            return frame
        grid_from_lidar = np.array(entry['lidar_points']['lidar2ego']) if frame.grid.frame == 'ego' else np.eye(4)
        global_from_lidar = np.array(entry['ego2global']) @ np.array(entry['lidar_points']['lidar2ego'])
        frame = replace(
            frame,
            boxes=[_box(instance, grid_from_lidar) for instance in entry['instances']],
            timestamp_us=round(1e6 * entry['timestamp']),
            global_from_grid=global_from_lidar @ np.linalg.inv(grid_from_lidar),
        )
        if self.dataroot is None:
            return frame
        at_hand(self._lidar_file(entry), *self._images(entry).values())
        points = self._points(entry, grid_from_lidar)
        cameras = [
            CameraImage(channel, file, _projection(entry['images'][channel], grid_from_lidar))
            for channel, file in self._images(entry).items()
            if file.exists()
        ]
        return replace(frame, points=points, cameras=cameras or frame.cameras)

    def has_sensor_files(self) -> bool:
        """Whether the dataroot holds points or images of any keyframe."""
        files = ((self._lidar_file(entry), *self._images(entry).values()) for entry in self._entries.values())
        return any(size >= 0 for of_keyframe in files for size in sizes_of(of_keyframe))

    def _lidar_file(self, entry: dict) -> Path:
        return self.dataroot / entry['lidar_points']['lidar_path']

    def _images(self, entry: dict) -> dict[str, Path]:
        return {name: self.dataroot / image['img_path'] for name, image in entry['images'].items()}

    def _points(self, entry: dict, grid_from_lidar: np.ndarray) -> np.ndarray | None:
        file, lidar = self._lidar_file(entry), self._lidars.get(entry['lidar_points']['name'])
        if lidar is None or not file.exists():
            return None
        points = read_returns(file, lidar)[:, :3]
        # Returns within a metre are no-returns and hits on the car itself.
        points = points[np.linalg.norm(points, axis=1) > 1]
        return (points @ grid_from_lidar[:3, :3].T + grid_from_lidar[:3, 3]).astype(np.float32)


def keyframes_beside(root: Path, wanted: Sequence[str], named_by: str, dataroot: Path | None) -> Keyframes | None:
    """Keyframes of the index that data_converter.py wrote into the root folder of its labels; None without one.

    Args:
        root: the root folder.
        wanted: names of the keyframes that matter; the index of the training split is long, and read only for them.
        named_by: field of :class:`Keyframe` that these names are.
        dataroot: as for :class:`Keyframes`.
    """
    entries: list[dict] = []
    metainfo: dict = {}
    missing = set(wanted)
    for name in INDEX_FILES:
        if missing and (root / name).exists():
            try:
                content = infos.read(root / name)
            except infos.OldIndexError:
                raise
            except ValueError:
                # Other programs write files of this name, with other contents.
                continue
            entries += content['data_list']
            metainfo = metainfo or content['metainfo']
            missing -= {getattr(infos.keyframe(entry), named_by) for entry in entries}
    entries.sort(key=lambda entry: entry['scene_name'])
    return Keyframes(entries, metainfo, dataroot) if entries else None


def keyframes_of_tables(dataroot: Path, version: str | None = None) -> Keyframes:
    """All keyframes of a folder of nuScenes.

    Args:
        dataroot: folder with ``v1.0-*``, ``samples`` and so on.
        version: which ``v1.0-*``; may be left out where there is only one.

    Raises:
        ValueError: the folder is not one of nuScenes, is damaged, or the version has to be said.
    """
    # Here, since most folders of labels have an index, and scipy takes a while to load.
    from project.sources.nuscenes.source import NuScenesSource

    # No labels can be made of the test split, but predictions of it can be shown.
    source = NuScenesSource(dataroot, version, labelled=False)
    records = [source.keyframes(name) for name in source.scene_names]
    categories = {name for of_scene in records for record in of_scene for name in record.boxes.categories}
    # Whoever shows predictions may have no labels of points, and labels are those of nuScenes all the same.
    taxonomy = Taxonomy.nuscenes() if categories <= set(RAW_NAMES) else source.taxonomy
    lidars = sorted({record.lidar_name for of_scene in records for record in of_scene})
    rig = replace(Rig.nuscenes(), lidars=tuple(map(Lidar, lidars)))
    scenes = [infos.scene_infos(of_scene, taxonomy, rig) for of_scene in records]
    return Keyframes(chain.from_iterable(scenes), infos.metainfo(source.version, taxonomy, rig), dataroot)


def _box(instance: dict, grid_from_lidar: np.ndarray) -> Box:
    *centre, length, width, height, yaw = instance['bbox_3d']
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:3, 3] = centre
    return Box(grid_from_lidar @ pose, (length, width, height), instance['occupancy_class'])


def _projection(image: dict, grid_from_lidar: np.ndarray) -> np.ndarray:
    camera_from_grid = np.array(image['lidar2cam']) @ np.linalg.inv(grid_from_lidar)
    return np.array(image['cam2img']) @ camera_from_grid[:3]
