"""Protocols that tell objects apart: panoptic quality of voxels, and RayPQ, that of what rays hit.

Source: RayPQ is defined by the code of H. Liu et al., "Fully Sparse 3D Occupancy Prediction" (ECCV 2024).
"""

from dataclasses import dataclass

import numpy as np

from project.evaluation.arrays import as_numpy
from project.evaluation.protocols.interface import Counts, RayReadings, Scores, Volume, mean
from project.evaluation.protocols.ray_protocol import THRESHOLDS, RayProtocol
from project.evaluation.protocols.segments import match_segments, panoptic_quality, segment_keys
from project.evaluation.protocols.voxel_protocol import VoxelProtocol
from project.taxonomy import FREE, UNOBSERVED

NO_INSTANCES = (
    'does not say which object each voxel belongs to: it needs an array "instances" '
    '(labels: data_converter.py --instances)'
)


@dataclass(frozen=True)
class RayPanopticProtocol(RayProtocol):
    """RayPQ: a ray is common to both where its class is right and its depth is near; one figure for each threshold."""

    def prepare(self, truth: Volume | RayReadings, origins: np.ndarray | None = None) -> RayReadings:
        """Readings of a ground truth, with objects."""
        if truth.instances is None:
            raise ValueError(NO_INSTANCES)
        return super().prepare(truth, origins)

    def count(self, prediction: Volume | RayReadings, truth: RayReadings, origins: np.ndarray | None = None) -> Counts:
        """Match the segments that rays see; rays that hit nothing in the ground truth are left out."""
        prediction = self.prepare(prediction, origins)
        kept = truth.classes != FREE
        true, predicted = (_segments(readings, kept) for readings in (truth, prediction))
        error = np.abs(prediction.depths[kept] - truth.depths[kept])
        found = [match_segments(true, predicted, error < threshold) for threshold in THRESHOLDS]
        return {name: np.stack([each[name] for each in found]) for name in found[0]}

    def score(self, counts: Counts, frames: int) -> Scores:
        """RayPQ of each threshold and class, and their mean."""
        quality = panoptic_quality(counts)['PQ'][:, list(self.labels)]
        names = [self.label_set.names[label] for label in self.labels]
        of_class = [mean(column) for column in quality.T]
        columns = {'RayPQ': of_class} | {f'RayPQ@{t:g}': quality[i] for i, t in enumerate(THRESHOLDS)}
        classes = {column: dict(zip(names, map(float, values), strict=True)) for column, values in columns.items()}
        summary = {'RayPQ': mean(quality.ravel())} | {
            f'RayPQ@{t:g}': mean(quality[i]) for i, t in enumerate(THRESHOLDS)
        }
        title = f'{self.name}: {len(self.labels)} classes, rays that hit something in the ground truth'
        return Scores(title, frames, summary, classes)


@dataclass(frozen=True)
class VoxelPanopticProtocol(VoxelProtocol):
    """Panoptic quality of voxels: of all, or of those of the camera mask."""

    def prepare(self, truth: Volume | RayReadings, origins: np.ndarray | None = None) -> Volume:
        """Check a ground truth."""
        truth = super().prepare(truth, origins)
        if truth.instances is None:
            raise ValueError(NO_INSTANCES)
        return truth

    def count(self, prediction: Volume | RayReadings, truth: Volume, origins: np.ndarray | None = None) -> Counts:
        """Match segments over the voxels whose state is known."""
        if not isinstance(prediction, Volume) or prediction.instances is None:
            raise ValueError(NO_INSTANCES)
        true, predicted = as_numpy(truth.semantics), as_numpy(prediction.semantics)
        if true.shape != predicted.shape or predicted.shape != self.grid.shape:
            shapes = f'a prediction of shape {predicted.shape} and labels of shape {true.shape}'
            raise ValueError(f'{shapes} do not fit {self.name}, which scores {self.grid.shape}')
        kept = (true != UNOBSERVED) & ((true != FREE) | (predicted != FREE))
        if self.camera_mask:
            kept &= as_numpy(truth.mask_camera)
        true_keys = segment_keys(true[kept], as_numpy(truth.instances)[kept])
        keys = segment_keys(predicted[kept], as_numpy(prediction.instances)[kept])
        return match_segments(true_keys, keys, np.ones(len(keys), bool))

    def score(self, counts: Counts, frames: int) -> Scores:
        """PQ, SQ and RQ of each class, and their means over the classes that occur."""
        names = [self.label_set.names[label] for label in self._labels]
        figures = {name: values[self._labels] for name, values in panoptic_quality(counts).items()}
        classes = {column: dict(zip(names, map(float, values), strict=True)) for column, values in figures.items()}
        summary = {name: mean(values) for name, values in figures.items()}
        return Scores(self._title(), frames, summary, classes)


def _segments(readings: RayReadings, kept: np.ndarray) -> np.ndarray:
    if readings.instances is None:
        raise ValueError(NO_INSTANCES)
    return segment_keys(readings.classes[kept], readings.instances[kept])
