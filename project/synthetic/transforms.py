"""Rigid transforms: 4x4 float64 matrices and quaternions (w, x, y, z)."""

import numpy as np


def rotation_matrix(quaternion: tuple[float, ...]) -> np.ndarray:
    """(3, 3) rotation of a quaternion (w, x, y, z), which need not have length one."""
    w, x, y, z = np.asarray(quaternion, float) / np.linalg.norm(quaternion)
    return np.array([
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ])  # fmt: skip


def quaternion(rotation: np.ndarray) -> list[float]:
    """Unit quaternion (w, x, y, z) of a (3, 3) rotation (Shepperd's method: divide by the largest component)."""
    m = rotation
    squares = 1 + np.array([m[0, 0] + m[1, 1] + m[2, 2], m[0, 0] - m[1, 1] - m[2, 2],
                            m[1, 1] - m[0, 0] - m[2, 2], m[2, 2] - m[0, 0] - m[1, 1]])  # fmt: skip
    products = np.array([
        [squares[0], m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]],
        [m[2, 1] - m[1, 2], squares[1], m[1, 0] + m[0, 1], m[0, 2] + m[2, 0]],
        [m[0, 2] - m[2, 0], m[1, 0] + m[0, 1], squares[2], m[2, 1] + m[1, 2]],
        [m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[2, 1] + m[1, 2], squares[3]],
    ])  # fmt: skip
    row = products[np.argmax(squares)]
    return (row / np.linalg.norm(row)).tolist()


def rigid(rotation: tuple[float, ...] | np.ndarray, translation: tuple[float, ...] | np.ndarray) -> np.ndarray:
    """(4, 4) transform from a quaternion or a (3, 3) rotation, and a translation."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation if np.ndim(rotation) == 2 else rotation_matrix(rotation)
    matrix[:3, 3] = translation
    return matrix


def invert(matrix: np.ndarray) -> np.ndarray:
    """Inverse of a rigid (4, 4) transform."""
    return rigid(matrix[:3, :3].T, -matrix[:3, :3].T @ matrix[:3, 3])


def yaw_rotation(yaw: float) -> np.ndarray:
    """(3, 3) rotation about z by an angle in radians."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 3) carried by a (4, 4) transform, float64."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]
