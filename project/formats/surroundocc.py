"""SurroundOcc: a list of occupied voxels of 0.5 m around the lidar; a stored class 0 is occupied, of unknown class."""

from pathlib import Path

import numpy as np

from project.formats.common import Keyframe, OccupancyLabels, check_grid, named_errors, written_whole
from project.grid import VoxelGrid
from project.plain_files import read_npy

NAME = 'surroundocc'
GRID = VoxelGrid.from_range('lidar', (-50.0, -50.0, -5.0, 50.0, 50.0, 3.0), 0.5)


def path(keyframe: Keyframe) -> Path:
    """``samples/<lidar file>.npy``, as published."""
    return Path('samples') / f'{keyframe.lidar_file}.npy'


def write(path: Path, labels: OccupancyLabels) -> None:
    """Write labels on :data:`GRID` as (N, 4) uint16 x, y, z, class; masks and flow have no place in this format.

    Noise (label 0) keeps its 0, which SurroundOcc's own loader ignores (as 255); what is absent is free there.
    """
    check_grid(labels, GRID)
    with written_whole(path) as file:
        np.save(file, np.column_stack([labels.indices, labels.classes]).astype(np.uint16))


def read(path: Path) -> OccupancyLabels:
    """Read labels.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another format.
    """
    with named_errors(path, 'a SurroundOcc label file'):
        voxels = read_npy(path)
        if getattr(voxels, 'ndim', None) != 2 or voxels.shape[1] != 4:
            raise ValueError('it must hold one array of shape (N, 4): x, y, z, class')
        return OccupancyLabels.from_voxels(GRID, voxels[:, :3], voxels[:, 3])
