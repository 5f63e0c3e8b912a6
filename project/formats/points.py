"""The baseline's format: labelled points, headerless float16 (N, 5) = x, y, z, intensity, category.

Points are in the lidar frame of their keyframe, at most one in each voxel of :data:`GRID`. Unlike its neighbours this
format holds points, not voxels: :func:`voxelise` makes labels of them on any grid.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from project.formats.common import Keyframe, OccupancyLabels, named_errors, written_whole
from project.formats.vote import count_votes, vote, winners
from project.grid import VoxelGrid
from project.taxonomy import FREE, LEARNING_MAP, NOISE, RAW_NAMES

NAME = 'points'
GRID = VoxelGrid.from_range('lidar', (-60.0, -60.0, -10.0, 60.0, 60.0, 10.0), 0.2)
RAW_EMPTY = len(RAW_NAMES)
"""Category by which some files mark a point in empty space, where there are no more than 32."""


def path(keyframe: Keyframe) -> Path:
    """``<lidar file>``, directly in the root folder of the labels."""
    return Path(keyframe.lidar_file)


def write(path: Path, points: np.ndarray) -> None:
    """Write (N, 5) points of any float dtype: x, y, z (lidar frame, metres), intensity, category 0-32."""
    with written_whole(path) as file:
        file.write(np.ascontiguousarray(points, np.float16).tobytes())


def read(path: Path, empty: int = RAW_EMPTY) -> np.ndarray:
    """Read points: (N, 5) float16, x, y, z (lidar frame, metres), intensity, category 0-`empty`.

    Args:
        path: the file.
        empty: number that marks a point in empty space, the highest there is.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is damaged or of another format.
    """
    with named_errors(path, 'a file of labelled points (float16 x, y, z, intensity, category)'):
        content = Path(path).read_bytes()
        if len(content) % 10:
            raise ValueError(f'its {len(content)} bytes are not a whole number of points of 10 bytes')
        points = np.frombuffer(content, np.float16).reshape(-1, 5)
        raw = points[:, 4]
        if not ((raw >= 0) & (raw <= empty) & (raw % 1 == 0)).all():
            raise ValueError(f'the last column holds other values than the categories 0-{empty}')
        return points


def labels_by_index(category_labels: Mapping[str, int] | None = None) -> np.ndarray:
    """(C + 1,) uint8 label of each category, the last for empty space: 17.

    Args:
        category_labels: label of each category, in the order in which categories count; by default the 32 categories
            and 16 classes of nuScenes-lidarseg. Where there are fewer than 32, the rest is noise, and 32 stays empty.
    """
    labels = list(LEARNING_MAP if category_labels is None else category_labels.values())
    return np.array([*labels, *[NOISE] * (RAW_EMPTY - len(labels)), FREE], np.uint8)


def voxelise(points: np.ndarray, grid: VoxelGrid, label_of: np.ndarray | None = None) -> OccupancyLabels:
    """Labels of points on a grid in the lidar frame, by :func:`project.formats.vote.majority`.

    Args:
        points: (N, 5) float, as :func:`read` returns them; points marked empty and points outside do not count.
        grid: grid of the labels.
        label_of: label of each category, from :func:`labels_by_index`; those of nuScenes-lidarseg by default.

    Raises:
        ValueError: the grid is not in the lidar frame.
    """
    if grid.frame != 'lidar':
        raise ValueError(f'points are in the lidar frame and cannot fill a grid in the {grid.frame} frame')
    label_of = labels_by_index() if label_of is None else label_of
    points = points[points[:, 4] != len(label_of) - 1]
    indices, inside = grid.voxel_indices(points)
    labels = label_of[points[inside, 4].astype(np.uint8)]
    return vote(grid, indices, labels)


def voxelise_like_baseline(
    points: np.ndarray, labels: np.ndarray, extent: Sequence[float], shape: tuple[int, int, int], fill: int = FREE
) -> np.ndarray:
    """Dense labels exactly as the baseline makes them, to run its checkpoints and to compare with it.

    Its cells are ``range / (n - 1)`` wide, points outside are clipped into the border, noise and free vote like
    classes, equal votes go to the lowest label, and its counters start again from 0 after 65,535.

    Args:
        points: (N, 3) or wider float, metres, in the frame of the extent.
        labels: (N,) uint8 labels 0-17.
        extent: (x_min, y_min, z_min, x_max, y_max, z_max), metres.
        shape: number of voxels along (x, y, z).
        fill: label of voxels without points.

    Returns:
        (X, Y, Z) uint8.
    """
    minimum, maximum = np.array(extent[:3], float), np.array(extent[3:], float)
    size = (maximum - minimum) / (np.array(shape) - 1)
    cells = np.floor((np.clip(points[:, :3], minimum, maximum) - minimum) / size).astype(np.int64)
    positions, labels, votes = count_votes(np.ravel_multi_index(tuple(cells.T), shape), labels)
    votes %= 65536
    # Among counters that all stand at 0 the baseline finds label 0 first.
    positions, labels = winners(positions, np.where(votes == 0, 0, labels), votes)
    dense = np.full(shape, fill, np.uint8)
    dense.ravel()[positions] = labels
    return dense
