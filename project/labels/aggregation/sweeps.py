"""The points of a sweep that hit the world, in the scene's frame, and their lidarseg indices."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numba import njit

from project.geometry.traversal import transformed
from project.taxonomy import RAW_EGO, RAW_NAMES

UNLABELLED = 255
"""In place of a lidarseg index where there is none."""

NEAR_M = 1.0
"""Returns closer to the lidar than this are no-returns (at the origin) or the car that carries it."""

EGO_BOX = np.array([(-1.2, -1.1, -0.2), (3.4, 1.1, 2.0)])
"""Corners of the car that carries the sensors, mirrors and a hand's breadth included; ego frame, metres."""


@dataclass
class Points:
    """N points with labels.

    Attributes:
        xyz: (N, 3) float32, metres; the frame is said where points are passed.
        raw: (N,) uint8 lidarseg index, 255 where unlabelled.
        intensity: (N,) uint8.
    """

    xyz: np.ndarray
    raw: np.ndarray
    intensity: np.ndarray

    def __getitem__(self, selection: np.ndarray) -> 'Points':
        return Points(self.xyz[selection], self.raw[selection], self.intensity[selection])


def read_sweep(
    file: Path, lidarseg_file: Path | None, scene_from_lidar: np.ndarray, ego_from_lidar: np.ndarray
) -> Points:
    """Read a sweep; no-returns and points on the own car are left out.

    Args:
        file: float32 x, y, z, intensity, ring of each point, lidar frame.
        lidarseg_file: uint8 lidarseg index of each point; None between keyframes.
        scene_from_lidar: (4, 4) float64.
        ego_from_lidar: (4, 4) float64.

    Returns:
        The points in the scene's frame. That frame starts where the ego car does: within a kilometre of its origin
        float32 is exact to 0.06 mm, while in global coordinates of some thousand metres it would be to 0.2 mm.

    Raises:
        FileNotFoundError, ValueError: a file is missing or damaged; the message names it.
    """
    sweep = read_returns(file)
    raw = np.full(len(sweep), UNLABELLED, np.uint8)
    if lidarseg_file is not None:
        raw = np.frombuffer(_read_file(lidarseg_file), np.uint8)
        if len(raw) != len(sweep):
            raise ValueError(f'{lidarseg_file}: has {len(raw)} labels for the {len(sweep)} points of {file.name}')
        if raw.max() >= len(RAW_NAMES):
            raise ValueError(f'{lidarseg_file}: holds the index {raw.max()}; lidarseg has 0-{len(RAW_NAMES) - 1}')
    return Points(*_keep_world(sweep, raw, scene_from_lidar, ego_from_lidar, EGO_BOX, NEAR_M))


def read_returns(file: Path) -> np.ndarray:
    """(N, 5) float32 x, y, z, intensity, ring of a sweep in the order of its rays, lidar frame; no-returns included.

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged; the message names it.
    """
    content = _read_file(file)
    if len(content) % 20 or not len(content):
        raise ValueError(f'{file}: its {len(content)} bytes are not points of 20 bytes; the download is damaged')
    return np.frombuffer(content, np.float32).reshape(-1, 5)


def _read_file(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f'{file}: missing; is this part of nuScenes downloaded and unpacked?') from None


@njit(inline='always', error_model='numpy')
def hits_world(point, ego_from_lidar, ego_box, near):
    """Whether a return (lidar frame) is of the world: neither a no-return nor of the car that carries the lidar."""
    x, y, z = point
    u, v, w = transformed(ego_from_lidar, point)
    # Without branches, since numba counts references to arrays that are handed to branches, which takes longer. Written
    # so that a coordinate that is not a number fails it.
    beside = (u < ego_box[0, 0]) | (u >= ego_box[1, 0]) | (v < ego_box[0, 1]) | (v >= ego_box[1, 1])
    return (x * x + y * y + z * z > near * near) & (beside | (w < ego_box[0, 2]) | (w >= ego_box[1, 2]))


@njit(cache=True, error_model='numpy')
def _keep_world(sweep, raw, scene_from_lidar, ego_from_lidar, ego_box, near):
    xyz = np.empty((len(sweep), 3), np.float32)
    kept_raw = np.empty(len(sweep), np.uint8)
    intensity = np.empty(len(sweep), np.uint8)
    n = 0
    for i in range(len(sweep)):
        point = np.float64(sweep[i, 0]), np.float64(sweep[i, 1]), np.float64(sweep[i, 2])
        if raw[i] == RAW_EGO or not hits_world(point, ego_from_lidar, ego_box, near):
            continue
        xyz[n] = transformed(scene_from_lidar, point)
        kept_raw[n] = raw[i]
        intensity[n] = min(max(np.rint(sweep[i, 3]), 0), 255)
        n += 1
    return xyz[:n].copy(), kept_raw[:n].copy(), intensity[:n].copy()
