"""The categories of a sweep's points, as files of nuScenes-lidarseg and nuScenes-panoptic hold them."""

import io
import zipfile
from pathlib import Path

import numpy as np

from project.errors import UserError
from project.sources.base import Scene
from project.sources.points import read_file

INSTANCES = 1000
"""Panoptic labels are category * 1000 + instance."""

LARGEST_BYTES = 1 << 28
"""An array that unpacks to more than this is no sweep's."""


def read_categories(scene: Scene, sweep: int, count: int) -> np.ndarray:
    """Category of each point of a labelled sweep.

    Args:
        scene: the scene.
        sweep: which of its sweeps.
        count: its number of points.

    Returns:
        (N,) uint8 categories of the taxonomy.

    Raises:
        FileNotFoundError, UserError: the file is missing, damaged or not of these points; the message names it.
    """
    file = scene.dataroot / (scene.label_files[sweep] or '')
    content = read_file(file)
    numbers = _panoptic(file, content) if file.suffix == '.npz' else np.frombuffer(content, np.uint8)
    if len(numbers) != count:
        name = Path(scene.sweep_files[sweep]).name
        raise UserError(f'{file}: has {len(numbers)} labels for the {count} points of {name}')
    highest, categories = int(numbers.max()), len(scene.taxonomy.categories)
    if scene.category_of is None:
        if highest >= categories:
            raise UserError(f'{file}: holds the index {highest}; the categories are 0-{categories - 1}')
        return numbers.astype(np.uint8, copy=False)
    found = scene.category_of[np.minimum(numbers, 255)]
    if (found >= categories).any():
        unknown = int(numbers[found >= categories][0])
        raise UserError(f'{file}: holds the index {unknown}, which no category of category.json has')
    return found


def _panoptic(file: Path, content: bytes) -> np.ndarray:
    """(N,) categories of an archive that may be damaged, or unpack to more than there is memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > LARGEST_BYTES:
                raise ValueError(f'it unpacks to more than {LARGEST_BYTES >> 20} MiB')
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            labels = arrays['data']
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise UserError(f'{file}: is no archive with panoptic labels in "data" ({error})') from None
    if labels.ndim != 1 or labels.dtype.kind not in 'iu' or labels.min(initial=0) < 0:
        raise UserError(f'{file}: "data" holds {labels.dtype} of the shape {labels.shape}, not one label a point')
    return labels // INSTANCES
