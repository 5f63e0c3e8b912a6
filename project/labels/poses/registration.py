"""The sweeps of a scene are laid onto one another.

Each sweep is laid onto a map of the sweeps before it, and then, in rounds, onto the map of all others, so that errors
do not add up along the way. The given poses stay a soft constraint: in a tunnel geometry does not tell how far the car
has come, and in an open field not even which way.
"""

from collections.abc import Sequence

import numpy as np
from scipy.spatial.transform import Rotation

from project.geometry.rigid import interpolate
from project.labels.config import PoseConfig
from project.labels.poses.surface_map import SurfaceMap
from project.labels.poses.surfaces import Surfaces

_STEPS_AT_FIRST, _MOST_STEPS = 3, 12
"""Steps towards the surfaces with one trust, before it narrows and when it is at its narrowest."""

_AT_REST_M, _AT_REST_RAD = 0.003, 0.0002
"""A smaller step is the last one."""


def registered(
    sweeps: Sequence[Surfaces], given: np.ndarray, config: PoseConfig
) -> tuple[np.ndarray, np.ndarray, float]:
    """Poses that lay sweeps onto one another.

    Args:
        sweeps: S sweeps in order of time.
        given: (S, 4, 4) float64 poses to start from, ego frame to one that stands still and has its z axis upwards.
        config: thresholds.

    Returns:
        The (S, 4, 4) float64 poses; (S,) bool which sweeps could not be laid onto others: those move on from the sweep
        before as they are given to; and the share of points that lie on surfaces of other sweeps.
    """
    enough = np.array([len(sweep.xyz) >= config.min_points for sweep in sweeps], bool)
    poses, world, lost = given.copy(), SurfaceMap(config), ~enough
    for i, sweep in enumerate(sweeps):
        if i:
            poses[i] = _moved_on(poses[i - 1], given[i - 1], given[i])
        if enough[i]:
            found = _laid(world, sweep, poses[i], poses[i], 1, config.fits_at_first_m, config)
            poses[i] = poses[i] if found is None else found
            world.add(sweep, poses[i])
    for _ in range(config.rounds):
        for i in np.flatnonzero(enough):
            world.add(sweeps[i], poses[i], -1)
            neighbours = [j for j in (i - 1, i + 1) if 0 <= j < len(sweeps)]
            if neighbours:
                ways = [_moved_on(poses[j], given[j], given[i]) for j in neighbours]
                expected = interpolate(ways[0][None], ways[-1][None], np.array([0.5]))[0]
                found = _laid(world, sweeps[i], poses[i], expected, len(ways), config.fits_m, config)
                lost[i] = found is None
                poses[i] = poses[i] if found is None else found
            world.add(sweeps[i], poses[i])
    return poses, lost, _fit(world, sweeps, poses, config)


def fit_of(sweeps: Sequence[Surfaces], poses: np.ndarray, config: PoseConfig) -> float:
    """Share of the points of sweeps that lie on surfaces of other sweeps, where poses (S, 4, 4) put them."""
    world = SurfaceMap(config)
    for sweep, pose in zip(sweeps, poses, strict=True):
        world.add(sweep, pose)
    return _fit(world, sweeps, poses, config)


def _fit(world: SurfaceMap, sweeps: Sequence[Surfaces], poses: np.ndarray, config: PoseConfig) -> float:
    fits = []
    for sweep, pose in zip(sweeps, poses, strict=True):
        world.add(sweep, pose, -1)
        fits.append(world.normal_equations(sweep, pose, config.fits_m)[3] * len(sweep.xyz))
        world.add(sweep, pose)
    return sum(fits) / max(sum(len(sweep.xyz) for sweep in sweeps), 1)


def _moved_on(pose: np.ndarray, given: np.ndarray, given_next: np.ndarray) -> np.ndarray:
    """Pose that the given motion leads to from a pose; roll and pitch are as given."""
    correction = pose[:3, :3] @ given[:3, :3].T
    turn = Rotation.from_euler('z', np.arctan2(correction[1, 0], correction[0, 0])).as_matrix()
    moved = np.eye(4)
    moved[:3, :3] = turn @ given_next[:3, :3]
    moved[:3, 3] = pose[:3, 3] + turn @ (given_next[:3, 3] - given[:3, 3])
    return moved


def _laid(
    world: SurfaceMap, sweep: Surfaces, start: np.ndarray, expected: np.ndarray, times: int, fits_m: float,
    config: PoseConfig,
) -> np.ndarray | None:  # fmt: skip
    """Pose of a sweep on the map, weighed against what is expected from so many neighbours; None where too little of it
    meets the map.

    Both are taken for Gaussian, so that each step of the most likely pose solves a linear equation.
    """
    angle, along, up = np.radians(config.given_rotation_deg), config.given_horizontal_m, config.given_height_m
    firmness = times / np.array([angle, angle, angle, along, along, up]) ** 2
    pose, steps = start.copy(), 0
    while True:
        matrix, side, met, _ = world.normal_equations(sweep, pose, fits_m)
        if met < config.min_points:
            return None
        turned = Rotation.from_matrix(pose[:3, :3] @ expected[:3, :3].T).as_rotvec()
        off = firmness * np.concatenate([turned, pose[:3, 3] - expected[:3, 3]])
        step = -np.linalg.solve(config.independent * matrix + np.diag(firmness), config.independent * side + off)
        pose[:3, :3] = Rotation.from_rotvec(step[:3]).as_matrix() @ pose[:3, :3]
        pose[:3, 3] += step[3:]
        steps += 1
        at_rest = np.abs(step[:3]).max() < _AT_REST_RAD and np.abs(step[3:]).max() < _AT_REST_M
        if fits_m > config.fits_m:
            if at_rest or steps >= _STEPS_AT_FIRST:
                fits_m, steps = max(fits_m / 2, config.fits_m), 0
        elif at_rest or steps >= _MOST_STEPS:
            return pose
