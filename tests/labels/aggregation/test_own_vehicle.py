"""Returns that stay in the lidar's frame while the world moves are the own vehicle; things along the road are not."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import EGO_FROM_LIDAR, make_scene

from project.geometry.rigid import inverse, poses
from project.labels.aggregation.own_vehicle import with_own_parts
from project.labels.aggregation.sweeps import read_sweep
from project.labels.config import DEFAULT
from project.labels.visibility.lidar_rays import read_rays

SWEEPS = 24
MIRRORS = np.array([(1.9, side * y, z) for side in (-1, 1) for y in (1.2, 1.3, 1.4) for z in (1.0, 1.1)])
"""Ego frame, a hand's breadth outside the box of the rig."""
FOLLOWER = np.array([(-6.0, y, z) for y in np.arange(-0.9, 1, 0.1) for z in np.arange(0.4, 1.5, 0.1)])
"""Stays 6 m behind the middle of the rear axle."""
ROAD = np.stack([*np.meshgrid(np.arange(-40, 90, 0.4), np.arange(-15, 15, 0.4)), np.zeros((75, 325))], -1).reshape(
    -1, 3
)
RAIL = np.array([(x, -2.2, z) for x in np.arange(-40, 90, 0.1) for z in (0.5, 0.6, 0.7)])
"""Along the road, as near as the mirrors' reach."""


def scene_of(root, own=MIRRORS, step_m=1.5, sweeps=SWEEPS):
    """A drive along a road with a rail, in front of a car that follows, seen by every sweep all over."""
    ego = np.stack([poses([1, 0, 0, 0], [step_m * sweep, 0, 0]) for sweep in range(sweeps)])
    for sweep in range(sweeps):
        world = np.concatenate([ROAD, RAIL]) - ego[sweep][:3, 3]
        world = world[np.hypot(*world[:, :2].T) > 1.5]
        points = np.zeros((len(world) + len(own) + len(FOLLOWER), 5), np.float32)
        lidar_from_ego = inverse(EGO_FROM_LIDAR)
        points[:, :3] = np.concatenate([world, FOLLOWER, own]) @ lidar_from_ego[:3, :3].T + lidar_from_ego[:3, 3]
        points.tofile(root / f'own{sweep}.bin')
    return replace(
        make_scene(root),
        keyframe_sweeps=np.array([0, sweeps // 2, sweeps - 1]),
        sweep_files=tuple(f'own{sweep}.bin' for sweep in range(sweeps)),
        label_files=(None,) * sweeps,
        timestamps_us=np.arange(sweeps) * 200_000,
        global_from_ego=ego,
        ego_from_lidar=np.tile(EGO_FROM_LIDAR, (sweeps, 1, 1)),
    )


def in_own_cells(scene, xyz):
    """(N,) bool of points in the ego frame."""
    cells, low_m, cell_m = scene.own_cells(0)
    lidar_from_ego = inverse(EGO_FROM_LIDAR)
    where = np.floor((xyz @ lidar_from_ego[:3, :3].T + lidar_from_ego[:3, 3] - low_m) / cell_m).astype(int)
    inside = ((where >= 0) & (where < len(cells))).all(axis=1)
    return inside & cells[tuple(np.where(inside[:, None], where, 0).T)]


def test_mirrors_are_found_and_nothing_else(tmp_path):
    scene = with_own_parts(scene_of(tmp_path))
    assert in_own_cells(scene, MIRRORS).all()
    for others in (FOLLOWER, ROAD, RAIL):
        assert not in_own_cells(scene, others).any()


@pytest.mark.parametrize(
    'changes',
    [{'step_m': 0.0}, {'step_m': 0.01}, {'sweeps': 7}, {'own': MIRRORS[:0]}, {'own': MIRRORS * (1, 0.7, 1)}],
    ids=['standing still', 'hardly moving', 'few sweeps', 'nothing', 'within the box'],
)
def test_a_scene_that_tells_nothing_stays_as_it_is(tmp_path, changes):
    scene = scene_of(tmp_path, **changes)
    assert with_own_parts(scene) is scene


def test_a_wall_nearby_along_the_whole_drive_is_no_part_of_the_car(tmp_path, monkeypatch):
    wall = np.array([(x, 1.6, z) for x in np.arange(-40, 90, 0.1) for z in np.arange(0.5, 1.6, 0.1)])
    monkeypatch.setattr(f'{__name__}.RAIL', wall)
    scene = scene_of(tmp_path, own=MIRRORS[:0])
    assert with_own_parts(scene) is scene


def test_sweeps_and_rays_leave_out_the_car_alone(tmp_path):
    before = scene_of(tmp_path)
    after = with_own_parts(before)
    points = [read_sweep(scene, 3, np.eye(4), DEFAULT.sweeps).xyz for scene in (before, after)]
    assert len(points[0]) - len(points[1]) == len(MIRRORS)
    lidar_from_ego = inverse(EGO_FROM_LIDAR)
    own = (MIRRORS @ lidar_from_ego[:3, :3].T + lidar_from_ego[:3, 3]).astype(np.float32)
    gone = set(map(tuple, points[0].tolist())) - set(map(tuple, points[1].tolist()))
    assert gone == set(map(tuple, own.tolist()))
    ends = [read_rays(scene, np.eye(4), same_m=0.001).ends for scene in (before, after)]
    assert len(ends[0]) - len(ends[1]) == SWEEPS * len(MIRRORS)
