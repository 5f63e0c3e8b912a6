"""A hand-built world of planes and what a lidar in it would see, for tests of registration."""

from collections.abc import Iterator

import numpy as np
from scipy.spatial.transform import Rotation

from project.labels.config import DEFAULT
from project.labels.poses.surfaces import Surfaces, thinned_surfaces

CONFIG = DEFAULT.poses
SWEEPS = 12


def road(rng: np.random.Generator, length_m: float = 100.0) -> np.ndarray:
    """(N, 3) points of ground alone, with a slope."""
    n = int(400 * length_m)
    x, y = rng.uniform(-40, length_m - 40, n), rng.uniform(-9, 9, n)
    return np.stack([x, y, 0.01 * x], axis=1)


def tunnel(rng: np.random.Generator, length_m: float = 100.0) -> np.ndarray:
    """(N, 3) points of a road between two walls that look the same all along."""
    ground = road(rng, length_m)
    walls = [np.stack([x := rng.uniform(-40, length_m - 40, len(ground)), side + 0 * x, rng.uniform(0, 5, len(x))], 1)
             for side in (-9, 9)]  # fmt: skip
    walls = np.concatenate(walls)
    walls[:, 2] += 0.01 * walls[:, 0]
    return np.concatenate([ground, walls])


def street(rng: np.random.Generator, length_m: float = 100.0) -> np.ndarray:
    """(N, 3) points of a road between houses that stand out from the walls beside it."""
    parts = [tunnel(rng, length_m)]
    for place in np.arange(-30, length_m - 40, 14):
        side, n = rng.choice([-9, 9]), 3000
        part = np.stack([np.full(n, place), side * rng.uniform(0.6, 1, n), rng.uniform(0, 5, n)], axis=1)
        part[:, 2] += 0.01 * part[:, 0]
        parts.append(part)
    return np.concatenate(parts)


def driven(step_m: float = 0.5, turn: float = 0.004, sweeps: int = SWEEPS) -> np.ndarray:
    """(S, 4, 4) true poses: so far a sweep along the road, in a slight curve."""
    poses = np.tile(np.eye(4), (sweeps, 1, 1))
    yaws = turn * np.arange(sweeps)
    poses[:, :3, :3] = Rotation.from_rotvec(np.outer(yaws, (0, 0, 1))).as_matrix()
    poses[:, 0, 3] = step_m * np.arange(sweeps)
    poses[:, 2, 3] = 0.01 * poses[:, 0, 3]
    return poses


def drifting(poses: np.ndarray) -> np.ndarray:
    """The poses with heights that are lost by up to half a metre, and slow waves in x, y and yaw."""
    given = poses.copy()
    phase = 2 * np.arange(len(poses)) / SWEEPS
    given[:, :3, 3] += np.stack([0.06 * np.sin(3 * phase), 0.06 * np.sin(4 * phase), -0.25 * phase], axis=1)
    turns = Rotation.from_rotvec(np.outer(0.003 * np.sin(3 * phase), (0, 0, 1))).as_matrix()
    given[:, :3, :3] = turns @ given[:, :3, :3]
    return given


def seen(world: np.ndarray, poses: np.ndarray, rng: np.random.Generator) -> Iterator[Surfaces]:
    """Sweeps of up to 6000 points each within 30 m of the car, with 1 cm of noise."""
    world = world[np.argsort(world[:, 0])]
    for pose in poses:
        first, last = np.searchsorted(world[:, 0], pose[0, 3] + np.array([-30, 30]))
        near = world[first:last]
        near = near[np.linalg.norm(near - pose[:3, 3], axis=1) < 30]
        points = near[rng.choice(len(near), min(6000, len(near)), replace=False)]
        points = points + rng.normal(0, 0.01, points.shape)
        yield thinned_surfaces((points - pose[:3, 3]) @ pose[:3, :3], np.eye(4), CONFIG)


def only(surfaces: Surfaces, count: int) -> Surfaces:
    """The first points of a sweep."""
    return Surfaces(surfaces.xyz[:count], surfaces.is_ground[:count])
