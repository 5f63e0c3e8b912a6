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

_SEARCHED, _CLEARLY = 5, 1.1
"""Every such point is looked for when poses around are tried, and how much better one must be to be followed up."""

_AT_REST_M, _AT_REST_RAD = 0.003, 0.0002
"""A smaller step is the last one."""


def registered(sweeps: Sequence[Surfaces], given: np.ndarray, config: PoseConfig) -> tuple[np.ndarray, np.ndarray]:
    """Poses that lay sweeps onto one another.

    Args:
        sweeps: S sweeps in order of time.
        given: (S, 4, 4) float64 poses to start from, ego frame to one that stands still and has its z axis upwards.
        config: thresholds.

    Returns:
        The (S, 4, 4) float64 poses, and (S,) bool which sweeps could not be laid onto others: those move on from the
        sweep before as they are given to.
    """
    enough = np.array([len(sweep.xyz) >= config.min_points for sweep in sweeps], bool)
    poses, world, lost = given.copy(), SurfaceMap(config), ~enough
    usual_fit = np.inf
    for i, sweep in enumerate(sweeps):
        if i:
            poses[i] = _moved_on(poses[i - 1], given[i - 1], given[i])
        if enough[i]:
            if enough[:i].any():
                poses[i], fit = _laid_or_searched(world, sweep, poses[i], usual_fit, config)
                usual_fit = fit if np.isinf(usual_fit) else 0.8 * usual_fit + 0.2 * fit
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
    return poses, lost


def shares_met(sweeps: Sequence[Surfaces], poses: np.ndarray, config: PoseConfig) -> tuple[float, float]:
    """How much of what sweeps saw lies on surfaces that other sweeps saw.

    Args:
        sweeps: S sweeps.
        poses: (S, 4, 4) float64 poses.
        config: thresholds.

    Returns:
        Shares of all points, and of those that are no ground.
    """
    world, met, points = SurfaceMap(config), np.zeros(2), np.zeros(2)
    for sweep, pose in zip(sweeps, poses, strict=True):
        world.add(sweep, pose)
    for sweep, pose in zip(sweeps, poses, strict=True):
        world.add(sweep, pose, -1)
        for kind, part in enumerate((sweep, sweep.walls)):
            met[kind] += world.fit(part, pose, config.fits_m) * len(part.xyz)
            points[kind] += len(part.xyz)
        world.add(sweep, pose)
    of_all, of_walls = met / np.maximum(points, 1)
    return float(of_all), float(of_walls)


def _laid_or_searched(
    world: SurfaceMap, sweep: Surfaces, expected: np.ndarray, usual_fit: float, config: PoseConfig
) -> tuple[np.ndarray, float]:
    """Pose of a sweep on the map, and the share of its walls that lie on it; as expected where it meets too little.

    Given poses may jump. So a few poses around are tried as well, and many where a sweep fits much worse than usual.
    """
    walls = sweep.walls
    found = _laid(world, sweep, expected, expected, 1, config.fits_at_first_m, config)
    pose = expected if found is None else found
    fit = world.fit(walls, pose, config.fits_m)
    reach_m = config.search_m if fit < config.bad_fit * usual_fit else config.look_around_m
    start = _best_around(world, walls, expected, pose, reach_m, config)
    if start is not None:
        found = _laid(world, sweep, start, start, 1, config.fits_at_first_m, config)
        if found is not None and world.fit(walls, found, config.fits_m) > fit:
            pose, fit = found, world.fit(walls, found, config.fits_m)
    return pose, fit


def _best_around(
    world: SurfaceMap, walls: Surfaces, expected: np.ndarray, pose: np.ndarray, reach_m: float, config: PoseConfig
) -> np.ndarray | None:
    """The pose around what was expected where walls fit best, if that is clearly better than a pose found already."""
    few = Surfaces(walls.xyz[::_SEARCHED], walls.is_ground[::_SEARCHED])
    steps = np.arange(-reach_m, reach_m + config.search_step_m / 2, config.search_step_m)
    starts = np.tile(expected, (len(steps) ** 2, 1, 1))
    starts[:, :2, 3] += np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    fits = [world.fit(few, start, config.fits_at_first_m) for start in starts]
    best = int(np.argmax(fits))
    return starts[best] if fits[best] > _CLEARLY * world.fit(few, pose, config.fits_at_first_m) else None


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
        matrix, side, met = world.normal_equations(sweep, pose, fits_m)
        if met < config.min_points:
            return None
        turned = Rotation.from_matrix(pose[:3, :3] @ expected[:3, :3].T).as_rotvec()
        off = np.concatenate([turned, pose[:3, 3] - expected[:3, 3]])
        # What is far from what was given is no small drift: poses have jumped, and tell less.
        held = firmness / (1 + firmness / times * (off / config.jump) ** 2)
        step = -np.linalg.solve(config.independent * matrix + np.diag(held), config.independent * side + held * off)
        pose[:3, :3] = Rotation.from_rotvec(step[:3]).as_matrix() @ pose[:3, :3]
        pose[:3, 3] += step[3:]
        steps += 1
        at_rest = np.abs(step[:3]).max() < _AT_REST_RAD and np.abs(step[3:]).max() < _AT_REST_M
        if fits_m > config.fits_m:
            if at_rest or steps >= _STEPS_AT_FIRST:
                fits_m, steps = max(fits_m / 2, config.fits_m), 0
        elif at_rest or steps >= _MOST_STEPS:
            return pose
