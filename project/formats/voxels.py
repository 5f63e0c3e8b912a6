"""This project's own format: sparse voxels on any grid, one ``.npz`` a keyframe that ``np.load`` reads.

``indices`` (N, 3) uint16 and ``classes`` (N,) uint8 are the occupied voxels; ``flow`` (N, 2 or 3) float32 and the
masks are there when known, a mask as ``np.packbits`` of the flattened ``[x, y, z]`` array. ``filled`` (N,) bool is
there when holes were filled: the voxels that were not measured. ``instances`` (N,) uint32 is there when asked for: the
object that each voxel belongs to, the same number at all keyframes of a scene, 0 for none. A grid other than
:data:`GRID` (0.2 m around the lidar) is in ``grid`` (9,) float64: lowest corner, voxel size, shape; and ``frame``.
``voxels/manifest.json`` states the grid, the classes and the settings that made the folder.
"""

import json
import math
from pathlib import Path

import numpy as np

from project.formats import common
from project.formats.common import MASKS, Keyframe, OccupancyLabels
from project.grid import VoxelGrid
from project.label_set import LabelSet
from project.plain_files import read_json, read_npz

NAME = 'voxels'
GRID = VoxelGrid.from_range('lidar', (-51.2, -51.2, -5.0, 51.2, 51.2, 3.0), 0.2)
VERSION = 1

FRAMES = ('lidar', 'ego')
MOST_ALONG = 1 << 16
"""Largest number of voxels along an axis for an index of 16 bits."""

MOST_VOXELS = 500_000_000
"""Of a grid: a dense array of labels takes a byte a voxel, the vote of label making four."""

_OF_VOXELS = ('flow', 'filled', 'instances')


def path(keyframe: Keyframe) -> Path:
    """``voxels/<scene name>/<sample token>.npz``."""
    return Path(NAME) / keyframe.scene_name / f'{keyframe.sample_token}.npz'


def write(path: Path, labels: OccupancyLabels) -> None:
    """Write labels on any grid; masks, flow and instances where known."""
    on = labels.grid
    stated = (
        {} if on == GRID else {'grid': np.array([*on.minimum, *on.voxel_size, *on.shape]), 'frame': np.array(on.frame)}
    )
    packed = {name: np.packbits(mask) for name, mask in labels.masks.items()}
    # Axis by axis compresses to half the size, twice as fast as voxel by voxel; readers see no difference.
    indices = np.asfortranarray(labels.indices, np.uint16)
    of_voxels = {name: getattr(labels, name) for name in ('classes', *_OF_VOXELS)}
    common.save_npz(path, {'indices': indices, **of_voxels, **packed, **stated})


def read(path: Path) -> OccupancyLabels:
    """Read labels.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another format.
    """
    with common.named_errors(path, 'a label file of the format "voxels"'):
        arrays = read_npz(path, ('indices', 'classes', *_OF_VOXELS, *MASKS.values(), 'grid', 'frame'))
        grid = _grid_of(arrays['grid'], arrays['frame'])
        indices, classes = arrays['indices'], arrays['classes']
        if indices is None or classes is None or indices.shape != (*classes.shape, 3):
            raise ValueError('it must hold "indices" of shape (N, 3) and "classes" of shape (N,)')
        labels = OccupancyLabels.from_voxels(grid, indices, classes, *(arrays[name] for name in _OF_VOXELS))
        for name in MASKS.values():
            if (mask := arrays[name]) is not None:
                setattr(labels, name, _unpacked(name, mask, grid))
        return labels


def _grid_of(stated: np.ndarray | None, frame: np.ndarray | None) -> VoxelGrid:
    if stated is None:
        return GRID
    if stated.shape != (9,) or stated.dtype != np.float64 or not np.isfinite(stated).all():
        raise ValueError(f'"grid" is {stated.dtype} of shape {stated.shape}, not nine finite float64')
    low, size, shape = stated.reshape(3, 3).tolist()
    if str(frame) not in FRAMES or min(size) <= 0 or not all(1 <= n <= MOST_ALONG and n == int(n) for n in shape):
        raise ValueError(f'"grid" and "frame" state {shape} voxels of {size} m in the frame "{frame}"')
    if math.prod(shape) > MOST_VOXELS:
        raise ValueError(f'"grid" states {math.prod(shape):.0f} voxels, more than the {MOST_VOXELS} allowed')
    return VoxelGrid(str(frame), tuple(low), tuple(size), (int(shape[0]), int(shape[1]), int(shape[2])))


def _unpacked(name: str, mask: np.ndarray, grid: VoxelGrid) -> np.ndarray:
    packed = (-(-grid.size // 8),)
    if mask.dtype != np.uint8 or mask.shape != packed:
        raise ValueError(f'"{name}" is {mask.dtype} of shape {mask.shape}, not uint8 of shape {packed}')
    return np.unpackbits(mask, count=grid.size).view(bool).reshape(grid.shape)


def write_manifest(root: str | Path, settings: dict, grid: VoxelGrid = GRID) -> None:
    """Write ``voxels/manifest.json`` below the root folder of the labels.

    Args:
        root: root folder of the labels.
        settings: what made the labels, as JSON can hold it: dataset version, labels and categories (see
            :mod:`project.label_set`; those of nuScenes where it does not say), window, steps and their parameters.
        grid: of the labels.
    """
    stated = {'frame': grid.frame, 'extent': grid.extent, 'voxel_size': grid.voxel_size, 'shape': grid.shape}
    labels = LabelSet.stated_in(settings).as_dict()
    content = {'format': NAME, 'version': VERSION, 'grid': stated, **labels, 'settings': settings}
    with common.written_whole(Path(root) / NAME / 'manifest.json') as file:
        file.write(json.dumps(content, indent=2).encode())


def read_manifest(root: str | Path) -> dict:
    """Content of ``voxels/manifest.json`` below the root folder of the labels.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is damaged, or describes a version of the format that this program does not read.
    """
    file = Path(root) / NAME / 'manifest.json'
    with common.named_errors(file, 'the manifest of a folder of labels'):
        content = read_json(file)
        if content['version'] != VERSION:
            raise ValueError(f'it states version {content["version"]}, and this program reads version {VERSION}')
        return content
