"""The rays of all sweeps: each goes from the lidar to a return, and the space along it is free."""

from dataclasses import dataclass

import numpy as np
from numba import njit

from project.geometry.traversal import transformed
from project.labels.aggregation.sweeps import hits_world
from project.labels.config import DEFAULT, LabelConfig
from project.sources.base import Scene
from project.sources.returns import Returns, lidar_poses, returns_of

SHARES = 1 << 16

_REMEMBERED_BITS = 18
"""Number of kept rays that are remembered, a power of two: those of ten sweeps, so a waiting car adds few new rays."""

_SAMPLED, _FEW = 256, 16
"""Number of points that show in which order a sweep is stored; with fewer, the order is taken as that of
measurement."""


@dataclass(frozen=True)
class Rays:
    """Rays of S sweeps, scene frame. The lidar moves while it turns, so each ray starts at its own place.

    Attributes:
        ends: (N, 3) float32 where they ended, sweep after sweep.
        shares: (N,) uint16 time within the sweep, in parts of 65536.
        starts: (S + 1,) int64 first ray of each sweep, and the end.
        origins: (S, 2, 3) float64 where the lidar was when the sweep began and when it ended.
    """

    ends: np.ndarray
    shares: np.ndarray
    starts: np.ndarray
    origins: np.ndarray

    def of_sweeps(self, chosen: np.ndarray) -> 'Rays':
        """Only the rays of sweeps that are chosen in a (S,) bool; the others have none."""
        counts = np.diff(self.starts)
        kept = np.repeat(chosen, counts)
        starts = np.append(0, np.cumsum(np.where(chosen, counts, 0)))
        return Rays(self.ends[kept], self.shares[kept], starts, self.origins)


def read_rays(
    scene: Scene,
    scene_from_global: np.ndarray,
    config: LabelConfig = DEFAULT,
    every: int = 1,
    same_m: float | None = None,
) -> Rays:
    """Read the rays of a scene's sweeps from the first keyframe to the last.

    Args:
        scene: the sweeps.
        scene_from_global: (4, 4) float64.
        config: thresholds.
        every: only those of every n-th sweep of each lidar; the others have none.
        same_m: of rays from one cell of this size to one such cell the first is kept; by default as the config says.

    Raises:
        FileNotFoundError, ValueError: a file of the scene is missing or damaged; the message names it.
    """
    scene_from_lidar = scene_from_global @ scene.global_from_ego @ scene.ego_from_lidar
    origins = _origins(scene, scene_from_lidar[:, :3, 3], config.visibility.longest_turn_s)
    same_m, own_box, near_m = same_m or config.visibility.same_ray_m, scene.rig.own_box, config.sweeps.near_m
    memory = np.zeros(1 << _REMEMBERED_BITS, np.uint64)
    counts = np.zeros(len(origins), np.int64)
    ends, shares = [np.zeros((0, 3), np.float32)], [np.zeros(0, np.uint16)]
    for sweep in _every(scene, every):
        returns = returns_of(scene, sweep)
        origins[sweep] = _path(scene, sweep, returns, scene_from_lidar[sweep], origins[sweep])
        parts = scene_from_lidar[sweep], scene.ego_from_lidar[sweep], origins[sweep]
        own = scene.own_cells(sweep)
        kept = _kept(returns.points, _shares(returns), *parts, memory, same_m, own_box, near_m, *own)
        counts[sweep] = len(kept[0])
        ends.append(kept[0])
        shares.append(kept[1])
    return Rays(np.concatenate(ends), np.concatenate(shares), np.append(0, np.cumsum(counts)), origins)


def starts_of_rays(
    scene: Scene, sweep: int, returns: Returns, scene_from_lidar: np.ndarray, config: LabelConfig = DEFAULT
) -> np.ndarray:
    """Where the ray of each return of a sweep starts: (N, 3) float64, scene frame.

    Args:
        scene: the sweeps.
        sweep: which of them.
        returns: its returns.
        scene_from_lidar: (S, 4, 4) float64, of all sweeps.
        config: thresholds.
    """
    by_stamps = _origins(scene, scene_from_lidar[:, :3, 3], config.visibility.longest_turn_s)[sweep]
    first, last = _path(scene, sweep, returns, scene_from_lidar[sweep], by_stamps)
    return first + (_shares(returns)[:, None] + 0.5) / SHARES * (last - first)


def _every(scene: Scene, every: int) -> np.ndarray:
    """Every n-th sweep of each lidar, from the first keyframe to the last, in order of time."""
    of_lidars = [sweeps[scene.time_steps[sweeps] >= 0][::every] for sweeps in scene.sweeps_of_lidars()]
    return np.sort(np.concatenate(of_lidars))


def _origins(scene: Scene, positions: np.ndarray, longest_turn_s: float) -> np.ndarray:
    """Positions of the lidar at the begin and at the end of each sweep's turn, from time stamps: (S, 2, 3)."""
    origins = np.stack([positions, positions], axis=1)
    for lidar, sweeps in zip(scene.rig.lidars, scene.sweeps_of_lidars(), strict=False):
        elapsed_s = np.diff(scene.timestamps_us[sweeps]) / 1e6
        # Where sweeps are missing, or only keyframes exist, the time of the sweep before is not the begin of the turn.
        usual_s = np.median(elapsed_s) if len(elapsed_s) else 0
        follows = (elapsed_s > 0) & (elapsed_s < min(2 * usual_s, longest_turn_s))
        before, after = sweeps[:-1][follows], sweeps[1:][follows]
        if lidar.stamp == 'end':
            origins[after, 0] = positions[before]
        elif lidar.stamp == 'start':
            origins[before, 1] = positions[after]
        else:
            origins[after, 0] = origins[before, 1] = (positions[before] + positions[after]) / 2
    return origins


def _path(
    scene: Scene, sweep: int, returns: Returns, scene_from_lidar: np.ndarray, by_stamps: np.ndarray
) -> np.ndarray:
    """(2, 3) positions of the lidar at the first and at the last point of a sweep."""
    lidar = scene.lidar(sweep)
    if returns.times_s is not None and len(returns.times_s):
        bounds_s = np.array([returns.times_s.min(), returns.times_s.max()])
    elif not lidar.deskewed:
        # The points of the sweep are given as if the lidar stood still at its time stamp; so are the rays.
        bounds_s = np.zeros(2)
    elif lidar.period_s:
        bounds_s = lidar.turn_s(lidar.period_s)
    else:
        return by_stamps
    return (scene_from_lidar @ lidar_poses(scene, sweep, bounds_s))[:, :3, 3]


def _shares(returns: Returns) -> np.ndarray:
    """(N,) uint16 time within the sweep at which each point was measured."""
    count = len(returns.points)
    if returns.times_s is not None and count:
        first, last = returns.times_s.min(), returns.times_s.max()
        passed = (returns.times_s - first) * ((SHARES - 1) / max(last - first, 1e-9))
        return passed.astype(np.uint16)
    if _fired_in_order(returns.points):
        return (np.arange(count) * SHARES // max(count, 1)).astype(np.uint16)
    return np.full(count, SHARES // 2, np.uint16)


def _fired_in_order(points: np.ndarray) -> bool:
    """Whether points are stored in the order of measurement, once around the lidar, and not ring by ring."""
    sample = points[:: max(len(points) // _SAMPLED, 1), :2]
    sample = sample[(sample**2).sum(axis=1) > 1]
    azimuths = np.arctan2(sample[:, 1], sample[:, 0])
    turns = (np.diff(azimuths) / (2 * np.pi) + 0.5) % 1 - 0.5
    return len(turns) < _FEW or (abs(turns.sum()) < 1.1 and abs(np.sign(turns).mean()) > 0.5)


@njit(inline='always', error_model='numpy')
def origin_of(origins, share):
    """Origin of a ray: `origins` (2, 3) of its sweep, `share` as in :class:`Rays`."""
    w = (share + 0.5) / SHARES
    x = origins[0, 0] + w * (origins[1, 0] - origins[0, 0])
    y = origins[0, 1] + w * (origins[1, 1] - origins[0, 1])
    z = origins[0, 2] + w * (origins[1, 2] - origins[0, 2])
    return x, y, z


@njit(cache=True, error_model='numpy')
def _kept(
    returns, passed, scene_from_lidar, ego_from_lidar, origins, memory, same_m,
    own_box, near_m, own_cells, low_m, cell_m,
):  # fmt: skip
    ends, shares = np.empty((len(returns), 3), np.float32), np.empty(len(returns), np.uint16)
    n = 0
    for i in range(len(returns)):
        point = np.float64(returns[i, 0]), np.float64(returns[i, 1]), np.float64(returns[i, 2])
        if not hits_world(point, ego_from_lidar, own_box, near_m, own_cells, low_m, cell_m):
            continue
        end = transformed(scene_from_lidar, point)
        share = passed[i]
        to = _cell_number(end, same_m)
        ray = to * np.uint64(0xD6E8FEB86659FD93) + _cell_number(origin_of(origins, share), same_m)
        # All rays to a cell share one place in the table, chosen by the best mixed bits; the last ray takes it.
        place = to >> np.uint64(64 - _REMEMBERED_BITS)
        if memory[place] != ray:
            memory[place] = ray
            ends[n] = end
            shares[n] = share
            n += 1
    return ends[:n].copy(), shares[:n].copy()


@njit(inline='always', error_model='numpy')
def _cell_number(point, cell_m):
    """A number for the cell of a point: its indices, each times a large odd number (multiplicative hashing)."""
    x = np.uint64(np.int64(np.floor(point[0] / cell_m))) * np.uint64(0x9E3779B97F4A7C15)
    y = np.uint64(np.int64(np.floor(point[1] / cell_m))) * np.uint64(0xC2B2AE3D27D4EB4F)
    z = np.uint64(np.int64(np.floor(point[2] / cell_m))) * np.uint64(0x165667B19E3779F9)
    return x + y + z
