"""Reads the points of a sweep from a file of any kind."""

import os
from pathlib import Path

import numpy as np

from project.errors import UserError
from project.plain_files import read_npy
from project.sources.base import Lidar, PointLayout
from project.sources.file_checks import check_columns, check_other_layouts
from project.sources.point_files.las import read_las
from project.sources.point_files.pcd import read_pcd
from project.storage.mounts import at_hand

COLUMNS = ('x', 'y', 'z', 'intensity')


def read_returns(file: Path, lidar: Lidar) -> np.ndarray:
    """Returns of a sweep in the order of the file, including no-returns if the file has them.

    Args:
        file: points: ``.npy``, ``.pcd`` or ``.las``; any other is headerless binary.
        lidar: gives the layout of the file.

    Returns:
        (N, 4 or more) float32, the first four x, y, z (lidar frame, metres) and intensity (0 to 255).

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged, or lacks a column; the message names it.
    """
    return read_timed_returns(file, lidar, 0)[0]


def read_timed_returns(file: Path, lidar: Lidar, timestamp_us: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns as from :func:`read_returns`, and the times at which they were measured.

    Returns:
        The returns, and (N,) float64 seconds from the sweep's time stamp, None if the file has no times.
    """
    layout, content = lidar.points, read_file(file)
    if file.suffix.lower() not in _READERS:
        points = _headerless(file, content, layout)
        if points.dtype == np.float32 and layout.columns[:4] == COLUMNS and layout.time not in layout.columns:
            return _brightened(points, layout), None
        columns = _by_name(file, points, layout)
    else:
        columns = _READERS[file.suffix.lower()](file, content, layout)
    for name in 'xyz':
        if name not in columns:
            raise UserError(f'{file}: has no column {name}, only {", ".join(columns)}; name its columns in the rig')
    returns = np.zeros((len(columns['x']), 4), np.float32)
    for at, name in enumerate('xyz'):
        returns[:, at] = columns[name]
    if layout.intensity in columns:
        returns[:, 3] = columns[layout.intensity] * (255 / layout.intensity_max)
    if layout.time not in columns:
        return returns, None
    return returns, _seconds(columns[layout.time], layout, timestamp_us)


def _seconds(times: np.ndarray, layout: PointLayout, timestamp_us: int) -> np.ndarray:
    """Seconds from the sweep's time stamp."""
    zero = timestamp_us * 1e-6 / layout.time_unit_s if layout.time_zero == 'epoch' else 0.0
    if times.dtype.kind in 'iu':
        # Subtracted as integers: float64 cannot hold nanoseconds since the epoch exactly.
        return (times.astype(np.int64) - round(zero)) * layout.time_unit_s
    return (times.astype(np.float64) - zero) * layout.time_unit_s


def _brightened(points: np.ndarray, layout: PointLayout) -> np.ndarray:
    if layout.intensity_max == 255:
        return points
    points = points.copy()
    points[:, 3] *= 255 / layout.intensity_max
    return points


def _headerless(file: Path, content: bytes, layout: PointLayout) -> np.ndarray:
    """(N, columns) numbers, or (N,) with a named field for each column if these are of several types."""
    if isinstance(layout.dtype, str):
        dtype, width = np.dtype(layout.dtype), len(layout.columns) * np.dtype(layout.dtype).itemsize
    else:
        dtype = np.dtype(list(zip(layout.columns, layout.dtype, strict=True)))
        width = dtype.itemsize
    if len(content) % width and layout.dtype == 'float32':
        check_other_layouts(file, content, layout)
    if len(content) % width or not len(content):
        raise UserError(f'{file}: its {len(content)} bytes are not points of {width} bytes; the download is damaged')
    points = np.frombuffer(content, dtype)
    if dtype.names:
        return points
    points = points.reshape(-1, len(layout.columns))
    check_columns(file, content, points, layout)
    return points


def _by_name(file: Path, points: np.ndarray, layout: PointLayout) -> dict[str, np.ndarray]:
    if points.dtype.names:
        return {name: points[name] for name in points.dtype.names}
    if points.ndim != 2 or points.shape[1] != len(layout.columns):
        raise UserError(f'{file}: holds an array of {points.shape}, not of {len(layout.columns)} columns')
    return {name: points[:, at] for at, name in enumerate(layout.columns)}


def _read_npy(file: Path, content: bytes, layout: PointLayout) -> dict[str, np.ndarray]:
    try:
        points = read_npy(content)
    except (ValueError, EOFError, OSError) as error:
        raise UserError(f'{file}: is not an array of numpy ({error})') from None
    return _by_name(file, points, layout)


LARGEST_BYTES = 1 << 30
"""A file that says it has more is no sweep, and reading it could take all memory."""

_READERS = {
    '.npy': _read_npy,
    '.pcd': lambda file, content, layout: read_pcd(file, content),
    '.las': lambda file, content, layout: read_las(file, content),
    '.laz': lambda file, content, layout: read_las(file, content),
}
"""Readers of self-describing files."""


def read_file(file: Path) -> bytes:
    """Content of a file of the recording.

    Raises:
        FileNotFoundError: it is missing; the message says what to do.
        UserError: it is larger than any sweep.
    """
    at_hand(file)
    try:
        with open(file, 'rb') as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > LARGEST_BYTES:
                raise UserError(f'{file}: has {size:,} bytes; a sweep has less than {LARGEST_BYTES:,}')
            return stream.read()
    except FileNotFoundError:
        raise FileNotFoundError(f'{file}: missing; {why_missing(file)}') from None


def why_missing(file: Path) -> str:
    """What to do about a file that is not there."""
    if file.parent.is_dir():
        return 'is this part of the recording downloaded and unpacked there?'
    return (
        f'there is no folder {file.parent.name} either: download and unpack the part of the recording that holds it '
        '(of nuScenes the file blobs; "keyframe blobs only" have no sweeps between keyframes, which are needed)'
    )
