"""Shared by all label formats: the labels of a keyframe, and safe reading and writing."""

import errno
import lzma
import os
import platform
import re
import textwrap
import time
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from project.errors import UserError
from project.grid import VoxelGrid
from project.sources.records import Keyframe
from project.taxonomy import CLASSES, FREE

MASKS = {'lidar': 'mask_lidar', 'camera': 'mask_camera'}
"""Visibility masks, and what :class:`OccupancyLabels` and files call each."""

# An archive may seem encrypted or packed in an unknown way (RuntimeError); NumPy's headers are Python (SyntaxError).
_DAMAGE = (
    ValueError, TypeError, KeyError, EOFError, OverflowError, RuntimeError, SyntaxError, tokenize.TokenError,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


@dataclass
class OccupancyLabels:
    """Labels of one keyframe: the voxels that hold something; all others are free.

    Attributes:
        grid: the grid that the voxels belong to.
        indices: (N, 3) int32 voxel indices, each at most once, ascending in ``grid.ravel`` order.
        classes: (N,) uint8 labels 0-16.
        mask_lidar: (X, Y, Z) bool, voxels that lidar observed; None where not known.
        mask_camera: (X, Y, Z) bool, voxels that a camera of the keyframe sees; None where not known.
        flow: (N, 2) or (N, 3) float32 velocity of each voxel in the grid's frame, m/s; None where not known.
        filled: (N,) bool, voxels that were not measured but filled in; None where none were.
        instances: (N,) uint32, which object each voxel belongs to; 0 for none; None where not known.
    """

    grid: VoxelGrid
    indices: np.ndarray
    classes: np.ndarray
    mask_lidar: np.ndarray | None = None
    mask_camera: np.ndarray | None = None
    flow: np.ndarray | None = None
    filled: np.ndarray | None = None
    instances: np.ndarray | None = None

    def dense(self) -> np.ndarray:
        """(X, Y, Z) uint8 labels 0-17, free voxels being 17."""
        return self.grid.dense(self.indices, self.classes, FREE)

    @property
    def masks(self) -> dict[str, np.ndarray]:
        """The masks that are known, by the names that files have for them."""
        masks = {name: getattr(self, name) for name in MASKS.values()}
        return {name: mask for name, mask in masks.items() if mask is not None}

    @classmethod
    def from_dense(cls, grid: VoxelGrid, semantics: np.ndarray, **others: np.ndarray | None) -> 'OccupancyLabels':
        """Labels from a dense (X, Y, Z) array of labels 0-17, and masks and flow as the class has them.

        Raises:
            ValueError: the array does not have the grid's shape, or holds other values.
        """
        if semantics.shape != grid.shape:
            raise ValueError(f'an array of shape {semantics.shape} does not fit a grid of shape {grid.shape}')
        positions = np.flatnonzero(semantics.ravel() != FREE)
        classes = checked_classes(semantics.ravel()[positions])
        return cls(grid, grid.unravel(positions), classes, **others)

    @classmethod
    def from_voxels(
        cls, grid: VoxelGrid, indices: np.ndarray, classes: np.ndarray, flow: np.ndarray | None = None,
        filled: np.ndarray | None = None, instances: np.ndarray | None = None,
    ) -> 'OccupancyLabels':  # fmt: skip
        """Labels from a list of voxels as a file may hold it: in any order; of a voxel listed twice the first counts.

        Args:
            grid: grid that the indices refer to.
            indices: (N, 3) whole numbers of any dtype.
            classes: (N,) whole numbers of any dtype.
            flow: (N, 2) or (N, 3) velocities, or None.
            filled: (N,) bool, which of them were filled in, or None.
            instances: (N,) uint32, which object each belongs to, or None.

        Raises:
            ValueError: an index lies outside the grid, a class is not one of 0-16, a number is not whole, or flow,
                `filled` or `instances` have another shape or type.
        """
        _check_indices(indices, grid)
        classes = checked_classes(classes)
        _check_flow(flow, len(indices))
        flow = None if flow is None else flow.astype(np.float32)
        _check_of_voxels('filled', filled, bool, len(indices))
        _check_of_voxels('instances', instances, np.uint32, len(indices))
        positions = grid.ravel(indices)
        if (positions[1:] > positions[:-1]).all():
            return cls(grid, indices.astype(np.int32), classes, flow=flow, filled=filled, instances=instances)
        positions, first = np.unique(positions, return_index=True)
        of_voxel = (None if values is None else values[first] for values in (flow, filled, instances))
        return cls(grid, grid.unravel(positions), classes[first], None, None, *of_voxel)


class LabelFormat(Protocol):
    """A module that reads and writes one voxel format: ``project.formats.occ3d`` and its neighbours."""

    NAME: str
    GRID: VoxelGrid

    @staticmethod
    def path(keyframe: Keyframe) -> Path:
        """Path of a keyframe's file below the root folder of the labels."""

    @staticmethod
    def write(path: Path, labels: OccupancyLabels) -> None:
        """Write labels; the file appears under its name only once it is whole."""

    @staticmethod
    def read(path: Path) -> OccupancyLabels:
        """Read labels.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not of this format; the message names it and what is wrong.
        """


def checked_classes(classes: np.ndarray) -> np.ndarray:
    """(N,) uint8 of (N,) labels of any dtype.

    Raises:
        ValueError: a label is not one of 0-16.
    """
    _check_numbers('classes', classes)
    # Most arrays are uint8 already, and one maximum settles those.
    whole = classes.dtype == np.uint8 or ((classes >= 0) & (classes % 1 == 0)).all()
    if not whole or classes.max(initial=0) > len(CLASSES):
        unknown = np.setdiff1d(classes, np.arange(len(CLASSES) + 1))
        raise ValueError(f'holds the classes {unknown[:5].tolist()}; occupied voxels have the labels 0-{len(CLASSES)}')
    return classes.astype(np.uint8, copy=False)


def _check_indices(indices: np.ndarray, grid: VoxelGrid) -> None:
    _check_numbers('indices', indices)
    whole = indices.dtype.kind in 'iu' or (indices % 1 == 0).all()
    if indices.size and not (whole and (indices.min(axis=0) >= 0).all() and (indices.max(axis=0) < grid.shape).all()):
        raise ValueError(f'holds voxel indices that are not in a grid of shape {grid.shape}')


def _check_flow(flow: np.ndarray | None, count: int) -> None:
    if flow is None:
        return
    _check_numbers('flow', flow)
    if flow.shape not in ((count, 2), (count, 3)):
        raise ValueError(f'"flow" has the shape {flow.shape}, not {(count, 2)} or {(count, 3)}')


def _check_of_voxels(name: str, array: np.ndarray | None, dtype: type, count: int) -> None:
    if array is not None and (array.dtype != dtype or array.shape != (count,)):
        wanted = f'{np.dtype(dtype)} of shape {(count,)}'
        raise ValueError(f'"{name}" is {array.dtype} of shape {array.shape}, not {wanted}')


def _check_numbers(name: str, array: np.ndarray) -> None:
    if array.dtype.kind not in 'iuf':
        raise ValueError(f'"{name}" holds {array.dtype}, not numbers')


def check_grid(labels: OccupancyLabels, grid: VoxelGrid) -> None:
    """Raise a ValueError where labels are on another grid than the one that a format writes."""
    if labels.grid != grid:
        raise ValueError(f'this format stores {grid}; the labels are on {labels.grid}')


_ASIDE = re.compile(r'\..+\.(?P<host>[^.]*)\.(?P<process>\d+)$')
_ABANDONED_S = 3600
"""Writing a file never takes this long."""


def _aside(path: Path) -> Path:
    host = re.sub(r'\W', '-', platform.node())
    return path.with_name(f'.{path.name}.{host}.{os.getpid()}')


def is_abandoned(path: Path) -> bool:
    """Whether a process that no longer exists was writing this file with :func:`written_whole`."""
    found = _ASIDE.match(path.name)
    if found is None or not path.is_file():
        return False
    if _aside(path).name.rpartition('.')[0].endswith(f'.{found["host"]}') and not _is_running(int(found['process'])):
        return True
    # Processes of other machines cannot be seen, and the number of one that ended may be used again.
    return path.stat().st_mtime < time.time() - _ABANDONED_S


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


@contextmanager
def written_whole(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file that appears under its name only once it is written completely; folders are made as needed.

    If the body fails, nothing is left behind, and an older file of that name is kept.

    Raises:
        OSError: the file cannot be written; the error names it.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = _aside(path)
    try:
        with open(aside, 'wb') as file:
            yield file
        os.replace(aside, path)
    except BaseException as error:
        aside.unlink(missing_ok=True)
        # A full disk is noticed when buffers are flushed, and that error names no file.
        if isinstance(error, OSError) and error.errno and error.filename in (None, str(aside), aside):
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextmanager
def named_errors(path: str | Path, expected: str) -> Iterator[None]:
    """Turn what a damaged file makes its reader raise into a ValueError that names the file and what it should hold.

    The OSError of a file that is missing or cannot be read is not changed.
    """
    try:
        yield
    except (*_DAMAGE, OSError) as error:
        # A damaged archive also sends its reader to places before the file, and bz2 has no error of its own.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        # Some messages quote a damaged part of the file.
        reason = textwrap.shorten(str(error), 300, placeholder=' ...')
        raise UserError(f'{path}: not {expected}: {reason}; delete it and make or download it again') from error


def save_npz(path: str | Path, arrays: Mapping[str, np.ndarray | None], compression: int = 1) -> None:
    """Write the arrays that are not None as an ``.npz`` that ``np.load`` reads; the same arrays give the same bytes.

    Args:
        path: the file; written aside and renamed.
        arrays: by name.
        compression: level 0-9 of deflate. At level 1 labels take a fifth of the space of none, for 10 ms a file; level
            6, that of ``np.savez_compressed``, takes five times as long and saves another fifth.
    """
    method = zipfile.ZIP_DEFLATED if compression else zipfile.ZIP_STORED
    with written_whole(path) as file, zipfile.ZipFile(file, 'w', method, compresslevel=compression) as archive:
        for name, array in arrays.items():
            if array is not None:
                with archive.open(f'{name}.npy', 'w', force_zip64=True) as stream:
                    np.lib.format.write_array(stream, array, allow_pickle=False)
