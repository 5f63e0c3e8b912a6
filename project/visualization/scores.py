"""Scores of the prediction of one frame."""

from dataclasses import dataclass

import numpy as np

from project.evaluation.confusion import class_iou, confusion_matrices, geometric_iou, mean_iou
from project.taxonomy import FREE
from project.visualization.frame import Frame


@dataclass(frozen=True)
class FrameScores:
    """Scores of one frame, 0-1; NaN where a class, or everything, does not occur.

    Attributes:
        class_iou: (C,) float64, of the classes of the frame's labels.
        mean_iou: mean over the classes that occur.
        geometric_iou: occupied against free.
    """

    class_iou: np.ndarray
    mean_iou: float
    geometric_iou: float


def frame_scores(frame: Frame, mask: str | None = None) -> FrameScores:
    """Score a frame that has truth and prediction, by the rules of the evaluation.

    Args:
        frame: the frame.
        mask: ``'lidar'`` or ``'camera'`` to count only the voxels inside that mask.

    Raises:
        ValueError: the frame lacks truth, prediction or that mask.
    """
    if frame.truth is None or frame.prediction is None:
        lacking = 'truth' if frame.truth is None else 'prediction'
        raise ValueError(f'frame {frame.token}: has no {lacking}, and a score compares the two')
    # Voxels that are free in both, nine tenths of all, count in no IoU.
    compared = (frame.truth != FREE) | (frame.prediction != FREE)
    if mask is not None:
        compared &= frame.mask(mask)
    matrix = confusion_matrices(frame.prediction, frame.truth, compared)[0]
    classes = list(frame.labels.classes)
    return FrameScores(class_iou(matrix, classes), mean_iou(matrix, classes), geometric_iou(matrix))
