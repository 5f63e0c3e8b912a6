"""Resamples labels to a coarser grid, so that any format can be the target or ground truth of any model."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.formats.common import OccupancyLabels
from project.formats.object_votes import mean_flow, voted_instances
from project.formats.vote import voted
from project.grid import VoxelGrid
from project.taxonomy import UNOBSERVED


@dataclass
class DenseLabels:
    """Labels of every voxel of a grid.

    Attributes:
        semantics: (X, Y, Z) uint8 labels 0-17, 255 where the labels do not reach.
        mask_lidar: (X, Y, Z) bool, voxels that lidar observed; None where not known.
        mask_camera: (X, Y, Z) bool, voxels that a camera sees; None where not known.
    """

    semantics: np.ndarray
    mask_lidar: np.ndarray | None
    mask_camera: np.ndarray | None


def on_grid(labels: OccupancyLabels, grid: VoxelGrid) -> DenseLabels:
    """Labels on a grid of equal or larger voxels.

    A voxel holds the voxels of the labels whose centres lie in it. It is free only if all of them are (otherwise free
    space around thin things would win), and else gets its label by the vote of the others
    (:func:`project.formats.vote.majority`). It is visible if one of them is. Voxels that are not completely inside the
    labels' range are unobserved.

    Raises:
        ValueError: the grid is fixed to another frame, or is finer than the labels.
    """
    if grid == labels.grid:
        return DenseLabels(labels.dense(), labels.mask_lidar, labels.mask_camera)
    _check(labels.grid, grid)
    layers = grid.layers_of(labels.grid)
    semantics = voted(grid, _positions(labels, layers, grid), labels.classes)
    semantics[~grid.within(labels.grid)] = UNOBSERVED
    masks = (_seen_on(mask, layers, grid) for mask in (labels.mask_lidar, labels.mask_camera))
    return DenseLabels(semantics, *masks)


def flow_on_grid(labels: OccupancyLabels, grid: VoxelGrid, semantics: np.ndarray) -> np.ndarray:
    """Velocities of a grid's voxels, by :func:`project.formats.object_votes.mean_flow`.

    Args:
        labels: with flow.
        grid: of equal or larger voxels.
        semantics: (X, Y, Z) uint8 labels on that grid.

    Returns:
        (X, Y, Z, 2) float32 along x and y, m/s; 0 where there is nothing.
    """
    positions = _positions(labels, grid.layers_of(labels.grid), grid)
    return mean_flow(grid, positions, labels.classes, np.asarray(labels.flow), semantics)


def instances_on_grid(labels: OccupancyLabels, grid: VoxelGrid, semantics: np.ndarray) -> np.ndarray:
    """(X, Y, Z) int32 objects of a grid's voxels, by :func:`project.formats.object_votes.voted_instances`; arguments as
    of :func:`flow_on_grid`, of labels with instances."""
    positions = _positions(labels, grid.layers_of(labels.grid), grid)
    return voted_instances(grid, positions, labels.classes, np.asarray(labels.instances), semantics)


def _check(stored: VoxelGrid, wanted: VoxelGrid) -> None:
    if wanted.frame != stored.frame:
        raise ValueError(
            f'the labels are fixed to the {stored.frame} frame and the grid to the {wanted.frame} frame: '
            f"give dataset, labels and model a grid with frame='{stored.frame}'"
        )
    if any(size < finest - 1e-9 for size, finest in zip(wanted.voxel_size, stored.voxel_size, strict=True)):
        raise ValueError(
            f'the labels have voxels of {stored.voxel_size} m and cannot fill voxels of {wanted.voxel_size} m: '
            'choose a coarser grid or finer labels'
        )


def _positions(labels: OccupancyLabels, layers: tuple[np.ndarray, ...], grid: VoxelGrid) -> np.ndarray:
    """(N,) int64 positions, in ``grid.ravel`` order, of the voxels that those of the labels lie in; negative outside.

    Args:
        labels: of N voxels.
        layers: as of ``grid.layers_of``.
        grid: voxels.
    """
    strides = grid.shape[1] * grid.shape[2], grid.shape[2], 1
    # One axis outside makes the sum negative, whatever the others.
    shares = [np.where(layer >= 0, layer * stride, -grid.size) for layer, stride in zip(layers, strides, strict=True)]
    x, y, z = (share[column] for share, column in zip(shares, labels.indices.T, strict=True))
    return x + y + z


def _seen_on(mask: np.ndarray | None, layers: tuple[np.ndarray, ...], grid: VoxelGrid) -> np.ndarray | None:
    return None if mask is None else _any_within(mask, layers[0], layers[1], layers[2], np.zeros(grid.shape, bool))


@njit(cache=True)
def _any_within(mask, x, y, z, result):
    # NumPy's logical_or.reduceat does the same in several times the time.
    for i in range(mask.shape[0]):
        for j in range(mask.shape[1]):
            if x[i] < 0 or y[j] < 0:
                continue
            for k in range(mask.shape[2]):
                if mask[i, j, k] and z[k] >= 0:
                    result[x[i], y[j], z[k]] = True
    return result
