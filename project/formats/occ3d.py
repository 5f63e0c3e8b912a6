"""Occ3D-nuScenes: dense semantics and visibility masks in the ego frame at the lidar's timestamp."""

from pathlib import Path

import numpy as np

from project.formats.common import MASKS, Keyframe, OccupancyLabels, check_grid, load_npz, named_errors, save_npz
from project.grid import VoxelGrid

NAME = 'occ3d'
GRID = VoxelGrid.from_range('ego', (-40.0, -40.0, -1.0, 40.0, 40.0, 5.4), 0.4)


def path(keyframe: Keyframe) -> Path:
    """``gts/<scene name>/<sample token>/labels.npz``, as published."""
    return Path('gts') / keyframe.scene_name / keyframe.sample_token / 'labels.npz'


def write(path: Path, labels: OccupancyLabels) -> None:
    """Write labels on :data:`GRID` and the masks that are known; flow has no place in this format."""
    check_grid(labels, GRID)
    masks = {name: mask.astype(np.uint8) for name, mask in labels.masks.items()}
    save_npz(path, {'semantics': labels.dense(), **masks})


def read(path: Path) -> OccupancyLabels:
    """Read labels.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another format.
    """
    with named_errors(path, 'an Occ3D label file'):
        arrays = load_npz(path, ('semantics', *MASKS.values()))
        semantics = arrays['semantics']
        if semantics is None:
            raise ValueError('it holds no array "semantics"')
        for name, array in arrays.items():
            if array is not None and array.shape != GRID.shape:
                raise ValueError(f'"{name}" has the shape {array.shape}, not {GRID.shape}')
        masks = {name: arrays[name] for name in MASKS.values()}
        masks = {name: None if mask is None else mask.astype(bool) for name, mask in masks.items()}
        return OccupancyLabels.from_dense(GRID, semantics, **masks)
