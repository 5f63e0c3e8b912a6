"""Predictions in the layout of benchmarks: one dense array for each keyframe, in ``<sample token>.npz``.

Occ3D's submissions hold ``arr_0`` (saved by position), SparseOcc's ``pred``, label files ``semantics``; ``flow`` and
``instances`` may stand beside it.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from project.formats import openocc
from project.formats.common import named_errors
from project.plain_files import read_npz
from project.taxonomy import FREE

ARRAY_NAMES = ('arr_0', 'pred', 'semantics')


class Prediction(NamedTuple):
    """The prediction of a keyframe.

    Attributes:
        labels: (X, Y, Z) uint8, 0-17.
        flow: (X, Y, Z, 2) velocities in the grid's frame, m/s; None where not predicted.
        instances: (X, Y, Z) whole numbers, which object each voxel belongs to, 0 for none; None where not predicted.
    """

    labels: np.ndarray
    flow: np.ndarray | None = None
    instances: np.ndarray | None = None


def read(path: Path, openocc_classes: bool = False) -> Prediction:
    """Read the prediction of a keyframe.

    Args:
        path: the file.
        openocc_classes: whether the array may hold OpenOcc's classes, where 16 is free. It holds labels 0-17 if it has
            a 17, which is free among labels and no class of OpenOcc's.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged, or holds no such array or other values; the message names it.
    """
    with named_errors(path, 'a prediction'):
        arrays = read_npz(path, (*ARRAY_NAMES, 'flow', 'instances'))
        found = {name: array for name in ARRAY_NAMES if (array := arrays[name]) is not None}
        if len(found) != 1:
            names = list(found) or 'none'
            raise ValueError(f'it must hold exactly one of the arrays {", ".join(ARRAY_NAMES)}, not {names}')
        ((name, labels),), flow, instances = found.items(), arrays['flow'], arrays['instances']
        if labels.ndim != 3:
            raise ValueError(f'"{name}" has the shape {labels.shape}, not (X, Y, Z)')
        if flow is not None and flow.shape != (*labels.shape, 2):
            raise ValueError(f'"flow" has the shape {flow.shape}, not {(*labels.shape, 2)}')
        if instances is not None and (instances.shape != labels.shape or instances.dtype.kind not in 'iu'):
            raise ValueError(f'"instances" is {instances.dtype} of shape {instances.shape}, not whole {labels.shape}')
        if labels.dtype.kind not in 'iu' or not labels.size or labels.min() < 0 or labels.max() > FREE:
            raise ValueError(f'"{name}" ({labels.dtype}) holds other values than labels 0-{FREE}')
        of_openocc = openocc_classes and labels.max() < FREE
        return Prediction(openocc.LABEL_OF_CLASS[labels] if of_openocc else labels.astype(np.uint8), flow, instances)
