"""``nuscenes_infos_{train,val}.pkl``: the index of keyframes that training reads, in mmdet3d's v2 schema.

A source of recordings fills a :class:`KeyframeRecord` a keyframe; :func:`scene_infos` turns the records of a scene
into the entries of ``data_list``, and :func:`write` saves them with what :func:`metainfo` says of all of them. Paths of
images and points start from the dataroot, wherever the recording keeps them.
"""

import pickle
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from project.errors import UserError
from project.formats import FORMATS
from project.formats.common import named_errors, written_whole
from project.formats.pickles import load_plain
from project.label_set import LabelSet, category_labels
from project.sources.base import Lidar, PointLayout, Rig
from project.sources.records import BoxRecords, CameraRecord, Keyframe, KeyframeRecord
from project.storage.mounts import at_hand
from project.taxonomy import NOISE, OPENOCC_CLASSES, Taxonomy

INFO_VERSION = '2.1'
"""Increased when the content of an index changes its meaning; 2.0 has paths from the dataroot, labels and the rig, 2.1
the class of a box as ``occupancy_class``."""

DETECTION_CLASSES = OPENOCC_CLASSES[:10]
"""Classes of boxes in the order of nuScenes detection, mmdet3d's ``bbox_label_3d``."""

NO_VELOCITY_AFTER_S = 1.5
"""No velocity is computed from annotations further apart than this (nuscenes-devkit's ``max_time_diff``)."""


def metainfo(version: str, taxonomy: Taxonomy | None = None, rig: Rig | None = None) -> dict:
    """Entries of an index that apply to all its keyframes.

    Args:
        version: e.g. ``v1.0-trainval``.
        taxonomy: the categories; those of nuScenes by default.
        rig: the sensors; those of nuScenes by default.

    Returns:
        mmdet3d's keys, with ``categories`` for the numbers of boxes; ``label_names`` and ``palette`` of the labels 0-17
        and ``category_labels``, see :mod:`project.label_set`; ``rig``, see :func:`rig_of`.
    """
    taxonomy, rig = taxonomy or Taxonomy.nuscenes(), rig or Rig.nuscenes()
    names = LabelSet.of(taxonomy).names
    lidars = [{'name': lidar.name, **_plain(asdict(lidar.points))} for lidar in rig.lidars]
    content = {
        'dataset': 'nuscenes',
        'version': version,
        'info_version': INFO_VERSION,
        'categories': {names[label]: number for number, label in enumerate(_box_labels(taxonomy))},
        **LabelSet.of(taxonomy).as_dict(),
        'category_labels': category_labels(taxonomy),
        'rig': {'cameras': list(rig.cameras), 'lidars': lidars},
    }
    return interned(content)


def rig_of(metainfo: dict) -> Rig:
    """The sensors that an index names: cameras in order, lidars and how their files hold points.

    How long a turn takes, which moment the time stamp of a sweep names, and whether points are deskewed matters where
    labels are made of sweeps. Those who read the index show the points of a keyframe as its file has them.
    """
    lidars = []
    for lidar in metainfo['rig']['lidars']:
        fields: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in lidar.items()
        }
        lidars.append(Lidar(fields.pop('name'), PointLayout(**fields)))
    return replace(Rig.nuscenes(metainfo['rig']['cameras']), lidars=tuple(lidars))


def _plain(fields: dict) -> dict:
    """Lists in place of tuples, as in the rest of the index."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def scene_infos(
    records: Sequence[KeyframeRecord], taxonomy: Taxonomy | None = None, rig: Rig | None = None
) -> list[dict]:
    """Entries of ``data_list`` for all keyframes of one scene, given in order of time.

    Beside mmdet3d's keys each has ``scene_name`` and ``scene_token``, ``prev`` and ``next`` (tokens of the neighbouring
    keyframes, empty at the ends), and ``occupancy_path``: file of each label format below the root of the labels. Each
    box has ``occupancy_class``, 0-16, and ``lidar_points`` the ``name`` of the lidar.

    Args:
        records: of the keyframes.
        taxonomy: gives boxes their labels; that of nuScenes by default.
        rig: the sensors; those of nuScenes by default.
    """
    box_labels = _BoxLabels(taxonomy or Taxonomy.nuscenes())
    columns = {lidar.name: len(lidar.points.columns) for lidar in (rig or Rig.nuscenes()).lidars}
    tokens = ['', *(record.keyframe.sample_token for record in records), '']
    velocities = _velocities(records)
    infos = []
    for i, record in enumerate(records):
        info = _keyframe_info(record, velocities[i], box_labels)
        info['lidar_points']['num_pts_feats'] = columns.get(record.lidar_name)
        info.update(prev=tokens[i], next=tokens[i + 2])
        infos.append(info)
    return interned(infos)


def write(path: str | Path, infos: Sequence[dict], metainfo: dict) -> None:
    """Save the infos of whole scenes, one scene after the other; the same infos give the same bytes.

    Args:
        path: ``.../nuscenes_infos_train.pkl`` or ``..._val.pkl``; written aside and renamed.
        infos: entries that :func:`scene_infos` made.
        metainfo: what :func:`metainfo` made.
    """
    data_list = [{'sample_idx': index, **info} for index, info in enumerate(infos)]
    with written_whole(path) as file:
        pickle.dump({'metainfo': metainfo, 'data_list': data_list}, file, protocol=4)


class OldIndexError(UserError):
    """An index of an earlier version, whose entries mean or are called something else."""


def read(path: str | Path) -> dict:
    """``{'metainfo': ..., 'data_list': [...]}`` that :func:`write` saved.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or was not written by this project.
        OldIndexError: it was written by an earlier version of this project.
    """
    at_hand(path)
    with named_errors(path, 'an index of keyframes that data_converter.py wrote'):
        with open(path, 'rb') as file:
            content = load_plain(file)
        entries = content.get('data_list') if isinstance(content, dict) else None
        if entries is None or not all('occupancy_path' in info for info in entries[:1]):
            raise ValueError('it has no "data_list" of keyframes with an "occupancy_path"')
    if content.get('metainfo', {}).get('info_version') != INFO_VERSION:
        raise OldIndexError(
            f'{path}: an index of an earlier version, whose entries say other things; '
            'run data_converter.py again, which writes a new one'
        )
    return content


def keyframe(info: dict) -> Keyframe:
    """The names of the keyframe that an entry of ``data_list`` describes."""
    lidar = info['lidar_points']
    file = info.get('label_file') or PurePath(lidar['lidar_path']).name
    return Keyframe(info['scene_name'], info['scene_token'], info['token'], lidar['sample_data_token'], file)


def _keyframe_info(record: KeyframeRecord, velocities: np.ndarray, box_labels: '_BoxLabels') -> dict:
    keyframe = record.keyframe
    global_from_lidar = record.global_from_ego @ record.ego_from_lidar
    return {
        'token': keyframe.sample_token,
        'timestamp': record.timestamp_us / 1e6,
        'ego2global': record.global_from_ego.tolist(),
        'lidar_points': {
            'lidar_path': record.lidar_path or keyframe.lidar_file,
            'name': record.lidar_name,
            'lidar2ego': record.ego_from_lidar.tolist(),
            'sample_data_token': keyframe.lidar_token,
        },
        'images': {name: _image_info(camera, global_from_lidar) for name, camera in record.cameras.items()},
        'instances': _instances(record.boxes, global_from_lidar, velocities, box_labels),
        'scene_name': keyframe.scene_name,
        'scene_token': keyframe.scene_token,
        **_label_file(record),
        'occupancy_path': {name: module.path(keyframe).as_posix() for name, module in FORMATS.items()},
    }


def _label_file(record: KeyframeRecord) -> dict[str, str]:
    """The name that labels are called by where that is not the lidar file's."""
    name = record.keyframe.lidar_file
    return {} if name == PurePath(record.lidar_path or name).name else {'label_file': name}


def _image_info(camera: CameraRecord, global_from_lidar: np.ndarray) -> dict:
    # The car moves between the sweep and the image, so the transform uses both ego poses.
    camera_from_lidar = np.linalg.inv(camera.global_from_ego @ camera.ego_from_camera) @ global_from_lidar
    size = {} if camera.size_px is None else dict(zip(('width', 'height'), map(int, camera.size_px), strict=True))
    return {
        'img_path': camera.file,
        **size,
        'sample_data_token': camera.token,
        'timestamp': camera.timestamp_us / 1e6,
        'cam2img': camera.camera_matrix.tolist(),
        'cam2ego': camera.ego_from_camera.tolist(),
        'lidar2cam': camera_from_lidar.tolist(),
    }


def _instances(
    boxes: BoxRecords, global_from_lidar: np.ndarray, velocities: np.ndarray, box_labels: '_BoxLabels'
) -> list[dict]:
    lidar_from_box = np.linalg.inv(global_from_lidar) @ boxes.global_from_box
    yaw = np.arctan2(lidar_from_box[:, 1, 0], lidar_from_box[:, 0, 0])
    boxes_3d = np.column_stack([lidar_from_box[:, :3, 3], boxes.sizes, yaw])
    local_velocities = velocities @ global_from_lidar[:3, :3]
    instances = []
    for i, category in enumerate(boxes.categories):
        label = box_labels.number(category)
        points = int(boxes.num_lidar_pts[i]), int(boxes.num_radar_pts[i])
        instances.append(
            {
                'bbox_label': label,
                'bbox_label_3d': label,
                # Not named label: mmdet3d takes the values of all keys with this word for its own numbers.
                'occupancy_class': box_labels.label(category),
                'bbox_3d': boxes_3d[i].tolist(),
                # A negative number means that points were not counted.
                'bbox_3d_isvalid': any(points),
                'velocity': local_velocities[i, :2].tolist(),
                'num_lidar_pts': points[0],
                'num_radar_pts': points[1],
            }
        )
    return instances


def _box_labels(taxonomy: Taxonomy) -> list[int]:
    """Labels of things with boxes, in the order in which boxes count: that of nuScenes detection, then by label."""
    movable = taxonomy.label_of[: taxonomy.static.start].tolist()
    order = {name: number for number, name in enumerate(DETECTION_CLASSES)}
    return sorted(set(movable) - {NOISE}, key=lambda label: (order.get(taxonomy.labels[label], len(order)), label))


class _BoxLabels:
    """Label of each category, and its number among the classes of boxes."""

    def __init__(self, taxonomy: Taxonomy):
        self._labels = category_labels(taxonomy)
        self._order = _box_labels(taxonomy)

    def label(self, category: str) -> int:
        """Label 0-16."""
        return self._labels.get(category, NOISE)

    def number(self, category: str) -> int:
        """Place in the ``categories`` of the index, -1 for none."""
        label = self.label(category)
        return self._order.index(label) if label in self._order else -1


def _velocities(records: Sequence[KeyframeRecord]) -> list[np.ndarray]:
    """(B, 3) velocity of each keyframe's boxes, global frame, m/s; NaN where not known.

    From the neighbouring annotations of the object where these are close in time, as nuscenes-devkit has it.
    """
    history: dict[str, list[tuple[int, int]]] = {}
    for k, record in enumerate(records):
        for b, instance in enumerate(record.boxes.instances):
            history.setdefault(instance, []).append((k, b))
    velocities = [np.full((len(record.boxes.instances), 3), np.nan) for record in records]
    for places in history.values():
        times = np.array([records[k].timestamp_us for k, _ in places]) / 1e6
        centres = np.array([records[k].boxes.global_from_box[b, :3, 3] for k, b in places])
        for i, (k, b) in enumerate(places):
            first, last = max(i - 1, 0), min(i + 1, len(places) - 1)
            elapsed = times[last] - times[first]
            if 0 < elapsed <= NO_VELOCITY_AFTER_S * (last - first):
                velocities[k][b] = (centres[last] - centres[first]) / elapsed
    return velocities


def interned(value):
    """The same plain data with one object for each distinct string.

    Pickle writes equal strings and the same string differently, but the origin of strings must not change the bytes.
    """
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {sys.intern(key): interned(item) for key, item in value.items()}
    return [interned(item) for item in value] if isinstance(value, list) else value
