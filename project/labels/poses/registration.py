"""Registers the sweeps of a scene to each other.

Each sweep is registered to a map of the sweeps before it. Then, in rounds, each is registered to the map of all other
sweeps, so that errors do not add up along the path. The given poses remain a soft constraint: geometry does not
determine the position along a tunnel, nor any horizontal position in an open field.
"""

from collections.abc import Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.transform import Rotation

from project.geometry.rigid import interpolate
from project.labels.config import PoseConfig
from project.labels.poses.surface_map import SurfaceMap
from project.labels.poses.surfaces import Surfaces

_STEPS_AT_FIRST, _MOST_STEPS = 3, 12
"""Least squares steps with one width of the robust weight: before it narrows, and at its narrowest."""

_SEARCHED, _CLEARLY = 5, 1.1
"""Every n-th point is used when other poses are tried; and how much better one must be to be refined."""

_AT_REST_M, _AT_REST_RAD = 0.003, 0.0002
"""Iteration ends after a step smaller than this."""


def registered(sweeps: Sequence[Surfaces], given: np.ndarray, config: PoseConfig) -> tuple[np.ndarray, np.ndarray]:
    """Poses that align sweeps with each other.

    Args:
        sweeps: S sweeps in order of time.
        given: (S, 4, 4) float64 poses to start from, from the ego frame into a fixed frame whose z axis points upwards.
        config: thresholds.

    Returns:
        The (S, 4, 4) float64 poses, and (S,) bool which sweeps could not be registered: these keep the given motion
        from the sweep before.
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
    """Shares of the points of sweeps that lie on surfaces seen by other sweeps.

    Args:
        sweeps: S sweeps.
        poses: (S, 4, 4) float64 poses.
        config: thresholds.

    Returns:
        The share of all points, and the share of the points that are not ground.
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
    """Pose of a sweep on the map, and the share of its walls that lie on it; the expected pose if too little of it
    matches.

    Given poses may jump. So a few poses around the expected one are tried as well, and many if a sweep fits much worse
    than usual.
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
    """The pose around the expected one at which walls fit best, if it is clearly better than the pose found already."""
    few = Surfaces(walls.xyz[::_SEARCHED].copy(), walls.is_ground[::_SEARCHED].copy())
    steps = np.arange(-reach_m, reach_m + config.search_step_m / 2, config.search_step_m)
    starts = np.tile(expected, (len(steps) ** 2, 1, 1))
    starts[:, :2, 3] += np.stack(np.meshgrid(steps, steps), axis=-1).reshape(-1, 2)
    fits = [world.fit(few, start, config.fits_at_first_m) for start in starts]
    best = int(np.argmax(fits))
    return starts[best] if fits[best] > _CLEARLY * world.fit(few, pose, config.fits_at_first_m) else None


def _moved_on(pose: np.ndarray, given: np.ndarray, given_next: np.ndarray) -> np.ndarray:
    """A pose moved on by the given motion; roll and pitch are as given."""
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
    """Pose of a sweep on the map, weighted against the pose expected from its neighbours; None if too little of it
    matches the map.

    Both are taken as Gaussian, so each step towards the most likely pose solves a linear equation.
    """
    angle, along, up = np.radians(config.given_rotation_deg), config.given_horizontal_m, config.given_height_m
    information = times / np.array([angle, angle, angle, along, along, up]) ** 2
    pose, steps = start.copy(), 0
    while True:
        matrix, side, met = world.normal_equations(sweep, pose, fits_m)
        if met < config.min_points:
            return None
        turned = Rotation.from_matrix(pose[:3, :3] @ expected[:3, :3].T).as_rotvec()
        off = np.concatenate([turned, pose[:3, 3] - expected[:3, 3]])
        # A pose far from the given one is no small drift: the given poses jumped, and get less weight.
        held = information / (1 + information / times * (off / config.jump) ** 2)
        matrix, side = config.independent * matrix + np.diag(held), config.independent * side + held * off
        step = -cho_solve(cho_factor(matrix), side)
        pose[:3, :3] = Rotation.from_rotvec(step[:3]).as_matrix() @ pose[:3, :3]
        pose[:3, 3] += step[3:]
        steps += 1
        at_rest = np.abs(step[:3]).max() < _AT_REST_RAD and np.abs(step[3:]).max() < _AT_REST_M
        if fits_m > config.fits_m:
            if at_rest or steps >= _STEPS_AT_FIRST:
                fits_m, steps = max(fits_m / 2, config.fits_m), 0
        elif at_rest or steps >= _MOST_STEPS:
            return pose
