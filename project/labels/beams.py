"""Step 5, see: every return of every sweep is the end of a beam that met nothing on its way."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.labels.read import EGO_BOX, NEAR_M, hits_world, read_returns
from project.labels.scene import Scene
from project.labels.walk import carried

SHARES = 1 << 16

LONGEST_SWEEP_S = 0.1
"""A lidar turns in half of that; sweeps further apart do not follow on each other."""

SAME_M = 0.2
"""Beams from one cell of this size to one cell tell the same: the first is kept. As fine as the finest format."""

_REMEMBERED = 1 << 18
"""Beams remembered as kept: those of ten sweeps, so that a car that waits does not see all anew."""


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
    origins = _origins(scene, scene_from_lidar[:, :3, 3])
    memory = new_memory()
    ends, shares = [], []
    for sweep, tick in enumerate(scene.ticks):
        returns = read_returns(scene.dataroot / scene.sweep_files[sweep])
        kept = _kept(
            returns[: len(returns) if tick >= 0 else 0],
            scene_from_lidar[sweep],
            scene.ego_from_lidar[sweep],
            origins[sweep],
            memory,
            EGO_BOX,
            NEAR_M,
        )
        ends.append(kept[0])
        shares.append(kept[1])
    starts = np.concatenate([[0], np.cumsum([len(part) for part in ends])])
    return Beams(np.concatenate(ends), np.concatenate(shares), starts, origins)


def _origins(scene: Scene, positions: np.ndarray) -> np.ndarray:
    """Where the lidar was when each sweep began and when it ended."""
    elapsed_us = np.diff(scene.timestamps_us, prepend=scene.timestamps_us[0])
    follows = (elapsed_us > 0) & (elapsed_us < LONGEST_SWEEP_S * 1e6)
    before = np.where(follows[:, None], np.roll(positions, 1, axis=0), positions)
    return np.stack([before, positions], axis=1)


@njit(inline='always', error_model='numpy')
def origin_of(origins, share):
    """Where a beam starts: `origins` (2, 3) of its sweep, `share` as in :class:`Beams`."""
    w = (share + 0.5) / SHARES
    x = origins[0, 0] + w * (origins[1, 0] - origins[0, 0])
    y = origins[0, 1] + w * (origins[1, 1] - origins[0, 1])
    z = origins[0, 2] + w * (origins[1, 2] - origins[0, 2])
    return x, y, z


@njit(cache=True, error_model='numpy')
def _kept(returns, scene_from_lidar, ego_from_lidar, origins, memory, ego_box, near):
    ends, shares = np.empty((len(returns), 3), np.float32), np.empty(len(returns), np.uint16)
    n = 0
    for i in range(len(returns)):
        x, y, z = np.float64(returns[i, 0]), np.float64(returns[i, 1]), np.float64(returns[i, 2])
        if not hits_world(x, y, z, ego_from_lidar, ego_box, near):
            continue
        end = carried(scene_from_lidar, (x, y, z))
        share = np.uint16(i * SHARES // len(returns))
        if is_new(memory, origin_of(origins, share), end, SAME_M):
            ends[n, 0], ends[n, 1], ends[n, 2] = end
            shares[n] = share
            n += 1
    return ends[:n].copy(), shares[:n].copy()


def new_memory() -> np.ndarray:
    """Memory of no beams yet, for :func:`is_new`."""
    return np.zeros(_REMEMBERED, np.uint64)


@njit(inline='always', error_model='numpy')
def is_new(memory, start, end, cell_m):
    """Whether no beam from the same cell to the same cell, of some size, is remembered; it is from now on."""
    to = _mixed(np.uint64(0), end, cell_m)
    beam = _mixed(to, start, cell_m)
    # One place for all beams to a cell: whichever comes last has it.
    place = to & np.uint64(_REMEMBERED - 1)
    new = memory[place] != beam
    memory[place] = beam
    return new


@njit(inline='always', error_model='numpy')
def _mixed(number, point, cell_m):
    """A number for the cell of a point and another number (the finaliser of Steele et al.'s SplitMix, OOPSLA 2014)."""
    for axis in range(3):
        cell = np.int64(np.floor(point[axis] / cell_m))
        number = (number + np.uint64(cell)) * np.uint64(0x9E3779B97F4A7C15)
        number = (number ^ (number >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        number ^= number >> np.uint64(27)
    return number
