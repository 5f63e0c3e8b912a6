"""Protocols that compare voxel with voxel: IoU of each class, their mean, and geometric IoU."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from project.evaluation.arrays import as_numpy, is_tensor, like
from project.evaluation.confusion import class_iou, confusion_matrices, distance_bands, geometric_iou, mean_iou
from project.evaluation.protocols.interface import Counts, RayReadings, Scores, Volume
from project.evaluation.voxel_scores import band_names
from project.grid import VoxelGrid
from project.label_set import LabelSet
from project.taxonomy import FREE, NOISE, UNOBSERVED


@dataclass(frozen=True)
class VoxelProtocol:
    """IoU over voxels.

    Attributes:
        name: e.g. ``occ3d``.
        grid: grid of predictions and labels.
        formats: label formats that have the ground truth.
        noise: whether label 0 is a class like any other; else voxels of that true label are left out.
        camera_mask: whether only voxels of the camera mask count.
        edges: distances that part bands, from the frame's origin along the ground, metres.
        label_set: which classes there are, and their names.
    """

    name: str
    grid: VoxelGrid
    formats: tuple[str, ...]
    noise: bool = False
    camera_mask: bool = False
    edges: tuple[float, ...] = ()
    label_set: LabelSet = field(default_factory=LabelSet)

    needs_origins = False

    def prepare(self, truth: Volume | RayReadings, origins: np.ndarray | None = None) -> Volume:
        """Check a ground truth."""
        if not isinstance(truth, Volume):
            raise ValueError(f'{self.name} compares voxels; a file of rays has none')
        if self.camera_mask and truth.mask_camera is None:
            raise ValueError(
                'the labels have no camera mask: score all voxels (--no-mask), or use labels that have one'
            )
        return truth

    def count(self, prediction: Volume | RayReadings, truth: Volume, origins: np.ndarray | None = None) -> Counts:
        """Count pairs of true and predicted label, except free with free."""
        if not isinstance(prediction, Volume):
            raise ValueError(f'{self.name} compares voxels; a file of rays has none')
        predicted = prediction.semantics
        true = like(truth.semantics, predicted)
        if predicted.shape != true.shape or tuple(predicted.shape) != self.grid.shape:
            shapes = f'a prediction of shape {tuple(predicted.shape)} and labels of shape {tuple(true.shape)}'
            raise ValueError(f'{shapes} do not fit {self.name}, which scores {self.grid.shape}')
        # Most voxels are free in both. No score needs their number, and counting them would take most of the time.
        counted = (predicted != FREE) | (true != FREE)
        if self.camera_mask:
            counted &= like(truth.mask_camera, predicted)
        bands = like(self._bands, predicted)
        ignored = (UNOBSERVED,) if self.noise else (NOISE, UNOBSERVED)
        return {'matrices': _matrices(predicted, true, counted, bands, len(self.edges) + 1, ignored)}

    def score(self, counts: Counts, frames: int) -> Scores:
        """Per-class IoU, mIoU and geometric IoU, everywhere and by distance."""
        matrices = counts['matrices']
        labels = self._labels
        iou = 100 * class_iou(matrices.sum(axis=0), labels)
        classes = {'IoU': {self.label_set.names[label]: float(value) for label, value in zip(labels, iou, strict=True)}}
        names = band_names(self.edges) if self.edges else []
        bands = {name: self._summary(matrix) for name, matrix in zip(names, matrices, strict=bool(names))}
        return Scores(self._title(), frames, self._summary(matrices.sum(axis=0)), classes, bands)

    @property
    def _labels(self) -> list[int]:
        return [*([NOISE] if self.noise else []), *self.label_set.classes]

    @cached_property
    def _bands(self) -> np.ndarray:
        return distance_bands(self.grid, self.edges)

    def _summary(self, matrix: np.ndarray) -> dict[str, float]:
        return {'mIoU': 100 * mean_iou(matrix, self._labels), 'geometric IoU': 100 * geometric_iou(matrix)}

    def _title(self) -> str:
        voxels = 'only voxels of the camera mask' if self.camera_mask else 'all voxels, no mask'
        noise = '' if self.noise else ', noise left out'
        return f'{self.name}: {len(self._labels)} classes, {voxels}{noise}'


def _matrices(predicted, *others) -> np.ndarray:
    """Confusion matrices, counted by numpy or, of tensors, by torch."""
    if not is_tensor(predicted):
        return confusion_matrices(predicted, *others)
    from project.evaluation import tensors

    return as_numpy(tensors.confusion_matrices(predicted, *others))
