"""Deskewed returns: those of a sweep as if all were measured at its time stamp."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.errors import UserError
from project.geometry.rigid import inverse
from project.geometry.traversal import transformed
from project.sources.base import Lidar, Scene
from project.sources.read_points import read_timed_returns

_POSES = 17
"""Number of poses of the lidar during a sweep, with linear motion between them: every 6 ms of a turn of 0.1 s."""

_LONGEST_S = 1.0
"""Times further from the time stamp are wrong: they have another zero or other units."""


@dataclass(frozen=True)
class Returns:
    """Returns of a sweep, no-returns included.

    Attributes:
        points: (N, 4 or more) float32, the first four x, y, z (metres, the lidar's frame at the sweep's time stamp)
            and intensity (0 to 255).
        times_s: (N,) float64, seconds from the time stamp to each measurement; None if neither the file nor what is
            known of the lidar tells them.
    """

    points: np.ndarray
    times_s: np.ndarray | None


def returns_of(scene: Scene, sweep: int) -> Returns:
    """Read a sweep, and deskew it if its lidar does not, and if points carry a time or their azimuth tells it.

    Raises:
        FileNotFoundError, ValueError: the file is missing or damaged, or its times are wrong; the message names it.
    """
    file, lidar = scene.dataroot / scene.sweep_files[sweep], scene.lidar(sweep)
    if scene.read_points is not None:
        points, times_s = scene.read_points(sweep)
    else:
        points, times_s = read_timed_returns(file, lidar, int(scene.timestamps_us[sweep]))
    if times_s is None:
        times_s = _times_by_azimuth(points, lidar)
    if times_s is not None and len(times_s):
        if not np.abs(times_s).max() < _LONGEST_S:
            worst = times_s[np.abs(np.nan_to_num(times_s, nan=np.inf)).argmax()]
            raise UserError(
                f'{file}: a point was measured {worst:.6g} s after the time stamp of the sweep; check time_unit_s and '
                f'time_zero of the lidar {lidar.name}'
            )
        if not lidar.deskewed:
            points = _deskewed(scene, sweep, points, times_s)
    return Returns(points, times_s)


def _times_by_azimuth(points: np.ndarray, lidar: Lidar) -> np.ndarray | None:
    """Seconds from the time stamp at which a turning lidar looked at each of (N, 3 or more) points, lidar frame."""
    if lidar.turn_from_deg is None or lidar.period_s is None:
        return None
    turned_deg = np.degrees(np.arctan2(points[:, 1], points[:, 0], dtype=np.float64)) - lidar.turn_from_deg
    # A point that is no number is told as measured when the turn starts.
    share = np.nan_to_num(-turned_deg if lidar.clockwise else turned_deg) / 360 % 1
    start_s, end_s = lidar.turn_s(lidar.period_s)
    return start_s + share * (end_s - start_s)


def lidar_poses(scene: Scene, sweep: int, times_s: np.ndarray) -> np.ndarray:
    """Poses of a sweep's lidar at (N,) seconds from its time stamp: (N, 4, 4) float64, its frame at the time stamp."""
    stamp = scene.timestamps_us[sweep : sweep + 1]
    ego = inverse(scene.motion.at(stamp)) @ scene.motion.at(stamp + times_s * 1e6)
    return inverse(scene.ego_from_lidar[sweep]) @ ego @ scene.ego_from_lidar[sweep]


def _deskewed(scene: Scene, sweep: int, points: np.ndarray, times_s: np.ndarray) -> np.ndarray:
    first, last = times_s.min(), times_s.max()
    poses = lidar_poses(scene, sweep, np.linspace(first, last, _POSES))
    moved = points.copy()
    _move(moved, times_s, poses, first, (_POSES - 1) / max(last - first, 1e-9))
    return moved


@njit(cache=True, error_model='numpy')
def _move(points, times_s, poses, first_s, poses_per_s):
    pose = np.empty((4, 4))
    for i in range(len(points)):
        # A no-return stays at the origin.
        if points[i, 0] == 0 and points[i, 1] == 0 and points[i, 2] == 0:
            continue
        at = (times_s[i] - first_s) * poses_per_s
        before = min(int(at), len(poses) - 2)
        share = at - before
        for row in range(3):
            for column in range(4):
                pose[row, column] = (1 - share) * poses[before, row, column] + share * poses[before + 1, row, column]
        point = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        points[i, 0], points[i, 1], points[i, 2] = transformed(pose, point)
