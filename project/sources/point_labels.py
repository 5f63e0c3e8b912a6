"""Reads the categories of a sweep's points from files of nuScenes-lidarseg and nuScenes-panoptic."""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from project.errors import UserError
from project.plain_files import read_npz
from project.sources.base import Scene
from project.sources.read_points import read_file
from project.taxonomy import NOISE

INSTANCES = 1000
"""Panoptic labels are category * 1000 + instance."""

LARGEST_BYTES = 1 << 28
"""An array that unpacks to more than this is not from a sweep."""

MANY = 1000
"""A sweep of so many points is not noise only."""


def read_categories(scene: Scene, sweep: int, count: int) -> np.ndarray:
    """Category of each point of a labelled sweep.

    Args:
        scene: the scene.
        sweep: which of its sweeps.
        count: its number of points.

    Returns:
        (N,) uint8 categories of the taxonomy.

    Raises:
        FileNotFoundError, UserError: the file is missing, damaged or belongs to other points; the message names it.
    """
    file = scene.dataroot / (scene.label_files[sweep] or '')
    content = read_file(file)
    numbers = _panoptic(file, content) if file.suffix == '.npz' else np.frombuffer(content, np.uint8)
    if len(numbers) != count:
        name = Path(scene.sweep_files[sweep]).name
        raise UserError(f'{file}: has {len(numbers)} labels for the {count} points of {name}')
    highest, categories = int(numbers.max(initial=0)), len(scene.taxonomy.categories)
    if scene.category_of is None:
        if highest >= categories:
            raise UserError(f'{file}: holds the index {highest}; the categories are 0-{categories - 1}')
        found = numbers.astype(np.uint8, copy=False)
    else:
        found = scene.category_of[np.minimum(numbers, 255)]
        if (found >= categories).any():
            unknown = int(numbers[found >= categories][0])
            raise UserError(f'{file}: holds the index {unknown}, which no category of category.json has')
    if count >= MANY and (found == NOISE).all():
        raise UserError(f'{file}: calls all of its {count} points noise; it is damaged, or was never filled in')
    return found


def _panoptic(file: Path, content: bytes) -> np.ndarray:
    """(N,) categories of an archive, which may be damaged or unpack to more than the memory."""
    try:
        labels = read_npz(content, ('data',), LARGEST_BYTES)['data']
        if labels is None:
            raise ValueError('it holds no "data"')
    except (ValueError, OSError, EOFError, SyntaxError, zipfile.BadZipFile, zlib.error, RuntimeError) as error:
        raise UserError(f'{file}: is no archive with panoptic labels in "data" ({error})') from None
    if labels.ndim != 1 or labels.dtype.kind not in 'iu' or labels.min(initial=0) < 0:
        raise UserError(f'{file}: "data" holds {labels.dtype} of the shape {labels.shape}, not one label a point')
    return labels // INSTANCES
