"""Occ3D-nuScenes: dense semantics and visibility masks in the ego frame at the lidar's timestamp.

Where instances are known, the file also has the array ``instances`` of the panoptic version of Occ3D that SparseOcc
(H. Liu et al., ECCV 2024) trains on: the objects of a keyframe are counted from 1, then each class of the background
that occurs has one number; 0 is free, or of no object.
"""

from pathlib import Path

import numpy as np

from project.formats.common import MASKS, Keyframe, OccupancyLabels, check_grid, named_errors, save_npz
from project.grid import VoxelGrid
from project.plain_files import read_npz
from project.taxonomy import MOVABLE

NAME = 'occ3d'
GRID = VoxelGrid.from_range('ego', (-40.0, -40.0, -1.0, 40.0, 40.0, 5.4), 0.4)


def path(keyframe: Keyframe) -> Path:
    """``gts/<scene name>/<sample token>/labels.npz``, as published."""
    return Path('gts') / keyframe.scene_name / keyframe.sample_token / 'labels.npz'


def write(path: Path, labels: OccupancyLabels) -> None:
    """Write labels on :data:`GRID`; masks and instances where known. Flow has no place in this format."""
    check_grid(labels, GRID)
    masks = {name: mask.astype(np.uint8) for name, mask in labels.masks.items()}
    instances = None
    if labels.instances is not None:
        counted = panoptic_instances(labels.classes, labels.instances)
        instances = GRID.dense(labels.indices, counted, 0)
    save_npz(path, {'semantics': labels.dense(), **masks, 'instances': instances})


def panoptic_instances(classes: np.ndarray, instances: np.ndarray) -> np.ndarray:
    """Instances as the panoptic version of Occ3D counts them, without gaps.

    Args:
        classes: (N,) uint8 labels.
        instances: (N,) uint32 objects, 0 for none.

    Returns:
        (N,) uint8: objects from 1 in the order of their numbers, then the classes that cannot move (label 0 included)
        in the order of their labels; uint16 where there are more than 255.
    """
    movable = np.isin(classes, list(MOVABLE))
    keys = np.where(movable, instances.astype(np.int64), (1 << 32) + classes.astype(np.int64))
    found, position = np.unique(keys, return_inverse=True)
    # Movable voxels of no object have the key 0, which sorts first.
    first = int(len(found) > 0 and found[0] == 0)
    counted = position + 1 - first
    return counted.astype(np.uint8 if len(found) - first <= 255 else np.uint16)


def read(path: Path) -> OccupancyLabels:
    """Read labels.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another format.
    """
    with named_errors(path, 'an Occ3D label file'):
        arrays = read_npz(path, ('semantics', *MASKS.values(), 'instances'))
        semantics = arrays['semantics']
        if semantics is None:
            raise ValueError('it holds no array "semantics"')
        for name, array in arrays.items():
            if array is not None and array.shape != GRID.shape:
                raise ValueError(f'"{name}" has the shape {array.shape}, not {GRID.shape}')
        masks = {name: arrays[name] for name in MASKS.values()}
        masks = {name: None if mask is None else mask.astype(bool) for name, mask in masks.items()}
        labels = OccupancyLabels.from_dense(GRID, semantics, **masks)
        if (instances := arrays['instances']) is not None:
            of_voxels = _checked_instances(instances)[tuple(labels.indices.T)]
            labels.instances = np.where(np.isin(labels.classes, list(MOVABLE)), of_voxels, 0).astype(np.uint32)
        return labels


def _checked_instances(instances: np.ndarray) -> np.ndarray:
    if instances.dtype.kind not in 'iu' or instances.min(initial=0) < 0:
        raise ValueError(f'"instances" holds {instances.dtype} from {instances.min()}, not whole numbers from 0')
    return instances
