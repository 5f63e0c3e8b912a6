"""Panoptic quality: segments of truth and prediction that overlap by more than half of their union are a match.

Source: A. Kirillov et al., "Panoptic Segmentation" (CVPR 2019). A segment is what has one class and one object; of
classes that are not things, all of a keyframe is one segment.
"""

import numpy as np

from project.evaluation.protocols.interface import Counts
from project.taxonomy import LABEL_NAMES, MOVING

THINGS = MOVING
"""Labels whose objects are told apart. Barriers and cones are not, as in RayPQ's released script."""

LEAST = 10
"""Elements (voxels or rays) of a segment that counts where it has no match."""

MICRO = 1_000_000
"""IoUs are added up in whole millionths, so that their order does not matter."""

_OBJECTS = 1 << 32


def segment_keys(classes: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """(N,) int64 number of the segment that each element belongs to: by class, and by object where that counts."""
    objects = np.where(np.isin(classes, THINGS), instances.astype(np.int64), 0)
    return classes.astype(np.int64) * _OBJECTS + objects


def match_segments(true: np.ndarray, predicted: np.ndarray, near: np.ndarray) -> Counts:
    """Match the segments of a keyframe.

    Args:
        true: (N,) int64 segments of the truth, as :func:`segment_keys` returns them.
        predicted: (N,) int64 segments of the prediction, of the same elements.
        near: (N,) bool, elements that may count as common to both.

    Returns:
        ``matched``, ``iou`` (in millionths), ``missed`` and ``invented``: (18,) int64, of segments by label.
    """
    true_keys, true_of, true_sizes = np.unique(true, return_inverse=True, return_counts=True)
    keys, of, sizes = np.unique(predicted, return_inverse=True, return_counts=True)
    pairs, common = np.unique(true_of[near] * len(keys) + of[near], return_counts=True)
    first, second = np.divmod(pairs, max(len(keys), 1))
    iou = common / (true_sizes[first] + sizes[second] - common)
    # More than half of the union: at most one segment of either side can be that.
    match = (iou > 0.5) & (true_keys[first] // _OBJECTS == keys[second] // _OBJECTS)
    labels = true_keys[first[match]] // _OBJECTS
    found = np.zeros(len(LABEL_NAMES), np.int64)
    np.add.at(found, labels, np.rint(iou[match] * MICRO).astype(np.int64))
    return {
        'matched': _by_label(labels),
        'iou': found,
        'missed': _unmatched(true_keys, true_sizes, first[match]),
        'invented': _unmatched(keys, sizes, second[match]),
    }


def panoptic_quality(counts: Counts) -> dict[str, np.ndarray]:
    """PQ, SQ and RQ in percent, over the last axis of counts as :func:`match_segments` returns them.

    SQ is the mean IoU of matches and RQ the share of matches, where what has none counts half; PQ is their product. All
    are NaN for labels that occur nowhere.
    """
    matched, wrong = counts['matched'], counts['missed'] + counts['invented']
    occurs = matched + wrong > 0
    quality = counts['iou'] / MICRO / np.maximum(matched, 1)
    recognised = matched / np.maximum(matched + wrong / 2, 0.5)
    figures = {'PQ': quality * recognised, 'SQ': quality, 'RQ': recognised}
    return {name: np.where(occurs, 100 * figure, np.nan) for name, figure in figures.items()}


def _unmatched(keys: np.ndarray, sizes: np.ndarray, matched: np.ndarray) -> np.ndarray:
    alone = sizes >= LEAST
    alone[matched] = False
    return _by_label(keys[alone] // _OBJECTS)


def _by_label(labels: np.ndarray) -> np.ndarray:
    return np.bincount(labels, minlength=len(LABEL_NAMES)).astype(np.int64)
