"""Reads the calibration of a camera from the user: intrinsics, and its pose in the frame of the model's grid."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike


def image_from_grid(name: str, camera: Mapping[str, Any], frame: str, size: tuple[int, int]) -> np.ndarray:
    """Projection into the image of a camera.

    Args:
        name: of the camera, for messages.
        camera: ``intrinsics``, (3, 3) pixels from the camera frame, and its pose, (4, 4) ``lidar_from_camera`` or
            ``ego_from_camera``: arrays or lists.
        frame: the grid's, ``'lidar'`` or ``'ego'``; says which pose is needed.
        size: rows and columns of the image that the intrinsics are for.

    Returns:
        (4, 4) float64 homogeneous pixels from the grid's frame.

    Raises:
        ValueError: something is missing or impossible.
    """
    pose = f'{frame}_from_camera'
    missing = [key for key in ('intrinsics', pose) if key not in camera]
    if missing:
        raise ValueError(
            f'{name}: its calibration has no {" and no ".join(missing)} (it has {", ".join(camera) or "nothing"}); '
            f'this model works in the {frame} frame'
        )
    intrinsics = checked_matrix(f'{name}: intrinsics', camera['intrinsics'], 3)
    column, row = intrinsics[:2, 2].tolist()
    if not (0 < column < size[1] and 0 < row < size[0]):
        raise ValueError(
            f'{name}: the principal point ({column:g}, {row:g}) lies outside of the image of {size[1]}x{size[0]} '
            'pixels; the intrinsics must be those of images of this size'
        )
    pixels_from_camera = np.eye(4)
    pixels_from_camera[:3, :3] = intrinsics
    return pixels_from_camera @ np.linalg.inv(checked_matrix(f'{name}: {pose}', camera[pose], 4))


def checked_matrix(name: str, values: ArrayLike, size: int) -> np.ndarray:
    """A float64 matrix that maps homogeneous points.

    Args:
        name: what it is, for the message.
        values: of the matrix.
        size: of its rows and columns.

    Raises:
        ValueError: it has another size, numbers that are not finite, or another last row than such matrices have.
    """
    matrix = np.asarray(values, np.float64)
    if matrix.shape != (size, size) or not np.isfinite(matrix).all() or (matrix[-1] != np.eye(size)[-1]).any():
        last = np.eye(size, dtype=int)[-1].tolist()
        raise ValueError(f'{name} must be {size}x{size} finite numbers with the last row {last}')
    return matrix
