"""What every label format shares: the keyframe that names a file, and the labels it holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from project.grid import VoxelGrid
from project.taxonomy import FREE


@dataclass(frozen=True)
class Keyframe:
    """The names of a keyframe that label formats build their paths from.

    Attributes:
        scene_name: e.g. ``scene-0061``.
        scene_token: token of the scene.
        sample_token: token of the keyframe.
        lidar_token: token of the keyframe's LIDAR_TOP sample_data.
        lidar_file: file name of that sample_data without folders, e.g. ``....pcd.bin``.
    """

    scene_name: str
    scene_token: str
    sample_token: str
    lidar_token: str
    lidar_file: str


@dataclass
class OccupancyLabels:
    """Labels of one keyframe: the voxels that hold something; all others are free.

    Attributes:
        grid: the grid that the voxels belong to.
        indices: (N, 3) int32 voxel indices, each at most once, ascending in ``grid.ravel`` order.
        classes: (N,) uint8 labels 0-16.
        mask_lidar: (X, Y, Z) bool, voxels that lidar observed; None where not known.
        mask_camera: (X, Y, Z) bool, voxels that a camera of the keyframe sees; None where not known.
        flow: (N, 2) or (N, 3) float32 velocity of each voxel in the grid's frame, m/s; None where not known.
    """

    grid: VoxelGrid
    indices: np.ndarray
    classes: np.ndarray
    mask_lidar: np.ndarray | None = None
    mask_camera: np.ndarray | None = None
    flow: np.ndarray | None = None

    def dense(self) -> np.ndarray:
        """(X, Y, Z) uint8 labels 0-17, free voxels being 17."""
        return self.grid.dense(self.indices, self.classes, FREE)

    @classmethod
    def from_dense(cls, grid: VoxelGrid, semantics: np.ndarray, **masks_and_flow: np.ndarray) -> 'OccupancyLabels':
        """Labels from a dense (X, Y, Z) uint8 array of labels 0-17.

        Raises:
            ValueError: the array does not have the grid's shape.
        """
        if semantics.shape != grid.shape:
            raise ValueError(f'an array of shape {semantics.shape} does not fit a grid of shape {grid.shape}')
        indices = np.argwhere(semantics != FREE).astype(np.int32)
        return cls(grid, indices, semantics[tuple(indices.T)].astype(np.uint8), **masks_and_flow)


class LabelFormat(Protocol):
    """A module that reads and writes one voxel format: ``project.formats.occ3d`` and its neighbours."""

    NAME: str
    GRID: VoxelGrid

    @staticmethod
    def path(keyframe: Keyframe) -> Path:
        """Path of a keyframe's file below the root folder of the labels."""

    @staticmethod
    def write(path: Path, labels: OccupancyLabels) -> None:
        """Write labels; the file appears under its name only once it is whole."""

    @staticmethod
    def read(path: Path) -> OccupancyLabels:
        """Read labels.

        Raises:
            ValueError: the file is not of this format; the message names it and what is wrong.
        """
