"""Resamples labels to a coarser grid, so that any format can be the target or ground truth of any model."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.formats.common import OccupancyLabels
from project.formats.object_votes import mean_flow, voted_instances
from project.formats.vote import vote
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
    semantics = _voted(labels, layers, grid).dense()
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
    cells, inside = _cells(labels, grid.layers_of(labels.grid))
    flow = np.asarray(labels.flow)
    return mean_flow(grid, cells, labels.classes[inside], flow[inside], semantics)


def instances_on_grid(labels: OccupancyLabels, grid: VoxelGrid, semantics: np.ndarray) -> np.ndarray:
    """(X, Y, Z) int32 objects of a grid's voxels, by :func:`project.formats.object_votes.voted_instances`; arguments as
    of :func:`flow_on_grid`, of labels with instances."""
    cells, inside = _cells(labels, grid.layers_of(labels.grid))
    instances = np.asarray(labels.instances)
    return voted_instances(grid, cells, labels.classes[inside], instances[inside], semantics)


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


def _voted(labels: OccupancyLabels, layers: tuple[np.ndarray, ...], grid: VoxelGrid) -> OccupancyLabels:
    cells, inside = _cells(labels, layers)
    return vote(grid, cells, labels.classes[inside])


def _cells(labels: OccupancyLabels, layers: tuple[np.ndarray, ...]) -> tuple[np.ndarray, np.ndarray]:
    columns = [layer[column] for layer, column in zip(layers, labels.indices.T, strict=True)]
    inside = np.logical_and.reduce([column >= 0 for column in columns])
    return np.stack([column[inside] for column in columns], axis=1), inside


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
