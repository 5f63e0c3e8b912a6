"""Rigid transforms: quaternions (w, x, y, z) and 4x4 float64 matrices ``A_from_B`` that map points of B into A."""

import numpy as np
from scipy.spatial.transform import Rotation


def rotation_matrices(quaternions: np.ndarray) -> np.ndarray:
    """(..., 3, 3) float64 rotation matrices of (..., 4) quaternions w, x, y, z of any length but zero."""
    quaternions = np.asarray(quaternions, np.float64)
    w, x, y, z = np.moveaxis(quaternions / np.linalg.norm(quaternions, axis=-1, keepdims=True), -1, 0)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def poses(rotations: np.ndarray, translations: np.ndarray) -> np.ndarray:
    """(..., 4, 4) float64 transforms of (..., 4) quaternions and (..., 3) translations."""
    translations = np.asarray(translations, np.float64)
    matrices = np.zeros((*translations.shape[:-1], 4, 4))
    matrices[..., :3, :3] = rotation_matrices(rotations)
    matrices[..., :3, 3] = translations
    matrices[..., 3, 3] = 1
    return matrices


def rigid(rotation: tuple[float, ...] | np.ndarray, translation: tuple[float, ...] | np.ndarray) -> np.ndarray:
    """(4, 4) transform from a quaternion or a (3, 3) rotation, and a translation."""
    matrix = np.eye(4)
    matrix[:3, :3] = rotation if np.ndim(rotation) == 2 else rotation_matrices(np.asarray(rotation))
    matrix[:3, 3] = translation
    return matrix


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


def inverse(matrices: np.ndarray) -> np.ndarray:
    """Inverse of (..., 4, 4) rigid transforms."""
    inverted = np.zeros_like(matrices)
    turned = np.swapaxes(matrices[..., :3, :3], -1, -2)
    inverted[..., :3, :3] = turned
    inverted[..., :3, 3] = -(turned @ matrices[..., :3, 3:])[..., 0]
    inverted[..., 3, 3] = 1
    return inverted


def yaw_rotation(yaw: float) -> np.ndarray:
    """(3, 3) rotation about z by an angle in radians."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def apply(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points (..., 3) carried by a (4, 4) transform, float64."""
    return points @ matrix[:3, :3].T + matrix[:3, 3]


def interpolate(first: np.ndarray, second: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Poses between two sets of poses: translation linear, rotation by slerp, as nuscenes-devkit has it for boxes.

    Args:
        first: (N, 4, 4) transforms at fraction 0.
        second: (N, 4, 4) transforms at fraction 1.
        fractions: (N,) 0 to 1.
    """
    between = first + fractions[:, None, None] * (second - first)
    if len(first):
        start = Rotation.from_matrix(first[:, :3, :3])
        turn = start.inv() * Rotation.from_matrix(second[:, :3, :3])
        between[:, :3, :3] = (start * Rotation.from_rotvec(fractions[:, None] * turn.as_rotvec())).as_matrix()
    return between
