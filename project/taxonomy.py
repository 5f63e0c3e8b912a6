"""Classes, raw-to-learning maps, palettes, cameras: the only lists of names in the project.

Labels are 0 = noise / other, 1-16 = the classes below, 17 = free; 255 = unobserved where a format has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

NOISE = 0
FREE = 17
UNOBSERVED = 255
MOST_CATEGORIES = 254
"""They are numbered from 0 in bytes; label making uses the last two values for points without a category."""

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
"""Lidarseg index of the own vehicle."""

LEARNING_MAP = (0, 0, 7, 7, 7, 0, 7, 0, 0, 1, 0, 0, 8, 0, 2, 3, 3, 4, 5, 0, 0, 6, 9, 10, 11, 12, 13, 14, 15, 0, 16, 0)
"""Label 0-16 of each lidarseg index 0-31: the mapping of the nuScenes-lidarseg challenge."""

OPENOCC_CLASSES = (
    'car', 'truck', 'trailer', 'bus', 'construction_vehicle', 'bicycle', 'motorcycle', 'pedestrian', 'traffic_cone',
    'barrier', 'driveable_surface', 'other_flat', 'sidewalk', 'terrain', 'manmade', 'vegetation', 'free',
)  # fmt: skip
"""Class order of OpenOcc v2 (OccNet)."""

MOVING = tuple(LABEL_NAMES.index(name) for name in OPENOCC_CLASSES[:8])
"""Labels of things that move by themselves: their velocity is scored, and their objects are told apart."""

CAMERAS = ('CAM_FRONT', 'CAM_FRONT_RIGHT', 'CAM_FRONT_LEFT', 'CAM_BACK', 'CAM_BACK_LEFT', 'CAM_BACK_RIGHT')
"""Cameras of nuScenes in the order in which the images of a keyframe are listed, mmdet3d's."""

PALETTE = np.array([
    (0, 0, 0), (112, 128, 144), (220, 20, 60), (255, 127, 80), (255, 158, 0), (233, 150, 70), (255, 61, 99),
    (0, 0, 230), (47, 79, 79), (255, 140, 0), (255, 99, 71), (0, 207, 191), (175, 0, 75), (75, 0, 75), (112, 180, 60),
    (222, 184, 135), (0, 175, 0), (255, 255, 255),
], np.uint8)  # fmt: skip
"""(18, 3) uint8 RGB of each label, the colours of nuScenes-lidarseg."""


@dataclass(frozen=True)
class Taxonomy:
    """The categories of a recording's points and boxes, and the labels that they become.

    Categories are numbered so that each kind is a run: noise (0), then everything that can move, then ground, then the
    rest of the static world. The own vehicle may follow.

    Attributes:
        categories: name of each category; at most 254, ``categories[0]`` being noise.
        ground: categories of flat surfaces that objects stand on.
        static: categories of the static world; starts with those of `ground`.
        porous: static categories without flat surfaces, such as vegetation.
        own_vehicle: category of the own vehicle; None if no points are labelled as such.
        labels: name of each label, ``labels[0]`` being noise; at most 17.
        label_of: (256,) uint8 label of each category; 0 for numbers that are no category.
        palette: (18, 3) uint8 RGB of each label, the last one free.
        symmetric: categories of boxes whose left and right sides are alike, as those of vehicles.
    """

    categories: tuple[str, ...]
    ground: range
    static: range
    porous: frozenset[int]
    own_vehicle: int | None
    labels: tuple[str, ...]
    label_of: np.ndarray
    palette: np.ndarray
    symmetric: frozenset[int] = frozenset()

    @classmethod
    def nuscenes(cls) -> 'Taxonomy':
        """The 32 categories of nuScenes-lidarseg and their 16 classes."""
        return cls(
            categories=RAW_NAMES,
            ground=range(24, 28),
            static=RAW_STATIC,
            porous=frozenset([RAW_NAMES.index('static.vegetation')]),
            symmetric=frozenset(raw for raw, name in enumerate(RAW_NAMES) if _has_like_sides(name)),
            own_vehicle=RAW_EGO,
            labels=('noise', *CLASSES),
            label_of=_padded(LEARNING_MAP),
            palette=PALETTE,
        )


def is_colour(value: object) -> bool:
    """Whether a value of a YAML file is a colour: three whole numbers from 0 to 255."""
    return (
        isinstance(value, list | tuple) and len(value) == 3
        and all(type(part) is int and 0 <= part <= 255 for part in value)
    )  # fmt: skip


def _has_like_sides(name: str) -> bool:
    """Whether left and right sides of a nuScenes category are alike; an excavator's arm is on one side."""
    return name.startswith('vehicle.') and name not in ('vehicle.construction', 'vehicle.ego')


def _padded(labels: Sequence[int]) -> np.ndarray:
    return np.array([*labels, *[NOISE] * (256 - len(labels))], np.uint8)
