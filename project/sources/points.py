"""Points of a sweep as the rest of the project takes them, whatever file they are in."""

from pathlib import Path

import numpy as np

from project.sources.base import Lidar

COLUMNS = ('x', 'y', 'z', 'intensity')


def read_returns(file: Path, lidar: Lidar) -> np.ndarray:
    """Returns of a sweep in the order in which they are stored, no-returns included.

    Args:
        file: headerless binary points.
        lidar: says how the file holds points.

    Returns:
        (N, 4 or more) float32, the first four x, y, z (lidar frame, metres) and intensity (0 to 255).

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged; the message names it.
    """
    layout = lidar.points
    content = read_file(file)
    width = len(layout.columns) * np.dtype(layout.dtype).itemsize
    if len(content) % width or not len(content):
        raise ValueError(f'{file}: its {len(content)} bytes are not points of {width} bytes; the download is damaged')
    points = np.frombuffer(content, layout.dtype).reshape(-1, len(layout.columns))
    if layout.columns[:4] == COLUMNS and layout.intensity_max == 255 and points.dtype == np.float32:
        return points
    wanted = [layout.columns.index(name) for name in COLUMNS[: 4 if 'intensity' in layout.columns else 3]]
    returns = np.zeros((len(points), 4), np.float32)
    returns[:, : len(wanted)] = points[:, wanted]
    returns[:, 3] *= 255 / layout.intensity_max
    return returns


def read_file(file: Path) -> bytes:
    """Content of a file of the recording.

    Raises:
        FileNotFoundError: it is missing; the message says what to do.
    """
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{file}: missing; is this part of the recording downloaded and unpacked there?'
        ) from None
