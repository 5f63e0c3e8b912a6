"""Step 5, see: every return of every sweep is the end of a beam that met nothing on its way."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.labels.read import EGO_BOX, NEAR_M, hits_world, read_returns
from project.labels.scene import Scene

SHARES = 1 << 16

LONGEST_SWEEP_S = 0.1
"""A lidar turns in half of that; sweeps further apart do not follow on each other."""


@dataclass(frozen=True)
class Beams:
    """Beams of S sweeps, scene frame. The lidar moves while it turns, so each beam starts at its own place.

    Attributes:
        ends: (N, 3) float32 where they ended, sweep after sweep.
        shares: (N,) uint16 how much of the sweep had passed, in parts of 65536.
        starts: (S + 1,) int64 first beam of each sweep, and the end.
        origins: (S, 2, 3) float64 where the lidar was when the sweep began and when it ended.
    """

    ends: np.ndarray
    shares: np.ndarray
    starts: np.ndarray
    origins: np.ndarray


def read_beams(scene: Scene, scene_from_global: np.ndarray) -> Beams:
    """Read the beams of a scene's sweeps; those of sweeps before the first and after the last keyframe are left out.

    Raises:
        FileNotFoundError, ValueError: a file of the scene is missing or damaged; the message names it.
    """
    scene_from_lidar = scene_from_global @ scene.global_from_ego @ scene.ego_from_lidar
    ends, shares = [], []
    for sweep, tick in enumerate(scene.ticks):
        returns = read_returns(scene.dataroot / scene.sweep_files[sweep])
        kept = _beams(returns[: len(returns) if tick >= 0 else 0], scene_from_lidar[sweep], scene.ego_from_lidar[sweep])
        ends.append(kept[0])
        shares.append(kept[1])
    starts = np.concatenate([[0], np.cumsum([len(part) for part in ends])])
    positions = scene_from_lidar[:, :3, 3]
    elapsed_us = np.diff(scene.timestamps_us, prepend=scene.timestamps_us[0])
    follows = (elapsed_us > 0) & (elapsed_us < LONGEST_SWEEP_S * 1e6)
    before = np.where(follows[:, None], np.roll(positions, 1, axis=0), positions)
    return Beams(np.concatenate(ends), np.concatenate(shares), starts, np.stack([before, positions], axis=1))


@njit(inline='always', error_model='numpy')
def origin_of(origins, share):
    """Where a beam starts: `origins` (2, 3) of its sweep, `share` as in :class:`Beams`."""
    w = (share + 0.5) / SHARES
    x = origins[0, 0] + w * (origins[1, 0] - origins[0, 0])
    y = origins[0, 1] + w * (origins[1, 1] - origins[0, 1])
    z = origins[0, 2] + w * (origins[1, 2] - origins[0, 2])
    return x, y, z


def _beams(returns: np.ndarray, scene_from_lidar: np.ndarray, ego_from_lidar: np.ndarray):
    return _kept(returns, scene_from_lidar, ego_from_lidar, EGO_BOX, NEAR_M)


@njit(cache=True, error_model='numpy')
def _kept(returns, scene_from_lidar, ego_from_lidar, ego_box, near):
    ends, shares = np.empty((len(returns), 3), np.float32), np.empty(len(returns), np.uint16)
    n = 0
    for i in range(len(returns)):
        x, y, z = np.float64(returns[i, 0]), np.float64(returns[i, 1]), np.float64(returns[i, 2])
        if hits_world(x, y, z, ego_from_lidar, ego_box, near):
            for axis in range(3):
                m = scene_from_lidar[axis]
                ends[n, axis] = m[0] * x + m[1] * y + m[2] * z + m[3]
            shares[n] = i * SHARES // len(returns)
            n += 1
    return ends[:n].copy(), shares[:n].copy()
