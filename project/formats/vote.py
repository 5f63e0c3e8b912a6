"""The majority vote by which many labels become the label of one voxel."""

import numpy as np
from numba import njit

from project.formats.common import OccupancyLabels
from project.grid import VoxelGrid
from project.taxonomy import FREE, NOISE


def vote(grid: VoxelGrid, indices: np.ndarray, labels: np.ndarray) -> OccupancyLabels:
    """Labels of a grid's voxels by :func:`majority`.

    Args:
        grid: the voxels.
        indices: (N, 3) the voxel that each vote is for.
        labels: (N,) uint8.
    """
    positions, classes = majority(grid.ravel(indices), labels)
    return OccupancyLabels(grid, grid.unravel(positions), classes)


def voted(grid: VoxelGrid, positions: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Label of every voxel of a grid by :func:`majority`, of many votes in a fraction of its time.

    Args:
        grid: the voxels.
        positions: (N,) int64 the voxel that each vote is for, in ``grid.ravel`` order; negative for none.
        labels: (N,) uint8.

    Returns:
        (X, Y, Z) uint8, free without votes.
    """
    semantics = np.full(grid.size, FREE, np.uint8)
    _elect(positions, labels, semantics)
    return semantics.reshape(grid.shape)


@njit(cache=True, nogil=True)
def _elect(positions, labels, semantics):
    # Votes are put in order of their voxels by counting, which takes less than sorting.
    ends = np.zeros(len(semantics), np.int32)
    for position in positions:
        if position >= 0:
            ends[position] += 1
    begin = 0
    for position in range(len(ends)):
        ends[position], begin = begin, begin + ends[position]
    ordered = np.empty(begin, np.uint8)
    for place, position in enumerate(positions):
        if position >= 0:
            ordered[ends[position]] = labels[place]
            ends[position] += 1
    votes = np.zeros(256, np.int64)
    begin = 0
    for position in range(len(ends)):
        if begin < ends[position]:
            semantics[position] = _elected(ordered[begin : ends[position]], votes)
            begin = ends[position]


@njit(inline='always')
def _elected(labels, votes):
    """The most frequent label, the lowest of equals, noise only alone; `votes` has 256 zeros, and again afterwards."""
    for label in labels:
        votes[label] += 1
    votes[NOISE] = 0
    best = labels[0]
    for label in labels:
        if votes[label] > votes[best] or (votes[label] == votes[best] and label < best):
            best = label
    for label in labels:
        votes[label] = 0
    return best


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
