"""The majority vote by which many labels become the label of one voxel."""

import numpy as np

from project.formats.common import OccupancyLabels
from project.grid import VoxelGrid
from project.taxonomy import NOISE


def vote(grid: VoxelGrid, indices: np.ndarray, labels: np.ndarray) -> OccupancyLabels:
    """Labels of a grid's voxels by :func:`majority`.

    Args:
        grid: the voxels.
        indices: (N, 3) the voxel that each vote is for.
        labels: (N,) uint8.
    """
    positions, classes = majority(grid.ravel(indices), labels)
    return OccupancyLabels(grid, grid.unravel(positions), classes)


def majority(positions: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Most frequent label at each position.

    Counts are whole numbers, so that the order of the votes does not matter. Noise loses against every class, even with
    more votes; between classes with equal votes the lower label wins.

    Args:
        positions: (N,) non-negative integers, such as positions in a flattened grid.
        labels: (N,) uint8.

    Returns:
        (M,) int64 distinct positions, ascending, and the (M,) uint8 label of each.
    """
    positions, labels, votes = count_votes(positions, labels)
    votes[labels == NOISE] = 0
    return winners(positions, labels, votes)


def count_votes(positions: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct pairs of position and label in ascending order, and how often each occurs: three (K,) int64 arrays."""
    pairs = positions.astype(np.int64) * 256 + labels
    # Narrow keys sort several times faster.
    pairs = np.sort(pairs.astype(np.uint32) if pairs.max(initial=0) < 2**32 else pairs)
    first = np.flatnonzero(np.diff(pairs, prepend=-1))
    votes = np.diff(first, append=len(pairs))
    pairs = pairs[first].astype(np.int64)
    return pairs >> 8, pairs & 255, votes


def winners(positions: np.ndarray, labels: np.ndarray, votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Label with most votes at each position, the lowest of equals; arguments as :func:`count_votes` returns them."""
    first = np.flatnonzero(np.diff(positions, prepend=-1))
    best = np.maximum.reduceat(votes * 256 + (255 - labels), first) if len(first) else votes
    return positions[first], (255 - (best & 255)).astype(np.uint8)
