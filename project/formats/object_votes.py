"""What the voxels of objects say about the coarser voxel that they lie in: its velocity, and its object."""

import numpy as np

from project.grid import VoxelGrid


def mean_flow(
    grid: VoxelGrid, positions: np.ndarray, classes: np.ndarray, flow: np.ndarray, semantics: np.ndarray
) -> np.ndarray:
    """Velocity of each voxel of a grid: the mean of those votes that have its label.

    Args:
        grid: the voxels.
        positions: (N,) int64 the voxel that each vote is for, in ``grid.ravel`` order; negative for none.
        classes: (N,) uint8 label of each vote.
        flow: (N, 2 or more) float32 velocity of each vote, the grid's frame, m/s; x and y count.
        semantics: (X, Y, Z) uint8 labels of the grid's voxels.

    Returns:
        (X, Y, Z, 2) float32; 0 for voxels without such votes.
    """
    agree = (positions >= 0) & (semantics.ravel()[positions] == classes)
    positions, flow = positions[agree], flow[agree]
    votes = np.maximum(np.bincount(positions, minlength=grid.size), 1)
    sums = (np.bincount(positions, flow[:, axis], minlength=grid.size) for axis in range(2))
    return np.stack([each / votes for each in sums], axis=-1).astype(np.float32).reshape(*grid.shape, 2)


def voted_instances(
    grid: VoxelGrid, positions: np.ndarray, classes: np.ndarray, instances: np.ndarray, semantics: np.ndarray
) -> np.ndarray:
    """Object of each voxel of a grid: the most frequent of those votes that have its label, the lowest of equals.

    Args:
        grid, positions, classes, semantics: as of :func:`mean_flow`.
        instances: (N,) uint32 object of each vote, 0 for none.

    Returns:
        (X, Y, Z) int32; 0 for voxels without such votes.
    """
    agree = (positions >= 0) & (semantics.ravel()[positions] == classes)
    names, objects = np.unique(instances[agree], return_inverse=True)
    count = max(len(names), 1)
    pairs, votes = np.unique(positions[agree] * count + objects, return_counts=True)
    # Of each position the last pair in this order has most votes, and the lowest object among equals.
    order = np.lexsort((-pairs, votes, pairs // count))
    places = pairs[order] // count
    last = np.flatnonzero(np.diff(places, append=-1))
    result = np.zeros(grid.size, np.int32)
    result[places[last]] = names[pairs[order][last] % count] if len(names) else 0
    return result.reshape(grid.shape)
