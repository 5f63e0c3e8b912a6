"""OpenOccupancy v0.1: a list of voxels of 0.2 m around the lidar, columns **z, y, x**, optional velocities, class."""

from pathlib import Path

import numpy as np

from project.formats.common import Keyframe, OccupancyLabels, check_grid, named_errors, written_whole
from project.grid import VoxelGrid
from project.plain_files import read_npy

NAME = 'openoccupancy'
GRID = VoxelGrid.from_range('lidar', (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), 0.2)


def path(keyframe: Keyframe) -> Path:
    """``scene_<scene token>/occupancy/<lidar token>.npy``, as published."""
    return Path(f'scene_{keyframe.scene_token}') / 'occupancy' / f'{keyframe.lidar_token}.npy'


def write(path: Path, labels: OccupancyLabels) -> None:
    """Write labels on :data:`GRID`; masks have no place in this format.

    Without flow: (N, 4) uint16 z, y, x, class. With flow: (N, 7) float32 z, y, x, vx, vy, vz, class, where a flow of
    two components has vz = 0.
    """
    check_grid(labels, GRID)
    voxels = np.column_stack([labels.indices[:, ::-1], labels.classes]).astype(np.uint16)
    if labels.flow is not None:
        flow = np.zeros((len(labels.flow), 3))
        flow[:, : labels.flow.shape[1]] = labels.flow
        voxels = np.column_stack([labels.indices[:, ::-1], flow, labels.classes]).astype(np.float32)
    with written_whole(path) as file:
        np.save(file, voxels)


def read(path: Path) -> OccupancyLabels:
    """Read labels; flow, where the file has it, has three components.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another format.
    """
    with named_errors(path, 'an OpenOccupancy label file'):
        voxels = read_npy(path)
        if getattr(voxels, 'ndim', None) != 2 or voxels.shape[1] not in (4, 7):
            raise ValueError('it must hold one array of shape (N, 4) or (N, 7): z, y, x, [vx, vy, vz,] class')
        flow = voxels[:, 3:6] if voxels.shape[1] == 7 else None
        return OccupancyLabels.from_voxels(GRID, voxels[:, 2::-1], voxels[:, -1], flow)
