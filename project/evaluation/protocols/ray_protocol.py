"""Protocols that compare what rays hit: RayIoU, and OpenOcc's score that adds velocity to it.

Sources: RayIoU is defined in H. Liu et al., "Fully Sparse 3D Occupancy Prediction" (ECCV 2024), mAVE and the Occ score
by the CVPR 2024 challenge "Occupancy and Flow" (OpenOcc).
"""

import math
from dataclasses import dataclass, field

import numpy as np

from project.evaluation.arrays import as_numpy
from project.evaluation.protocols.interface import Counts, RayReadings, Scores, Volume, mean, ratio
from project.evaluation.rays import cast_rays, ray_fan
from project.evaluation.voxel_scores import band_names
from project.grid import VoxelGrid
from project.label_set import LabelSet
from project.taxonomy import FREE, LABEL_NAMES, MOVING, NOISE, UNOBSERVED

THRESHOLDS = (1.0, 2.0, 4.0)
"""Depth errors below which a ray of the right class counts as hit, metres."""

FLOW_THRESHOLD = THRESHOLDS.index(2.0)
FLOW_LABELS = np.array(MOVING)
"""Labels whose velocity is scored."""

MICRO = 1_000_000
"""Velocity errors are added up in whole micrometres a second, so that their order does not matter."""


@dataclass(frozen=True)
class RayProtocol:
    """RayIoU, and with `flow` also mAVE and the Occ score.

    Attributes:
        name: ``rayiou`` or ``openocc``.
        grid: grid of predictions and labels.
        formats: label formats that have the ground truth.
        labels: labels that are scored; voxels of label 0 are free where it is not among them.
        flow: whether velocities are scored.
        dtype: depths and velocities are rounded to this type first, as files of rays store them.
        edges: distances that part bands of ground-truth depth, metres.
        label_set: names of the labels.
        directions: (D, 3) float64 unit vectors of the rays.
    """

    name: str
    grid: VoxelGrid
    formats: tuple[str, ...]
    labels: tuple[int, ...]
    flow: bool = False
    dtype: type = np.float32
    edges: tuple[float, ...] = ()
    label_set: LabelSet = field(default_factory=LabelSet)
    directions: np.ndarray = field(default_factory=ray_fan, repr=False)

    needs_origins = True

    def readings(self, volume: Volume, origins: np.ndarray) -> RayReadings:
        """Cast the rays of a keyframe.

        Args:
            volume: voxels on :attr:`grid`; a tensor on a GPU is worked on there. Rays pass unobserved voxels.
            origins: (O, 3) float, the grid's frame, metres.
        """
        occupied = (volume.semantics != FREE) & (volume.semantics != UNOBSERVED)
        if NOISE not in self.labels:
            occupied &= volume.semantics != NOISE
        voxels, depths = (ends.ravel() for ends in cast_rays(occupied, self.grid, origins, self.directions))
        occupied, semantics = as_numpy(occupied).ravel()[voxels], as_numpy(volume.semantics).ravel()[voxels]
        classes = np.where(occupied & (voxels >= 0), semantics, FREE).astype(np.uint8)
        flow = None
        if self.flow and volume.flow is not None:
            flow = np.where(voxels[:, None] >= 0, as_numpy(volume.flow).reshape(-1, 2)[voxels], 0)
        instances = None
        if volume.instances is not None:
            instances = np.where(classes != FREE, as_numpy(volume.instances).ravel()[voxels], 0).astype(np.int64)
        return self._rounded(RayReadings(classes, depths, flow, instances))

    def prepare(self, truth: Volume | RayReadings, origins: np.ndarray | None = None) -> RayReadings:
        """Readings of a ground truth: cast once, and to be kept where it is compared again."""
        if isinstance(truth, RayReadings):
            return self._rounded(truth)
        if origins is None or not len(origins):
            raise ValueError('rays need an origin: give the lidar positions of the scene')
        return self.readings(truth, origins)

    def count(self, prediction: Volume | RayReadings, truth: RayReadings, origins: np.ndarray | None = None) -> Counts:
        """Count rays; those that hit nothing in the ground truth are left out."""
        prediction = self.prepare(prediction, origins)
        if len(prediction.classes) != len(truth.classes):
            raise ValueError(
                f'the prediction has {len(prediction.classes)} rays, the ground truth {len(truth.classes)}'
            )
        kept = truth.classes != FREE
        true, predicted = truth.classes[kept].astype(np.int64), prediction.classes[kept].astype(np.int64)
        miss = np.digitize(np.abs(prediction.depths[kept] - truth.depths[kept]), THRESHOLDS)
        bands = np.digitize(truth.depths[kept], self.edges)
        shape = (len(self.edges) + 1, len(LABEL_NAMES), len(LABEL_NAMES), len(THRESHOLDS) + 1)
        cells = np.ravel_multi_index((bands, true, predicted, miss), shape)
        counts = {'rays': np.bincount(cells, minlength=math.prod(shape)).reshape(shape)}
        if self.flow:
            hit = (true == predicted) & (miss <= FLOW_THRESHOLD)
            counts |= _count_flow(true, hit, _flow_errors(prediction, truth, kept))
        return counts

    def score(self, counts: Counts, frames: int) -> Scores:
        """RayIoU of each threshold and class, their mean, and the same by distance and whatever the class."""
        rays = counts['rays']
        iou = self._class_iou(rays.sum(axis=0))
        names = [self.label_set.names[label] for label in self.labels]
        columns = {'RayIoU': iou.mean(axis=0)} | {f'RayIoU@{t:g}': iou[i] for i, t in enumerate(THRESHOLDS)}
        classes = {column: dict(zip(names, map(float, values), strict=True)) for column, values in columns.items()}
        summary = self._summary(rays.sum(axis=0))
        if self.flow:
            flow_summary, classes['AVE, m/s'] = self._flow_scores(counts, summary['RayIoU'])
            summary = flow_summary | summary
        bands = {}
        for name, of_band in zip(band_names(self.edges) if self.edges else (), rays, strict=bool(self.edges)):
            figures = self._summary(of_band)
            bands[name] = {key: figures[key] for key in ('RayIoU', 'geometric RayIoU')}
        return Scores(self._title(), frames, summary, classes, bands)

    def _title(self) -> str:
        title = f'{self.name}: {len(self.labels)} classes, rays that hit something in the ground truth'
        return f'{title}; a prediction without flow stands still' if self.flow else title

    def _class_iou(self, rays: np.ndarray) -> np.ndarray:
        """(T, C) IoU in percent of the scored labels, of (18, 18, T + 1) rays ``[truth, prediction, depth error]``."""
        hit = rays.diagonal().cumsum(axis=0)[: len(THRESHOLDS), list(self.labels)]
        true, predicted = (rays.sum(axis=(axis, 2))[list(self.labels)] for axis in (1, 0))
        return 100 * ratio(hit, true + predicted - hit)

    def _summary(self, rays: np.ndarray) -> dict[str, float]:
        iou = self._class_iou(rays)
        near = rays[:, :FREE].sum(axis=(0, 1)).cumsum()[: len(THRESHOLDS)]
        geometric = 100 * ratio(near, rays.sum() + rays[:, :FREE].sum() - near)
        summary = {'RayIoU': mean(iou.ravel())} | {f'RayIoU@{t:g}': mean(iou[i]) for i, t in enumerate(THRESHOLDS)}
        return summary | {'geometric RayIoU': mean(geometric)}

    def _flow_scores(self, counts: Counts, rayiou: float) -> tuple[dict[str, float], dict[str, float]]:
        errors = ratio(counts['flow_error'] / MICRO, counts['flow_rays'])
        released = ratio(counts['flow_error_released'] / MICRO, counts['flow_rays_released'])
        scores = {}
        for suffix, velocity in (('', mean(errors[FLOW_LABELS])), (' (released script)', mean(released[FLOW_LABELS]))):
            scores[f'OccScore{suffix}'] = 0.9 * rayiou + 0.1 * 100 * max(1 - velocity, 0.0)
            scores[f'mAVE{suffix}, m/s'] = velocity
        return scores, {LABEL_NAMES[label]: float(errors[label]) for label in FLOW_LABELS}

    def _rounded(self, readings: RayReadings) -> RayReadings:
        flow = None if readings.flow is None else readings.flow.astype(self.dtype).astype(np.float32)
        depths = readings.depths.astype(self.dtype).astype(np.float32)
        return RayReadings(readings.classes, depths, flow, readings.instances)


def _flow_errors(prediction: RayReadings, truth: RayReadings, kept: np.ndarray) -> np.ndarray | None:
    """Velocity error of each kept ray in micrometres a second; None where the truth is not known."""
    if truth.flow is None:
        return None
    difference = truth.flow[kept] - (0 if prediction.flow is None else prediction.flow[kept])
    return np.rint(np.linalg.norm(difference.astype(np.float64), axis=1) * MICRO).astype(np.int64)


def _count_flow(true: np.ndarray, hit: np.ndarray, errors: np.ndarray | None) -> Counts:
    """Errors of hit rays by label; and as the challenge's released script adds them up.

    That script, in every frame in which a class is hit at all, adds the errors of the frame's rays of all classes.
    """
    if errors is None:
        errors, hit = np.zeros(len(true), np.int64), np.zeros(len(true), bool)
    rays = np.bincount(true[hit], minlength=len(LABEL_NAMES))
    added = np.zeros(len(LABEL_NAMES), np.int64)
    np.add.at(added, true[hit], errors[hit])
    released = rays > 0
    return {
        'flow_rays': rays,
        'flow_error': added,
        'flow_rays_released': released * len(true),
        'flow_error_released': released * errors.sum(),
    }
