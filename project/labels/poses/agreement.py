"""Measures how well poses agree with each other and with their sweeps."""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from project.geometry.rigid import inverse
from project.labels.config import DEFAULT, PoseConfig
from project.labels.poses.surfaces import Surfaces

_MIN_POINTS = 3
"""Least number of points of a keyframe in a square metre for a height."""


def displacement(some: np.ndarray, others: np.ndarray, config: PoseConfig = DEFAULT.poses) -> float:
    """How far two sets of poses differ in moving points of one keyframe into another.

    Args:
        some: (K, 4, 4) float64.
        others: (K, 4, 4) float64, in a frame of their own.
        config: how far away, and between which keyframes.

    Returns:
        Root mean square distance, metres, between points `seen_m` around the car over all pairs of keyframes that are
        at most `seen_keyframes` apart; 0 for a single keyframe.
    """
    angles = np.linspace(0, 2 * np.pi, 8, endpoint=False)
    points = np.stack([config.seen_m * np.cos(angles), config.seen_m * np.sin(angles), 0 * angles, 1 + 0 * angles])
    squares = []
    for apart in range(1, min(config.seen_keyframes + 1, len(some))):
        first, second = (inverse(poses[:-apart]) @ poses[apart:] @ points for poses in (some, others))
        squares.append(((first - second) ** 2).sum(axis=1).ravel())
    return float(np.sqrt(np.concatenate(squares).mean())) if squares else 0.0


def unsteadiness(poses: np.ndarray, given: np.ndarray, config: PoseConfig) -> float:
    """How much the correction of a motion differs from the correction of the motion before.

    Args:
        poses: (S, 4, 4) float64 corrected poses, in order of time.
        given: (S, 4, 4) float64 poses that they correct.
        config: how far away what is seen is.

    Returns:
        Root mean square, metres, for points `seen_m` away; if the given poses are noisy, it is about as large as the
        noise.
    """
    if len(poses) < 3:
        return 0.0
    motions, given_motions = (inverse(each[:-1]) @ each[1:] for each in (poses, given))
    steps = inverse(given_motions) @ motions
    turns = config.seen_m * Rotation.from_matrix(steps[:, :3, :3]).as_rotvec()
    changes = np.diff(np.concatenate([steps[:, :3, 3], turns], axis=1), axis=0)
    return float(np.sqrt((changes**2).sum(axis=1).mean() / 6))


def ground_gap(keyframes: Sequence[Surfaces], poses: np.ndarray) -> float | None:
    """Differences between the heights of the ground that different keyframes see at the same place.

    Args:
        keyframes: surfaces seen at K keyframes.
        poses: (K, 4, 4) float64, into a fixed frame whose z axis points upwards.

    Returns:
        Metres from the lowest to the highest height that keyframes see in one square metre: the median over all square
        metres seen by several keyframes, rounded to a tenth of a millimetre; None if there are none.
    """
    cells, heights = [], []
    for seen, pose in zip(keyframes, poses, strict=True):
        # Not by a matrix product, whose threads keep a second processor waiting for longer than this takes.
        xyz = np.einsum('ij,nj->ni', pose[:3, :3], seen.xyz[seen.is_ground]) + pose[:3, 3]
        x, y = np.floor(xyz[:, :2]).astype(np.int64).T
        of_column, members, counts = np.unique((x << 32) + y, return_inverse=True, return_counts=True)
        sums = np.bincount(members, xyz[:, 2], len(counts))
        known = counts >= _MIN_POINTS
        cells.append(of_column[known])
        heights.append(sums[known] / counts[known])
    columns, heights = np.concatenate(cells), np.concatenate(heights)
    if not len(columns):
        return None
    _, members, counts = np.unique(columns, return_inverse=True, return_counts=True)
    lowest, highest = np.full(len(counts), np.inf), np.full(len(counts), -np.inf)
    np.minimum.at(lowest, members, heights)
    np.maximum.at(highest, members, heights)
    shared = counts > 1
    return round(float(np.median((highest - lowest)[shared])), 4) if shared.any() else None
