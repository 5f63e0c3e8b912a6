"""Quality of labels, voxel by voxel, against the exact truth of a synthetic world."""

from dataclasses import dataclass, field

import numpy as np
from scipy.ndimage import binary_dilation

from project.synthetic.truth import Truth
from project.taxonomy import CLASSES, FREE, MOVABLE, NOISE

LABELS = FREE + 1


@dataclass
class Quality:
    """Counts over keyframes, all of voxels.

    Attributes:
        occupied: labelled as occupied.
        right: of those, with a surface in them.
        observable: with a surface in them that lidar could have seen in the window.
        found: of those, labelled as occupied.
        movable: labelled as something movable.
        ghosts: of those, further than one voxel from any movable surface.
        confusion: (18, 18) true and given labels, where a surface was observable or there is none.
    """

    occupied: int = 0
    right: int = 0
    observable: int = 0
    found: int = 0
    movable: int = 0
    ghosts: int = 0
    confusion: np.ndarray = field(default_factory=lambda: np.zeros((LABELS, LABELS), np.int64))

    def add(self, labels: np.ndarray, truth: Truth) -> None:
        """Count a keyframe; `labels` is (X, Y, Z) uint8."""
        occupied, surface = labels != FREE, ~truth.free
        self.occupied += int(occupied.sum())
        self.right += int((occupied & surface).sum())
        self.observable += int(truth.observable.sum())
        self.found += int((occupied & truth.observable).sum())
        movable = np.isin(labels, list(MOVABLE))
        near = binary_dilation(truth.movable, np.ones((3, 3, 3), bool))
        self.movable += int(movable.sum())
        self.ghosts += int((movable & ~near).sum())
        # A surface that lidar cannot see, such as the one under a car, counts neither as missing nor as wrong.
        counted = truth.observable | truth.free
        pairs = truth.semantics[counted].astype(np.int64) * LABELS + labels[counted]
        self.confusion += np.bincount(pairs, minlength=LABELS**2).reshape(LABELS, LABELS)

    def iou(self) -> dict[str, float]:
        """IoU of each class in percent; NaN for one that is nowhere. True noise is ignored."""
        confusion = np.delete(self.confusion, NOISE, axis=0)
        right = np.diagonal(self.confusion)[1:FREE]
        union = confusion.sum(axis=0)[1:FREE] + confusion.sum(axis=1)[: FREE - 1] - right
        with np.errstate(invalid='ignore'):
            return dict(zip(CLASSES, (100 * right / union).tolist(), strict=True))

    def summary(self) -> dict[str, float]:
        """Precision, recall, mIoU over the classes that occur, and ghost rate, in percent."""
        return {
            'precision': 100 * self.right / max(self.occupied, 1),
            'recall': 100 * self.found / max(self.observable, 1),
            'mIoU': float(np.nanmean(list(self.iou().values()))),
            'ghosts': 100 * self.ghosts / max(self.movable, 1),
        }
