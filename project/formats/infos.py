"""``nuscenes_infos_{train,val}.pkl``: the index of keyframes that training reads, in mmdet3d's v2 schema.

A source of recordings fills a :class:`KeyframeRecord` a keyframe; :func:`scene_infos` turns the records of a scene
into the entries of ``data_list``, and :func:`write` saves them. File names carry no folders, as mmdet3d has it.
"""

import pickle
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath

import numpy as np

from project.formats import FORMATS
from project.formats.common import named_errors, written_whole
from project.formats.pickles import load_plain
from project.sources.records import BoxRecords, CameraRecord, Keyframe, KeyframeRecord
from project.taxonomy import CLASSES, LEARNING_MAP, OPENOCC_CLASSES, RAW_NAMES

DETECTION_CLASSES = OPENOCC_CLASSES[:10]
"""Classes of boxes in the order of nuScenes detection, mmdet3d's ``bbox_label_3d``."""

NO_VELOCITY_AFTER_S = 1.5
"""Annotations further apart than this tell nothing about velocity (nuscenes-devkit's ``max_time_diff``)."""


def scene_infos(records: Sequence[KeyframeRecord]) -> list[dict]:
    """Entries of ``data_list`` for all keyframes of one scene, given in order of time.

    Beside mmdet3d's keys each has ``scene_name`` and ``scene_token``, ``prev`` and ``next`` (tokens of the neighbouring
    keyframes, empty at the ends), and ``occupancy_path``: file of each label format below the root of the labels.
    """
    tokens = ['', *(record.keyframe.sample_token for record in records), '']
    velocities = _velocities(records)
    infos = []
    for i, record in enumerate(records):
        info = _keyframe_info(record, velocities[i])
        info.update(prev=tokens[i], next=tokens[i + 2])
        infos.append(info)
    return _interned(infos)


def write(path: str | Path, infos: Sequence[dict], version: str) -> None:
    """Save the infos of whole scenes, one scene after the other; the same infos give the same bytes.

    Args:
        path: ``.../nuscenes_infos_train.pkl`` or ``..._val.pkl``; written aside and renamed.
        infos: entries that :func:`scene_infos` made.
        version: e.g. ``v1.0-trainval``.
    """
    categories = {name: label for label, name in enumerate(DETECTION_CLASSES)}
    metainfo = {'dataset': 'nuscenes', 'version': version, 'info_version': '1.1', 'categories': categories}
    data_list = [{'sample_idx': index, **info} for index, info in enumerate(infos)]
    with written_whole(path) as file:
        pickle.dump({'metainfo': metainfo, 'data_list': data_list}, file, protocol=4)


def read(path: str | Path) -> dict:
    """``{'metainfo': ..., 'data_list': [...]}`` that :func:`write` saved.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or was not written by this project.
    """
    with named_errors(path, 'an index of keyframes that data_converter.py wrote'):
        with open(path, 'rb') as file:
            content = load_plain(file)
        entries = content.get('data_list') if isinstance(content, dict) else None
        if entries is None or not all('occupancy_path' in info for info in entries[:1]):
            raise ValueError('it has no "data_list" of keyframes with an "occupancy_path"')
        return content


def keyframe(info: dict) -> Keyframe:
    """The names of the keyframe that an entry of ``data_list`` describes."""
    lidar = info['lidar_points']
    file = PurePath(lidar['lidar_path']).name
    return Keyframe(info['scene_name'], info['scene_token'], info['token'], lidar['sample_data_token'], file)


def _keyframe_info(record: KeyframeRecord, velocities: np.ndarray) -> dict:
    keyframe = record.keyframe
    global_from_lidar = record.global_from_ego @ record.ego_from_lidar
    return {
        'token': keyframe.sample_token,
        'timestamp': record.timestamp_us / 1e6,
        'ego2global': record.global_from_ego.tolist(),
        'lidar_points': {
            'num_pts_feats': 5,
            'lidar_path': keyframe.lidar_file,
            'lidar2ego': record.ego_from_lidar.tolist(),
            'sample_data_token': keyframe.lidar_token,
        },
        'images': {name: _image_info(camera, global_from_lidar) for name, camera in record.cameras.items()},
        'instances': _instances(record.boxes, global_from_lidar, velocities),
        'scene_name': keyframe.scene_name,
        'scene_token': keyframe.scene_token,
        'occupancy_path': {name: module.path(keyframe).as_posix() for name, module in FORMATS.items()},
    }


def _image_info(camera: CameraRecord, global_from_lidar: np.ndarray) -> dict:
    # The car moves between the sweep and the image, so the way leads through both ego poses.
    camera_from_lidar = np.linalg.inv(camera.global_from_ego @ camera.ego_from_camera) @ global_from_lidar
    return {
        'img_path': PurePath(camera.file).name,
        'sample_data_token': camera.token,
        'timestamp': camera.timestamp_us / 1e6,
        'cam2img': camera.camera_matrix.tolist(),
        'cam2ego': camera.ego_from_camera.tolist(),
        'lidar2cam': camera_from_lidar.tolist(),
    }


def _instances(boxes: BoxRecords, global_from_lidar: np.ndarray, velocities: np.ndarray) -> list[dict]:
    lidar_from_box = np.linalg.inv(global_from_lidar) @ boxes.global_from_box
    yaw = np.arctan2(lidar_from_box[:, 1, 0], lidar_from_box[:, 0, 0])
    boxes_3d = np.column_stack([lidar_from_box[:, :3, 3], boxes.sizes, yaw])
    local_velocities = velocities @ global_from_lidar[:3, :3]
    instances = []
    for i, category in enumerate(boxes.categories):
        label = _detection_label(category)
        points = int(boxes.num_lidar_pts[i]), int(boxes.num_radar_pts[i])
        instances.append(
            {
                'bbox_label': label,
                'bbox_label_3d': label,
                'bbox_3d': boxes_3d[i].tolist(),
                'bbox_3d_isvalid': sum(points) > 0,
                'velocity': local_velocities[i, :2].tolist(),
                'num_lidar_pts': points[0],
                'num_radar_pts': points[1],
            }
        )
    return instances


def _detection_label(category: str) -> int:
    label = LEARNING_MAP[RAW_NAMES.index(category)] if category in RAW_NAMES else 0
    return DETECTION_CLASSES.index(CLASSES[label - 1]) if label else -1


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


def _interned(value):
    """The same plain data with one object for each distinct string.

    Pickle writes equal strings and the same string differently, and where strings come from must not show in the bytes.
    """
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {sys.intern(key): _interned(item) for key, item in value.items()}
    return [_interned(item) for item in value] if isinstance(value, list) else value
