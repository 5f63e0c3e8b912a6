"""A map of surfaces gives the motion that aligns a sweep."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from town import CONFIG, driven, road, seen, street, tunnel

from project.labels.poses.surface_map import SurfaceMap
from project.labels.poses.surfaces import Surfaces


def moved(pose, step):
    """A pose after a small rotation about the car and a translation."""
    result = pose.copy()
    result[:3, :3] = Rotation.from_rotvec(step[:3]).as_matrix() @ pose[:3, :3]
    result[:3, 3] += step[3:]
    return result


def mapped(world, rng, poses):
    surface_map = SurfaceMap(CONFIG)
    for surfaces, pose in zip(seen(world, poses, rng), poses, strict=True):
        surface_map.add(surfaces, pose)
    return surface_map


@pytest.mark.parametrize('axis', range(6))
def test_a_small_motion_is_undone_by_one_step(rng, axis):
    poses, world = driven(), street(rng)
    surface_map = mapped(world, rng, poses)
    (sweep,) = seen(world, poses[6:7], rng)
    step = np.zeros(6)
    step[axis] = 0.002 if axis < 3 else 0.02
    found = []
    for pose in (poses[6], moved(poses[6], step)):
        matrix, side, _ = surface_map.normal_equations(sweep, pose, 0.5)
        assert (np.linalg.eigvalsh(matrix) > 0).all()
        found.append(-np.linalg.solve(matrix, side))
    # In metres, as far away as points are: a step goes most of the way, and hardly anywhere else.
    metres = np.array([10, 10, 10, 1, 1, 1])
    np.testing.assert_allclose(metres * (found[1] - found[0]), -metres * step, atol=0.5 * (metres * step).max())


@pytest.mark.parametrize(('world', 'told'), [(road, [0, 1, 5]), (tunnel, [0, 1, 2, 4, 5])])
def test_nothing_is_told_of_directions_in_which_all_looks_the_same(rng, world, told):
    poses, world = driven(turn=0.0), world(rng)
    (sweep,) = seen(world, poses[6:7], rng)
    matrix = mapped(world, rng, poses).normal_equations(sweep, poses[6], CONFIG.fits_m)[0]
    strength = np.diag(matrix) / (20.0**2 * np.array([1, 1, 1, 0, 0, 0]) + np.array([0, 0, 0, 1, 1, 1]))
    untold = np.setdiff1d(np.arange(6), told)
    assert strength[told].min() > 20 * strength[untold].max()


def test_a_sweep_that_was_taken_out_leaves_no_trace(rng):
    poses, world = driven(), street(rng)
    once, twice = (mapped(world, np.random.default_rng(1), poses) for _ in range(2))
    first, second = seen(world, poses[3:5], rng)
    twice.add(first, poses[3])
    twice.add(first, poses[3], -1)
    for expected, found in zip(
        once.normal_equations(second, poses[4], 0.2), twice.normal_equations(second, poses[4], 0.2), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_many_cells_are_kept(rng):
    surface_map = SurfaceMap(CONFIG)
    spread = Surfaces(rng.uniform(-40, 40, (5000, 3)), np.zeros(5000, bool))
    poses = np.tile(np.eye(4), (4, 1, 1))
    poses[:, 0, 3] = 100.0 * np.arange(4)
    for pose in poses:
        for _ in range(10):
            surface_map.add(spread, pose)
    for pose in poses:
        assert surface_map.normal_equations(spread, pose, 0.5)[2] == len(spread.xyz)


def test_roads_above_one_another_are_kept_apart(rng):
    (below,) = seen(road(rng), driven(sweeps=1), rng)
    surface_map, above = SurfaceMap(CONFIG), np.eye(4)
    above[2, 3] = 6.0
    for pose in (np.eye(4), above):
        surface_map.add(below, pose)
        surface_map.add(below, pose)
    for pose in (np.eye(4), above):
        assert surface_map.fit(below, pose, CONFIG.fits_m) > 0.9


def test_an_empty_map_meets_nothing(rng):
    (sweep,) = seen(street(rng), driven(sweeps=1), rng)
    matrix, side, met = SurfaceMap(CONFIG).normal_equations(sweep, np.eye(4), 0.5)
    assert not matrix.any() and not side.any() and met == SurfaceMap(CONFIG).fit(sweep, np.eye(4), 0.5) == 0
