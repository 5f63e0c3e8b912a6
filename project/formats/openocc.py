"""OpenOcc v2 (OccNet): Occ3D's grid with its own order of classes, no noise class, and the flow of every voxel."""

from pathlib import Path

import numpy as np

from project.formats import occ3d
from project.formats.common import Keyframe, OccupancyLabels, check_grid, named_errors, save_npz
from project.plain_files import read_npz
from project.taxonomy import FREE, LABEL_NAMES, OPENOCC_CLASSES

NAME = 'openocc'
GRID = occ3d.GRID

LABEL_OF_CLASS = np.array([LABEL_NAMES.index(name) for name in OPENOCC_CLASSES], np.uint8)
"""(17,) label of each OpenOcc class."""

CLASS_OF_LABEL = np.full(len(LABEL_NAMES), OPENOCC_CLASSES.index('free'), np.uint8)
CLASS_OF_LABEL[LABEL_OF_CLASS] = np.arange(len(OPENOCC_CLASSES))
"""(18,) OpenOcc class of each label; noise, for which there is none, is free."""


def path(keyframe: Keyframe) -> Path:
    """``openocc_v2/<scene name>/<sample token>/labels.npz``, as published."""
    return Path('openocc_v2') / keyframe.scene_name / keyframe.sample_token / 'labels.npz'


def write(path: Path, labels: OccupancyLabels) -> None:
    """Write labels on :data:`GRID` and, where known, their flow along x and y; masks have no place in this format."""
    check_grid(labels, GRID)
    flow = None
    if labels.flow is not None:
        flow = GRID.dense(labels.indices, labels.flow[:, :2].astype(np.float32), 0)
    save_npz(path, {'semantics': CLASS_OF_LABEL[labels.dense()], 'flow': flow})


def read(path: Path) -> OccupancyLabels:
    """Read labels.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another format.
    """
    with named_errors(path, 'an OpenOcc label file'):
        arrays = read_npz(path, ('semantics', 'flow'))
        semantics, flow = arrays['semantics'], arrays['flow']
        if semantics is None:
            raise ValueError('it holds no array "semantics"')
        for name, array, shape in (('semantics', semantics, GRID.shape), ('flow', flow, (*GRID.shape, 2))):
            if array is not None and array.shape != shape:
                raise ValueError(f'"{name}" has the shape {array.shape}, not {shape}')
        if semantics.dtype.kind not in 'iu' or semantics.min() < 0 or semantics.max() >= len(LABEL_OF_CLASS):
            raise ValueError(f'"semantics" holds other values than the classes 0-{len(LABEL_OF_CLASS) - 1}')
        dense = LABEL_OF_CLASS[semantics]
        occupied = None if flow is None else flow[dense != FREE].astype(np.float32)
        return OccupancyLabels.from_dense(GRID, dense, flow=occupied)
