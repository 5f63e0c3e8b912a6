"""Checks that lidarseg and boxes tell of the same objects: files of other sweeps, or with other numbers, parse, too."""

from collections.abc import Iterable

import numpy as np

from project.errors import UserError
from project.labels.aggregation.boxes import Boxes
from project.labels.aggregation.sweeps import Points
from project.sources.base import Scene
from project.taxonomy import NOISE

FEWEST_POINTS = 300
"""Fewer points in boxes of a scene say nothing."""

LEAST_AGREEING = 0.25
"""Share of the points in boxes, those of the ground not counted, that have the label of their box: 98.7 % in a real
sequence of nuScenes; still most of them where lidarseg is a model's guess."""


def points_agreeing(scene: Scene, points: Points, boxes: Boxes, box: np.ndarray) -> np.ndarray:
    """How many labelled points in boxes have the label of their box, and how many there are.

    Args:
        scene: the scene.
        points: N labelled points.
        boxes: at their time.
        box: (N,) the box of each, -1 outside.

    Returns:
        (2,) int64.
    """
    kinds = scene.taxonomy
    counted = (box >= 0) & (points.raw != NOISE) & ~np.isin(points.raw, kinds.ground)
    agrees = kinds.label_of[points.raw[counted]] == kinds.label_of[boxes.categories[box[counted]]]
    return np.array([agrees.sum(), counted.sum()])


def check_agreement(scene: Scene, counts: Iterable[np.ndarray]) -> None:
    """Refuse a scene whose lidarseg calls the objects in boxes something else.

    Args:
        scene: the scene.
        counts: what :func:`points_agreeing` gives for each keyframe.

    Raises:
        UserError: hardly any point has the category of its box.
    """
    agreeing, total = np.sum([*counts, np.zeros(2, np.int64)], axis=0)
    if total < FEWEST_POINTS or agreeing >= LEAST_AGREEING * total:
        return
    files = scene.dataroot / next(file for file in scene.label_files if file is not None)
    raise UserError(
        f'{files.parent}: of {total} points in boxes of {scene.name} they call only {agreeing / total:.0%} what '
        'the box is of, and nearly all should be: they belong to other sweeps, or their numbers are not those of '
        'category.json'
    )
