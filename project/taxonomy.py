"""Classes, raw-to-learning maps, palettes, cameras: the only lists of names in the project.

Labels are 0 = noise / other, 1-16 = the classes below, 17 = free; 255 = unobserved where a format has it.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

NOISE = 0
FREE = 17
UNOBSERVED = 255

CLASSES = (
    'barrier', 'bicycle', 'bus', 'car', 'construction_vehicle', 'motorcycle', 'pedestrian', 'traffic_cone', 'trailer',
    'truck', 'driveable_surface', 'other_flat', 'sidewalk', 'terrain', 'manmade', 'vegetation',
)  # fmt: skip
"""The 16 semantic classes; the label of ``CLASSES[i]`` is ``i + 1``."""

LABEL_NAMES = ('noise', *CLASSES, 'free')
"""Name of each label 0-17."""

MOVABLE = frozenset(range(1, 11))
"""Labels of things that can move (and are annotated with boxes)."""

GROUND = frozenset(range(11, 15))
"""Labels of flat surfaces that objects stand on."""

RAW_NAMES = (
    'noise', 'animal', 'human.pedestrian.adult', 'human.pedestrian.child', 'human.pedestrian.construction_worker',
    'human.pedestrian.personal_mobility', 'human.pedestrian.police_officer', 'human.pedestrian.stroller',
    'human.pedestrian.wheelchair', 'movable_object.barrier', 'movable_object.debris',
    'movable_object.pushable_pullable', 'movable_object.trafficcone', 'static_object.bicycle_rack',
    'vehicle.bicycle', 'vehicle.bus.bendy',
    'vehicle.bus.rigid', 'vehicle.car', 'vehicle.construction', 'vehicle.emergency.ambulance',
    'vehicle.emergency.police', 'vehicle.motorcycle', 'vehicle.trailer', 'vehicle.truck', 'flat.driveable_surface',
    'flat.other', 'flat.sidewalk', 'flat.terrain', 'static.manmade', 'static.other', 'static.vegetation', 'vehicle.ego',
)  # fmt: skip
"""Category name of each lidarseg index 0-31, as in the category table of nuScenes-lidarseg."""

RAW_STATIC = range(24, 31)
"""Lidarseg indices that belong to the static world (flat.* and static.*)."""

RAW_EGO = 31
"""Lidarseg index of the vehicle that carries the sensors."""

LEARNING_MAP = (0, 0, 7, 7, 7, 0, 7, 0, 0, 1, 0, 0, 8, 0, 2, 3, 3, 4, 5, 0, 0, 6, 9, 10, 11, 12, 13, 14, 15, 0, 16, 0)
"""Label 0-16 of each lidarseg index 0-31: the mapping of the nuScenes-lidarseg challenge."""

OPENOCC_CLASSES = (
    'car', 'truck', 'trailer', 'bus', 'construction_vehicle', 'bicycle', 'motorcycle', 'pedestrian', 'traffic_cone',
    'barrier', 'driveable_surface', 'other_flat', 'sidewalk', 'terrain', 'manmade', 'vegetation', 'free',
)  # fmt: skip
"""Class order of OpenOcc v2 (OccNet)."""

CAMERAS = ('CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_FRONT_LEFT', 'CAM_BACK', 'CAM_BACK_LEFT', 'CAM_BACK_RIGHT')
"""Cameras of nuScenes in the order in which the images of a keyframe are listed, mmdet3d's."""

PALETTE = np.array([
    (0, 0, 0), (112, 128, 144), (220, 20, 60), (255, 127, 80), (255, 158, 0), (233, 150, 70), (255, 61, 99),
    (0, 0, 230), (47, 79, 79), (255, 140, 0), (255, 99, 71), (0, 207, 191), (175, 0, 75), (75, 0, 75), (112, 180, 60),
    (222, 184, 135), (0, 175, 0), (255, 255, 255),
], np.uint8)  # fmt: skip
"""(18, 3) uint8 RGB of each label, the colours of nuScenes-lidarseg."""


@dataclass(frozen=True)
class LabelMapping:
    """How raw lidarseg indices become labels.

    Attributes:
        names: name of each label, ``names[0]`` being noise.
        learning_map: (32,) uint8, label of each lidarseg index 0-31.
    """

    names: tuple[str, ...]
    learning_map: np.ndarray

    @classmethod
    def default(cls) -> 'LabelMapping':
        """The 16 classes of nuScenes-lidarseg."""
        return cls(('noise', *CLASSES), np.array(LEARNING_MAP, np.uint8))

    @classmethod
    def from_yaml(cls, path: str | Path) -> 'LabelMapping':
        """Read a YAML with ``learning_map`` (raw index: label) and, optionally, ``labels_16`` (label: name) and
        ``labels`` (raw index: name), which must then be the names of nuScenes-lidarseg.

        Raises:
            ValueError: the file is no such YAML, misses an index 0-31 or holds a label outside 0-16.
        """
        try:
            content = yaml.safe_load(Path(path).read_bytes())
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise ValueError(f'{path}: not a YAML file ({error})') from None
        if not isinstance(content, dict) or 'learning_map' not in content:
            raise ValueError(f'{path}: needs the key "learning_map", a label for each lidarseg index')
        mapping = _table(content, 'learning_map', path)
        missing = [raw for raw in range(len(RAW_NAMES)) if raw not in mapping]
        if missing:
            raise ValueError(f'{path}: learning_map has no entry for the lidarseg indices {missing}')
        learned = [mapping[raw] for raw in range(len(RAW_NAMES))]
        wrong = [label for label in learned if type(label) is not int or not 0 <= label <= len(CLASSES)]
        if wrong:
            raise ValueError(
                f'{path}: learning_map holds {wrong[0]}; labels are whole numbers from 0 to {len(CLASSES)}'
            )
        for raw, name in _table(content, 'labels', path).items():
            if raw not in range(len(RAW_NAMES)) or RAW_NAMES[raw] != name:
                raise ValueError(f'{path}: labels has {raw}: {name}, which is not how nuScenes-lidarseg counts')
        named = _table(content, 'labels_16', path)
        names = tuple(str(named.get(label, default)) for label, default in enumerate(('noise', *CLASSES)))
        return cls(names, np.array(learned, np.uint8))


def _table(content: dict, key: str, path: str | Path) -> dict:
    table = content.get(key, {})
    if not isinstance(table, dict):
        raise ValueError(f'{path}: {key} must be a table such as "0: noise", not {table}')
    return table
