"""The annotated boxes of many keyframes, packed: v1.0-trainval has 1.1 million."""

from array import array
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np

from project.errors import UserError
from project.geometry.rigid import poses
from project.sources.nuscenes import schema
from project.sources.nuscenes.reader import read_table
from project.sources.records import BoxRecords

COUNT_UNKNOWN = -1
"""Number of points in a box if the table does not state it."""


@dataclass
class AnnotationTable:
    """B boxes in the order of their keyframes.

    Attributes:
        keyframes: number of each keyframe, by token.
        instances: token of each object.
        categories: category name of each object; empty if it is nowhere in the tables.
        keyframe_of, instance_of: (B,) int64 numbers of keyframe and object of each box.
        numbers: (B, 10) float64 translation, size (width, length, height), rotation w, x, y, z.
        points: (B, 2) int64 points of lidar and radar in the box.
        unknown: errors of boxes whose object is missing in the tables, by the token of their keyframe.
        left_out: sentences on boxes without a keyframe and on missing boxes.
    """

    keyframes: dict[str, int]
    instances: list[str]
    categories: list[str]
    keyframe_of: np.ndarray
    instance_of: np.ndarray
    numbers: np.ndarray
    points: np.ndarray
    unknown: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    @classmethod
    def empty(cls) -> 'AnnotationTable':
        """No boxes of no keyframes."""
        none = np.zeros(0, np.int64)
        return cls({}, [], [], none, none, np.zeros((0, 10)), np.zeros((0, 2), np.int64))

    @property
    def used_categories(self) -> frozenset[str]:
        """Names of the categories that objects have."""
        return frozenset(self.categories) - {''}

    def of(self, sample_tokens: Sequence[str]) -> list[BoxRecords]:
        """The boxes of some keyframes, each in the order of the table.

        Raises:
            UserError: a box cannot be used; the message names it.
        """
        unknown = [token for token in sample_tokens if token in self.unknown]
        if unknown:
            raise UserError(f'sample_annotation.json: keyframe {unknown[0]}: {self.unknown[unknown[0]]}')
        keyframes = np.array([self.keyframes[token] for token in sample_tokens])
        starts, ends = np.searchsorted(self.keyframe_of, [keyframes, keyframes + 1])
        chosen = [self._without_copies(*each) for each in zip(sample_tokens, starts, ends, strict=True)]
        rows = np.concatenate(chosen)
        self._check(rows)
        translations, sizes, rotations = np.split(self.numbers[rows], (3, 6), axis=1)
        global_from_box, sizes = poses(rotations, translations), sizes[:, [1, 0, 2]]
        cuts = np.cumsum([0, *map(len, chosen)])
        return [self._records(mine, global_from_box[first:last], sizes[first:last])
                for mine, (first, last) in zip(chosen, pairwise(cuts), strict=True)]  # fmt: skip

    def _records(self, rows: np.ndarray, global_from_box: np.ndarray, sizes: np.ndarray) -> BoxRecords:
        instances = self.instance_of[rows].tolist()
        return BoxRecords(
            instances=tuple([self.instances[i] for i in instances]),
            categories=tuple([self.categories[i] for i in instances]),
            global_from_box=global_from_box,
            sizes=sizes,
            num_lidar_pts=self.points[rows, 0],
            num_radar_pts=self.points[rows, 1],
        )

    def _without_copies(self, sample_token: str, start: int, end: int) -> np.ndarray:
        """Rows of a keyframe's boxes; of equal boxes, which merged tables have, only the first."""
        rows, instances = np.arange(start, end), self.instance_of[start:end]
        if len(set(instances.tolist())) == len(rows):
            return rows
        _, first, which = np.unique(instances, return_index=True, return_inverse=True)
        differing = (self.numbers[rows] != self.numbers[rows[first[which]]]).any(axis=1)
        if differing.any():
            raise UserError(
                f'sample_annotation.json: keyframe {sample_token} has two boxes of instance '
                f'{self.instances[instances[differing.argmax()]]} that differ'
            )
        return rows[np.sort(first)]

    def _check(self, rows: np.ndarray) -> None:
        sizes, rotations = self.numbers[rows, 3:6], self.numbers[rows, 6:]
        wrong = (sizes < 0).any(axis=1) | ~(np.abs(rotations).max(axis=1, initial=0) > 1e-6)
        if wrong.any():
            box = rows[wrong.argmax()]
            token, instance = list(self.keyframes)[self.keyframe_of[box]], self.instances[self.instance_of[box]]
            size, rotation = self.numbers[box, 3:6].tolist(), self.numbers[box, 6:].tolist()
            raise UserError(
                f'sample_annotation.json: the box of instance {instance} at keyframe {token} has the size {size} and '
                f'the rotation {rotation}; sizes are not negative, and rotations are quaternions w, x, y, z'
            )
        for instance in np.unique(self.instance_of[rows]):
            if not self.categories[instance]:
                token = self.instances[instance]
                raise UserError(f'instance.json: the category_token of {token} leads to no record of category.json')


def read_annotations(
    folder: Path,
    samples: Mapping[str, int],
    others: Container[str],
    categories: Sequence[schema.CategoryRow],
) -> AnnotationTable:
    """The boxes of some keyframes.

    Args:
        folder: folder of the tables.
        samples: times of the keyframes, by token.
        others: tokens of keyframes whose boxes are skipped.
        categories: the category table.

    Raises:
        UserError: a table is missing or damaged.
    """
    names = {category.token: category.name for category in categories}
    objects: dict[str, int] = {}
    category_of: list[str] = []
    kinds: dict[str, str] = {}
    for instances in read_table(folder, 'instance', schema.InstanceRow):
        for row in instances:
            if kinds.setdefault(row.token, row.category_token) != row.category_token:
                raise UserError(f'{folder / "instance.json"}: has two records of the token {row.token} that differ')
            if row.token not in objects:
                objects[row.token] = len(objects)
                category_of.append(names.get(row.category_token, ''))
    keyframes = {token: number for number, token in enumerate(samples)}
    unknown: dict[str, str] = {}
    boxed: set[str] = set()
    nowhere, left_out, whole, numbers, links = [], [], array('q'), array('d'), array('q')
    for rows in read_table(folder, 'sample_annotation', schema.AnnotationRow, 'sample_token' if others else '', others):
        for box in rows:
            boxed.add(box.instance_token)
            keyframe = box.sample_token or ''
            k = keyframes.get(keyframe)
            if k is None:
                if keyframe not in others:
                    nowhere.append(box.token)
                continue
            instance = objects.get(box.instance_token)
            if instance is None:
                unknown[keyframe] = (
                    f'the instance_token {box.instance_token} of the box {box.token} leads to no record of '
                    'instance.json'
                )
                continue
            lidar, radar = box.num_lidar_pts, box.num_radar_pts
            whole.extend(
                (k, instance, COUNT_UNKNOWN if lidar is None else lidar, COUNT_UNKNOWN if radar is None else radar)
            )
            numbers.extend(box.translation + box.size + box.rotation)
            links.extend((hash(box.token), hash(box.prev or ''), hash(box.next or '')))
    if nowhere:
        left_out.append(
            f'sample_annotation.json: {len(nowhere)} boxes are left out whose sample_token leads to no keyframe, '
            f'such as that of {nowhere[0]}'
        )
    if not others:
        left_out += _without_boxes(objects, boxed)
    table = np.array(whole, np.int64).reshape(-1, 4)
    notes, wrong = _check_links(np.array(links, np.int64).reshape(-1, 3), table[:, 0], table[:, 1], samples)
    left_out += notes
    order = np.argsort(table[:, 0], kind='stable')
    table = table[order]
    packed = np.frombuffer(numbers, np.float64).reshape(-1, 10)[order] if numbers else np.zeros((0, 10))
    return AnnotationTable(
        keyframes, list(objects), category_of, table[:, 0], table[:, 1], packed, table[:, 2:], wrong | unknown, left_out
    )


def _without_boxes(objects: Mapping[str, int], boxed: Container[str]) -> list[str]:
    """A sentence on objects that no box is of."""
    bare = [token for token in objects if token not in boxed]
    if not bare:
        return []
    if len(bare) == len(objects):
        return [f'sample_annotation.json: has no boxes, though instance.json has {len(objects)} objects']
    return [f'sample_annotation.json: lacks the boxes of {len(bare)} objects of instance.json, such as {bare[0]}']


def _check_links(
    links: np.ndarray, keyframe_of: np.ndarray, instance_of: np.ndarray, samples: Mapping[str, int]
) -> tuple[list[str], dict[str, str]]:
    """Whether boxes follow each other as their links say.

    Args:
        links: (B, 3) hashes of the tokens of boxes and of the boxes before and after them.
        keyframe_of, instance_of: (B,) numbers of their keyframes and objects.
        samples: times of the keyframes, by token.

    Returns:
        A sentence on boxes that others name and that are missing; and what is wrong at a keyframe, by its token.
    """
    order = np.argsort(links[:, 0])
    tokens, times = links[order, 0], np.array(list(samples.values()), np.int64)[keyframe_of]
    missing, wrong = set(), np.zeros(len(links), bool)
    for column, sign in ((1, -1), (2, 1)):
        linked = np.flatnonzero(links[:, column] != hash(''))
        neighbours = links[linked, column]
        at = np.searchsorted(tokens, neighbours)
        there = tokens[np.minimum(at, len(tokens) - 1)] == neighbours
        missing.update(neighbours[~there].tolist())
        linked, other = linked[there], order[at[there]]
        wrong[linked] |= (sign * (times[other] - times[linked]) <= 0) | (instance_of[other] != instance_of[linked])
    names = list(samples)
    said = 'prev or next of a box leads to one of another object, or to one that does not follow it in time'
    notes = [f'sample_annotation.json: lacks {len(missing)} boxes that others name in prev or next'] if missing else []
    return notes, {names[keyframe]: said for keyframe in np.unique(keyframe_of[wrong])}
