"""Counts of the outcomes of rays; counts of keyframes add up to those of scenes and of everything."""

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from project.checking.ray_checks import AGREES, EARLY, HOLE, Verdicts
from project.label_set import LabelSet
from project.taxonomy import FREE

RANGES_M = (0, 10, 20, 30, 40, 60, 100)
"""Edges of the distance bands."""

NOTHING = FREE
"""Row of the class table for rays that ended where nothing is."""

DEPTH_STEP_M, DEPTH_STEPS = 0.01, 300


@dataclass
class Tally:
    """Counts of rays, and of the voxels that they meet.

    Attributes:
        ranges: (R, 3) int64 rays by their distance and outcome.
        classes: (18, 3) int64 rays by what stopped them or is where they ended, and outcome; the last row is nothing.
        depths: (D,) int64 rays by the error of their depth, in steps of a centimetre.
        voxels: occupied voxels in which rays ended or through which :attr:`RayConfig.passes` rays passed.
        ghosts: of those, voxels in which no ray ended.
        objects: (2,) int64 of the rays that ended in boxes: all, and those that agree.
    """

    ranges: np.ndarray = field(default_factory=lambda: np.zeros((len(RANGES_M) - 1, 3), np.int64))
    classes: np.ndarray = field(default_factory=lambda: np.zeros((FREE + 1, 3), np.int64))
    depths: np.ndarray = field(default_factory=lambda: np.zeros(DEPTH_STEPS, np.int64))
    voxels: int = 0
    ghosts: int = 0
    objects: np.ndarray = field(default_factory=lambda: np.zeros(2, np.int64))

    def __iadd__(self, other: 'Tally') -> 'Tally':
        for name in ('ranges', 'classes', 'depths', 'voxels', 'ghosts', 'objects'):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        return self

    def add_rays(self, verdicts: Verdicts, lengths: np.ndarray, in_boxes: np.ndarray, labels: np.ndarray) -> None:
        """Count rays.

        Args:
            verdicts: outcomes of N rays.
            lengths: (N,) metres.
            in_boxes: (N,) bool, whether they ended in a box.
            labels: (grid.size,) uint8 labels 0-17.
        """
        outcomes = verdicts.outcomes
        rows = np.clip(np.searchsorted(RANGES_M, lengths, side='right') - 1, 0, len(RANGES_M) - 2)
        np.add.at(self.ranges, (rows, outcomes), 1)
        np.add.at(self.classes, (np.where(verdicts.stops < 0, NOTHING, labels[verdicts.stops]), outcomes), 1)
        errors = np.abs(verdicts.errors[np.isfinite(verdicts.errors)])
        steps = np.minimum(errors / DEPTH_STEP_M, DEPTH_STEPS - 1).astype(np.int64)
        self.depths += np.bincount(steps, minlength=DEPTH_STEPS)
        self.objects += [in_boxes.sum(), (in_boxes & (outcomes == AGREES)).sum()]

    @property
    def rays(self) -> int:
        """Number of rays."""
        return int(self.ranges.sum())

    @property
    def summary(self) -> dict[str, float]:
        """Shares in percent, and the median error of depth in metres; NaN where nothing was counted."""
        total = self.ranges.sum(axis=0)
        return {
            'rays': self.rays,
            **_shares(total),
            'ghost voxels': _percent(self.ghosts, self.voxels),
            'objects agree': _percent(self.objects[1], self.objects[0]),
            'depth error, m': self.depth_error_m,
        }

    @property
    def depth_error_m(self) -> float:
        """Median error of the depth, metres."""
        if not self.depths.sum():
            return float('nan')
        middle = np.searchsorted(np.cumsum(self.depths), self.depths.sum() / 2)
        return float((middle + 0.5) * DEPTH_STEP_M)

    @property
    def by_range(self) -> dict[str, dict[str, float]]:
        """Shares by distance, where there are rays."""
        names = [f'{low}-{high} m' for low, high in pairwise(RANGES_M)]
        return {
            name: {'rays': int(row.sum()), **_shares(row)}
            for name, row in zip(names, self.ranges, strict=True)
            if row.sum()
        }

    def by_class(self, label_set: LabelSet) -> dict[str, dict[str, float]]:
        """Shares by class, where there are rays."""
        names = [*(name or f'label {label}' for label, name in enumerate(label_set.names[:FREE])), 'nothing']
        return {
            name: {'rays': int(row.sum()), **_shares(row)}
            for name, row in zip(names, self.classes, strict=True)
            if row.sum()
        }


def _shares(outcomes: np.ndarray) -> dict[str, float]:
    return {
        'agree': _percent(outcomes[AGREES], outcomes.sum()),
        'early': _percent(outcomes[EARLY], outcomes.sum()),
        'holes': _percent(outcomes[HOLE], outcomes.sum()),
    }


def _percent(part: int, whole: int) -> float:
    return 100 * float(part) / float(whole) if whole else float('nan')
