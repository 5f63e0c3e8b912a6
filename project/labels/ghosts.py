"""Step 6, ghosts: what many beams pass through is not there, unless something firm shows that they pass beside it.

A voxel of the static world is contradicted when several times more beams pass through it than end in it. Most that
are contradicted are real all the same: the edge of a wall, leaves, a cable. They hang on to voxels that are firm.
Removed are

- what hangs on to nothing: heaps of contradicted voxels that touch nothing firm but the ground, as are left by movers
  that no box tells of, by the shadows of objects and by rain;
- noise: a contradicted voxel beside one in which hundreds of times as many beams end: its surface strays into it.

Thin things are firm: a pole of 8 cm stops a fifth of the beams through a voxel of 40 cm. Ground is only ever taken for
noise, since beams at a grazing angle pass through many of its voxels.
"""

import numpy as np
from scipy.ndimage import label, maximum_filter

from project.formats import OccupancyLabels
from project.labels.ground import RAW_GROUND
from project.labels.see import BeamCounts
from project.taxonomy import NOISE, RAW_STATIC, LabelMapping

PASSES_PER_END = 4
"""A voxel through which more beams than so many pass for each that ends in it is contradicted."""

ENDS_PER_STRAY = 200
"""Of so many beams that end at a surface, one may stray into the next voxel."""

_TOUCHING = np.ones((3, 3, 3), bool)


def without_ghosts(labels: OccupancyLabels, beams: BeamCounts, mapping: LabelMapping) -> OccupancyLabels:
    """Labels without the voxels of the static world that beams contradict.

    Args:
        labels: labels of a keyframe, without flow and masks.
        beams: beams through and into the voxels of their grid.
        mapping: label of each lidarseg index.
    """
    static = np.setdiff1d(mapping.learning_map[list(RAW_STATIC)], [NOISE])
    ground = mapping.learning_map[list(RAW_GROUND)]
    dense = labels.dense()
    is_static, is_ground = np.isin(dense, static), np.isin(dense, ground)
    contradicted = is_static & (beams.passes > PASSES_PER_END * np.maximum(beams.ends, 1))
    ghosts = _loose(contradicted & ~is_ground, is_static & ~is_ground & ~contradicted)
    ghosts |= contradicted & (_most_beside(beams.ends) >= ENDS_PER_STRAY * np.maximum(beams.ends, 1))
    kept = ~ghosts[tuple(labels.indices.T)]
    return OccupancyLabels(labels.grid, labels.indices[kept], labels.classes[kept])


def _loose(contradicted: np.ndarray, firm: np.ndarray) -> np.ndarray:
    """Contradicted voxels of heaps that touch nothing firm."""
    heaps, count = label(contradicted, _TOUCHING)
    hold = np.zeros(count + 1, bool)
    hold[heaps[maximum_filter(firm, 3, mode='constant')]] = True
    return contradicted & ~hold[heaps]


def _most_beside(ends: np.ndarray) -> np.ndarray:
    """Most ends in a voxel across one of the six faces."""
    around = np.pad(ends, 1)
    inner = slice(1, -1)
    most = np.zeros_like(ends)
    for axis in range(3):
        for side in (slice(None, -2), slice(2, None)):
            beside = [inner] * 3
            beside[axis] = side
            np.maximum(most, around[tuple(beside)], out=most)
    return most
