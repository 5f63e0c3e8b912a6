"""A synthetic world as a folder of recordings: points as turning lidars measure them, and ``scene.json`` files."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from project.geometry.rigid import quaternion
from project.synthetic.lidar import SyntheticSweep
from project.synthetic.rig import KEYFRAME_US
from project.synthetic.scene import SyntheticScene, build_scene
from project.synthetic.scene_rows import keyframe_time, sweeps_between, tracks
from project.synthetic.world_settings import MINI_VAL, TAXONOMY_FILE, WorldSettings
from project.taxonomy import LABEL_NAMES, LEARNING_MAP, RAW_EGO, RAW_NAMES, RAW_STATIC

COLUMNS = ('x', 'y', 'z', 'intensity', 'ring', 'time')

POSE_US = 10_000
"""Time between the given poses of the car."""


def sensor_file(scene: SyntheticScene, channel: str, timestamp_us: int, keyframe: bool) -> str:
    """Path of a sensor reading's file below the world's folder."""
    return f'{_name(scene)}/{_within(scene, channel, timestamp_us)}'


def category_file(scene: SyntheticScene, channel: str, timestamp_us: int) -> str:
    """Path of the file with the category of each point of a sweep."""
    return f'{_name(scene)}/{_categories(channel, timestamp_us)}'


def columns(sweep: SyntheticSweep) -> np.ndarray:
    """(N, 6) float32, what a file of points holds: :data:`COLUMNS`."""
    return np.column_stack([sweep.measured, sweep.points[:, 3:], sweep.times_s]).astype(np.float32)


def describe(root: Path, settings: WorldSettings, counts: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
    """Write the ``scene.json`` of each scene, and the taxonomy; nothing that was counted is in them.

    Args:
        root: folder of the world.
        settings: what it contains.
        counts: as for :func:`project.synthetic.nuscenes_files.describe`.
    """
    for index in range(settings.scenes):
        scene = build_scene(settings, index)
        (root / _name(scene) / 'scene.json').write_text(json.dumps(_description(scene), indent=1))
    (root / TAXONOMY_FILE).write_text(yaml.safe_dump(_taxonomy(), sort_keys=False))


def _description(scene: SyntheticScene) -> dict:
    last = scene.settings.keyframes - 1
    first_us, last_us = -max(lidar.period_us for lidar in scene.rig.lidars.values()), last * KEYFRAME_US
    sweeps = [(channel, scene.rig.lidars[channel], number) for channel, number in sweeps_between(scene, 0, last)]
    return {
        'lidars': {
            channel: {
                'ego_from_lidar': _pose(lidar.ego_from_lidar),
                'columns': COLUMNS,
                'deskewed': False,
                'period_s': lidar.period_us / 1e6,
            }
            for channel, lidar in scene.rig.lidars.items()
        },
        'cameras': {
            channel: {
                'ego_from_camera': _pose(camera.ego_from_camera),
                'matrix': camera.intrinsic(scene.settings.image_size[0]).tolist(),
                'size_px': camera.size_px(scene.settings.image_size),
            }
            for channel, camera in scene.rig.cameras.items()
        },
        'poses': [
            _dated(scene, time_us / 1e6) | _pose(scene.global_from_ego(time_us / 1e6))
            for time_us in range(first_us, last_us + POSE_US, POSE_US)
        ],
        'sweeps': [
            _reading(scene, 'lidar', channel, lidar.time(number))
            | ({'categories': _categories(channel, scene.timestamp_us(lidar.time(number)))}
               if lidar.is_keyframe(number) else {})
            for channel, lidar, number in sweeps
        ],
        'images': [
            _reading(scene, 'camera', channel, keyframe_time(keyframe) + camera.delay_us * 1e-6)
            for keyframe in range(last + 1)
            for channel, camera in scene.rig.cameras.items()
        ] if scene.settings.images else [],
        'boxes': _boxes(scene),
        'keyframes_us': [scene.timestamp_us(keyframe_time(keyframe)) for keyframe in range(last + 1)],
        'split': 'val' if _name(scene) in MINI_VAL else 'train',
    }  # fmt: skip


def _boxes(scene: SyntheticScene) -> list[dict]:
    boxes = []
    for index, keyframes in tracks(scene).items():
        shape = scene.shape(index)
        width, length, height = map(float, shape.size)
        for keyframe in keyframes:
            time = keyframe_time(keyframe)
            box = {'track': str(index), 'category': RAW_NAMES[shape.raw], 'size': [length, width, height]}
            boxes.append(_dated(scene, time) | box | _pose(scene.global_from_box(index, time)))
    return boxes


def _taxonomy() -> dict:
    """The categories in the order in which files of categories count them."""
    label = {name: LABEL_NAMES[number] for name, number in zip(RAW_NAMES, LEARNING_MAP, strict=True)}
    kinds = {
        'movable': RAW_NAMES[1 : RAW_STATIC.start],
        'ground': RAW_NAMES[RAW_STATIC.start : RAW_NAMES.index('static.manmade')],
        'static': RAW_NAMES[RAW_NAMES.index('static.manmade') : RAW_EGO],
    }
    return {kind: {name: label[name] for name in names} for kind, names in kinds.items()} | {
        'porous': ['static.vegetation'],
        'own_vehicle': RAW_NAMES[RAW_EGO],
    }


def _reading(scene: SyntheticScene, sensor: str, channel: str, time: float) -> dict:
    return {sensor: channel} | _dated(scene, time) | {'file': _within(scene, channel, scene.timestamp_us(time))}


def _dated(scene: SyntheticScene, time: float) -> dict:
    return {'timestamp_us': scene.timestamp_us(time)}


def _pose(matrix: np.ndarray) -> dict:
    return {'translation': matrix[:3, 3].tolist(), 'rotation': quaternion(matrix[:3, :3])}


def _name(scene: SyntheticScene) -> str:
    return scene.settings.names[scene.index]


def _within(scene: SyntheticScene, channel: str, timestamp_us: int) -> str:
    """Path of a reading's file below the folder of its scene."""
    ending = 'bin' if channel in scene.rig.lidars else 'jpg'
    return f'{channel}/{timestamp_us}.{ending}'


def _categories(channel: str, timestamp_us: int) -> str:
    return f'{channel}_categories/{timestamp_us}.bin'
