"""Predictions in the layout of benchmarks: one dense array for each keyframe, in ``<sample token>.npz``.

Occ3D's submissions hold ``arr_0`` (saved by position), SparseOcc's ``pred``, label files ``semantics``; a ``flow`` may
stand beside it.
"""

from pathlib import Path

import numpy as np

from project.formats import openocc
from project.formats.common import named_errors
from project.plain_files import read_npz
from project.taxonomy import FREE

ARRAY_NAMES = ('arr_0', 'pred', 'semantics')


def read(path: Path, openocc_classes: bool = False) -> tuple[np.ndarray, np.ndarray | None]:
    """Read the prediction of a keyframe.

    Args:
        path: the file.
        openocc_classes: whether the array holds OpenOcc's classes (16 = free) and not labels 0-17.

    Returns:
        (X, Y, Z) uint8 labels 0-17, and (X, Y, Z, 2) velocities in the grid's frame, m/s, or None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds no such array or other values; the message names it.
    """
    with named_errors(path, 'a prediction'):
        arrays = read_npz(path, (*ARRAY_NAMES, 'flow'))
        found = {name: array for name in ARRAY_NAMES if (array := arrays[name]) is not None}
        if len(found) != 1:
            names = list(found) or 'none'
            raise ValueError(f'it must hold exactly one of the arrays {", ".join(ARRAY_NAMES)}, not {names}')
        ((name, labels),), flow = found.items(), arrays['flow']
        if labels.ndim != 3:
            raise ValueError(f'"{name}" has the shape {labels.shape}, not (X, Y, Z)')
        if flow is not None and flow.shape != (*labels.shape, 2):
            raise ValueError(f'"flow" has the shape {flow.shape}, not {(*labels.shape, 2)}')
        highest = len(openocc.LABEL_OF_CLASS) - 1 if openocc_classes else FREE
        if labels.dtype.kind not in 'iu' or not labels.size or labels.min() < 0 or labels.max() > highest:
            order = "OpenOcc's classes" if openocc_classes else 'labels'
            raise ValueError(f'"{name}" ({labels.dtype}) holds other values than {order} 0-{highest}')
        return (openocc.LABEL_OF_CLASS[labels] if openocc_classes else labels.astype(np.uint8)), flow
