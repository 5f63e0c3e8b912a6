"""Confusion matrices of voxel labels, and the scores computed from them.

A matrix has a row for each label of the ground truth and a column for each predicted label, 0-17, and counts voxels
in int64. Matrices of samples, processes or distance bands add up, so nothing else has to be kept. Ground truth 0
(noise) and 255 (unobserved) is not counted unless a caller says otherwise.
"""

from typing import Any

import numpy as np

from project.grid import VoxelGrid
from project.taxonomy import FREE, LABEL_NAMES, NOISE, UNOBSERVED

SEMANTIC = slice(NOISE + 1, FREE)
"""Rows and columns of the 16 classes."""

IGNORED = (NOISE, UNOBSERVED)
"""True labels whose voxels are left out."""


def confusion_matrices(
    prediction: np.ndarray,
    truth: np.ndarray,
    mask: np.ndarray | None = None,
    bands: np.ndarray | None = None,
    num_bands: int = 1,
    ignored: tuple[int, ...] = IGNORED,
) -> np.ndarray:
    """Count pairs of true and predicted label; :mod:`project.evaluation.tensors` does the same with tensors.

    Args:
        prediction: any shape, integer, labels 0-17.
        truth: the same shape, integer, labels 0-17 or 255.
        mask: the same shape, bool (or 0 and 1); voxels outside are left out.
        bands: the band 0 .. ``num_bands - 1`` of each voxel, integer, broadcastable to that shape.
        num_bands: number of bands.
        ignored: true labels whose voxels are left out; 255 must be among them where it occurs.

    Returns:
        (num_bands, 18, 18) int64 ``[band, truth, prediction]``.

    Raises:
        ValueError: the shapes differ, or a label is none of the above.
    """
    check_shapes(prediction, truth, mask)
    size = len(LABEL_NAMES)
    counted = np.ones(truth.shape, bool) if mask is None else mask.astype(bool)
    for label in ignored:
        counted &= truth != label
    predicted, true = prediction[counted], truth[counted]
    if true.size:
        check_labels('prediction', int(predicted.min()), int(predicted.max()))
        check_labels('ground truth', int(true.min()), int(true.max()))
    cells = true.astype(np.int64) * size + predicted.astype(np.int64)
    if bands is not None:
        cells += np.broadcast_to(bands, truth.shape)[counted] * size**2
    return np.bincount(cells, minlength=num_bands * size**2).reshape(num_bands, size, size)


def check_shapes(prediction: Any, truth: Any, mask: Any = None) -> None:
    """Make sure that arrays or tensors have one shape.

    Raises:
        ValueError: they have not.
    """
    if prediction.shape != truth.shape or (mask is not None and mask.shape != truth.shape):
        shapes = [tuple(array.shape) for array in (prediction, truth, mask) if array is not None]
        raise ValueError(f'prediction, ground truth (and mask) must have one shape, not {shapes}')


def check_labels(name: str, least: int, greatest: int) -> None:
    """Make sure that the least and the greatest label of something are labels.

    Raises:
        ValueError: they are not.
    """
    last = len(LABEL_NAMES) - 1
    if least < 0 or greatest > last:
        raise ValueError(f'the {name} holds labels from {least} to {greatest}; labels are 0-{last}')


def distance_bands(grid: VoxelGrid, edges: tuple[float, ...]) -> np.ndarray:
    """Sort voxels by the horizontal distance of their centre from the frame's origin.

    Args:
        grid: the grid of the labels.
        edges: ascending distances that part the bands, metres; (20, 35) makes 0-20, 20-35 and 35 and beyond.

    Returns:
        (X, Y, 1) int64 band of each column of voxels; a centre at an edge belongs to the farther band.
    """
    layer = np.moveaxis(np.indices((*grid.shape[:2], 1)), 0, -1)
    horizontal = np.linalg.norm(grid.centres(layer)[..., :2], axis=-1)
    return np.digitize(horizontal, edges)


def class_iou(matrix: np.ndarray, labels: slice | list[int] = SEMANTIC) -> np.ndarray:
    """Intersection over union of each class.

    Args:
        matrix: (18, 18) integer confusion matrix.
        labels: labels of these classes, the 16 of the project by default.

    Returns:
        (C,) float64 in 0-1, NaN for a class that does not occur in the ground truth.
    """
    hits = matrix.diagonal()[labels].astype(np.float64)
    true, predicted = matrix.sum(axis=1)[labels], matrix.sum(axis=0)[labels]
    return np.divide(hits, true + predicted - hits, out=np.full(len(hits), np.nan), where=true > 0)


def mean_iou(matrix: np.ndarray, labels: slice | list[int] = SEMANTIC) -> float:
    """Mean of :func:`class_iou` over the classes that occur, 0-1; NaN when none does."""
    iou = class_iou(matrix, labels)
    return float(iou[~np.isnan(iou)].mean()) if not np.isnan(iou).all() else float('nan')


def geometric_iou(matrix: np.ndarray) -> float:
    """Intersection over union of occupied against free voxels whatever the class, 0-1; NaN when all are free."""
    both = matrix[:FREE, :FREE].sum()
    either = matrix.sum() - matrix[FREE, FREE]
    return float(both / either) if either else float('nan')
