"""The tables of nuScenes: rows as lists of dicts, tokens that depend on nothing but what they name."""

import hashlib
import json
from pathlib import Path

import numpy as np

from project.geometry.rigid import quaternion, rotation_matrices
from project.synthetic.rig import SyntheticRig
from project.taxonomy import RAW_NAMES

TABLES = (
    'category',
    'attribute',
    'visibility',
    'instance',
    'sensor',
    'calibrated_sensor',
    'ego_pose',
    'log',
    'scene',
    'sample',
    'sample_data',
    'sample_annotation',
    'map',
    'lidarseg',
)

ATTRIBUTES = {
    'vehicle.moving': 'Vehicle is moving.',
    'vehicle.stopped': 'Vehicle stands for a moment.',
    'vehicle.parked': 'Vehicle is parked.',
    'cycle.with_rider': 'Somebody rides it.',
    'cycle.without_rider': 'Nobody rides it.',
    'pedestrian.standing': 'Pedestrian stands.',
    'pedestrian.moving': 'Pedestrian walks.',
}
VISIBILITIES = {'1': (0.0, 'v0-40'), '2': (0.4, 'v40-60'), '3': (0.6, 'v60-80'), '4': (0.8, 'v80-100')}
"""Lowest visible share and level name of each visibility token."""


def token(*names: object) -> str:
    """32 lowercase hex digits that name something: the same for the same names."""
    return hashlib.md5('/'.join(map(str, names)).encode()).hexdigest()


def visibility_token(share: float) -> str:
    """Token of the visibility level of a visible share."""
    return max(key for key, (lowest, _) in VISIBILITIES.items() if share >= lowest)


def fixed_tables(sensors: SyntheticRig, full_width_px: int) -> dict[str, list[dict]]:
    """Tables that do not depend on the scenes: categories, attributes, visibilities and sensors.

    Args:
        sensors: those of the ego car.
        full_width_px: width of images of the full size.
    """
    cameras = [
        dict(
            token=token('calibrated_sensor', channel),
            sensor_token=token('sensor', channel),
            translation=list(camera.translation),
            rotation=list(map(float, camera.rotation)),
            camera_intrinsic=camera.intrinsic(full_width_px).tolist(),
        )
        for channel, camera in sensors.cameras.items()
    ]
    lidars = [
        dict(
            token=token('calibrated_sensor', channel),
            sensor_token=token('sensor', channel),
            translation=list(lidar.translation),
            rotation=quaternion(rotation_matrices(np.array(lidar.rotation))),
            camera_intrinsic=[],
        )
        for channel, lidar in sensors.lidars.items()
    ]
    channels = dict.fromkeys(sensors.lidars, 'lidar') | dict.fromkeys(sensors.cameras, 'camera')
    return {
        'category': [
            dict(token=token('category', name), name=name, description=name, index=index)
            for index, name in enumerate(RAW_NAMES)
        ],
        'attribute': [
            dict(token=token('attribute', name), name=name, description=text) for name, text in ATTRIBUTES.items()
        ],
        'visibility': [
            dict(token=key, level=level, description=f'visible share from {lowest:.0%}')
            for key, (lowest, level) in VISIBILITIES.items()
        ],
        'sensor': [
            dict(token=token('sensor', channel), channel=channel, modality=modality)
            for channel, modality in channels.items()
        ],
        'calibrated_sensor': [*lidars, *cameras],
    }


def link(rows: list[dict]) -> None:
    """Chain rows by their `prev` and `next` tokens, in order."""
    tokens = ['', *(row['token'] for row in rows), '']
    for number, row in enumerate(rows):
        row['prev'], row['next'] = tokens[number], tokens[number + 2]


def pose_row(name: str, timestamp_us: int, matrix) -> dict:
    """Row of the ego_pose table from a (4, 4) global_from_ego."""
    return dict(
        token=name, timestamp=timestamp_us, rotation=quaternion(matrix[:3, :3]), translation=matrix[:3, 3].tolist()
    )


def write_tables(folder: Path, tables: dict[str, list[dict]]) -> None:
    """Write every table as ``NAME.json``; an empty one where there are no rows."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in TABLES:
        (folder / f'{name}.json').write_text(json.dumps(tables.get(name, []), indent=0))
