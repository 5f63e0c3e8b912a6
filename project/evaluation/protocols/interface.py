"""The interface of all protocols: their input, counts and scores."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from project.formats import OccupancyLabels
from project.grid import VoxelGrid
from project.label_set import LabelSet

Counts = dict[str, np.ndarray]
"""Integer arrays by name. Those of frames, processes or machines add up to those of all."""


@dataclass(frozen=True)
class Volume:
    """Labels of every voxel of one keyframe.

    Attributes:
        semantics: (X, Y, Z) integer array or tensor, labels 0-17; a ground truth may hold 255 (unobserved).
        flow: (X, Y, Z, 2) float velocities in the grid's frame, m/s; None where not known.
        mask_camera: (X, Y, Z) bool, voxels that a camera sees; None where not known.
        instances: (X, Y, Z) whole numbers, which object each voxel belongs to, 0 for none; None where not known.
    """

    semantics: Any
    flow: Any = None
    mask_camera: Any = None
    instances: Any = None

    @classmethod
    def of(cls, labels: OccupancyLabels) -> 'Volume':
        """The dense form of labels that a format read."""
        flow = None
        if labels.flow is not None:
            flow = labels.grid.dense(labels.indices, labels.flow[:, :2], 0)
        instances = None
        if labels.instances is not None:
            instances = labels.grid.dense(labels.indices, labels.instances, 0)
        return cls(labels.dense(), flow, labels.mask_camera, instances)


@dataclass(frozen=True)
class RayReadings:
    """The hits of the R rays of one keyframe, one origin after the other.

    Attributes:
        classes: (R,) uint8 labels 0-17; 17 where a ray hits nothing.
        depths: (R,) float32, metres.
        flow: (R, 2) float32 velocity of what was hit, m/s; None where not known.
        instances: (R,) int64 object that was hit, 0 for none; None where not known.
    """

    classes: np.ndarray
    depths: np.ndarray
    flow: np.ndarray | None = None
    instances: np.ndarray | None = None


@dataclass(frozen=True)
class Scores:
    """The result of a protocol.

    Attributes:
        title: the protocol and what it counted, for the head of a table.
        frames: number of keyframes.
        summary: headline figures by name, the most important first; NaN where something does not occur.
        classes: a value for each class, by the name of the column; the first column is the one to compare methods by.
        bands: headline figures of each distance band, by the band's name.

    IoUs and what is made of them are in percent, velocity errors in m/s.
    """

    title: str
    frames: int
    summary: dict[str, float]
    classes: dict[str, dict[str, float]]
    bands: dict[str, dict[str, float]] = field(default_factory=dict)

    def as_json(self) -> dict:
        """The scores as plain data; NaN becomes None."""
        return _plain(self.__dict__)


class EvaluationProtocol(Protocol):
    """How one benchmark scores predictions.

    Attributes:
        name: its name on the command line.
        grid: the grid that predictions and labels are on.
        formats: label formats that have its ground truth, the usual one first.
        needs_origins: whether it casts rays.
        label_set: which classes there are, and their names.
    """

    name: str
    grid: VoxelGrid
    formats: tuple[str, ...]
    needs_origins: bool
    label_set: LabelSet

    def prepare(self, truth: Volume | RayReadings, origins: np.ndarray | None = None) -> Volume | RayReadings:
        """Prepare a ground truth for :meth:`count`, once for all predictions that are compared with it.

        Args:
            truth: the ground truth of a keyframe.
            origins: (O, 3) float, the grid's frame, metres: where its rays start.
        """

    def count(self, prediction: Volume | RayReadings, truth, origins: np.ndarray | None = None) -> Counts:
        """Compare the prediction of a keyframe with its prepared ground truth.

        Raises:
            ValueError: shapes or labels are wrong, or something that the protocol needs is missing.
        """

    def score(self, counts: Counts, frames: int) -> Scores:
        """Figures of the counts of `frames` keyframes, added up."""


def total(counts: Iterable[Counts]) -> Counts:
    """Sum of the counts of many keyframes."""
    result: Counts = {}
    for part in counts:
        result = {name: array + result[name] if result else array for name, array in part.items()}
    return result


def mean(values: Iterable[float]) -> float:
    """Mean of the values that are not NaN; NaN where there is none."""
    known = [float(value) for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Element by element `part` / `whole` as float64; NaN where `whole` is 0."""
    return np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=np.asarray(whole) > 0)


def _plain(value):
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    return value
