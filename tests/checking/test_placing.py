"""Rays of the scene made by hand, placed at its keyframes."""

from dataclasses import replace

import numpy as np
import pytest
from handmade import CAR_POINTS, ROAD_POINTS, START, SWEEPS, WALL_POINTS, car_at, make_scene

from project.checking.config import RayConfig
from project.checking.placing import RayPlacer
from project.geometry.rigid import inverse
from project.sources.base import OwnParts

CONFIG = RayConfig(rays=1000)


def distances(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of each of some points to the nearest of others."""
    return np.linalg.norm(some[:, None] - others, axis=2).min(axis=1)


@pytest.mark.parametrize('sweep', range(SWEEPS))
@pytest.mark.parametrize('k', [0, 1, 2])
@pytest.mark.parametrize('frame', ['lidar', 'ego'])
def test_the_world_stays_and_objects_go_with_their_boxes(tmp_path, sweep, k, frame):
    scene = make_scene(tmp_path)
    rays = RayPlacer(scene, CONFIG).place(sweep, k, frame)
    grid_from_global = scene.grid_from_global(k, frame)
    world = START + np.concatenate([ROAD_POINTS, WALL_POINTS])
    world = world @ grid_from_global[:3, :3].T + grid_from_global[:3, 3]
    car = grid_from_global @ car_at(2 * k)
    car = CAR_POINTS @ car[:3, :3].T + car[:3, 3]
    ends = rays.ends[rays.tracks == -1]
    # The road in the car's box may be of either.
    assert len(ends) > 100 and distances(ends, world).max() < 1e-3
    of_car = rays.ends[rays.tracks == 0]
    # Between keyframes its box is interpolated, a millimetre or so beside where it was.
    assert distances(car, of_car).max() < 0.01
    if sweep != 2 * k:
        assert len(of_car) == len(CAR_POINTS)


def test_rays_start_at_the_lidar_and_objects_where_their_boxes_begin(tmp_path):
    scene = make_scene(tmp_path)
    rays = RayPlacer(scene, CONFIG).place(0, 0, 'lidar')
    assert np.abs(rays.origins).max() < 1e-6 and (rays.starts == CONFIG.start_m).all()
    carried = RayPlacer(scene, CONFIG).place(1, 0, 'lidar')
    mine = carried.tracks == 0
    directions = (carried.ends - carried.origins)[mine] / carried.lengths[mine, None]
    entries = carried.origins[mine] + carried.starts[mine, None] * directions
    box = inverse(scene.grid_from_global(0, 'lidar') @ car_at(0))
    away = np.abs(entries @ box[:3, :3].T + box[:3, 3]) - (2.1, 1.1, 1.0)
    assert np.abs(away.max(axis=1)).max() < 0.02


def test_objects_that_the_labels_do_not_show_are_left_out(tmp_path):
    scene = make_scene(tmp_path, track_at=(1, 2))
    assert not (RayPlacer(scene, CONFIG).place(3, 0, 'lidar').tracks == 0).any()
    assert (RayPlacer(scene, CONFIG).place(3, 1, 'lidar').tracks == 0).any()


def test_the_ground_under_an_object_does_not_go_with_it(tmp_path):
    under = np.array([9.0, 4.0, 0.05])
    scene = make_scene(tmp_path, extra=[(1, under, 24)])
    assert (RayPlacer(scene, CONFIG).place(1, 0, 'lidar').tracks == 0).sum() == len(CAR_POINTS)


def test_what_is_near_or_far_does_not_count(tmp_path):
    scene = make_scene(tmp_path)
    near = RayConfig(rays=1000, nearest_m=11.0, farthest_m=14.0)
    lengths = np.linalg.norm(RayPlacer(scene, near).place(0, 0, 'lidar').ends, axis=1)
    assert len(lengths) and lengths.min() >= 11 and lengths.max() < 14


def test_a_sample_is_the_same_each_time(tmp_path):
    placer = RayPlacer(make_scene(tmp_path), RayConfig(rays=10))
    first, second = placer.place(1, 0, 'ego'), placer.place(1, 0, 'ego')
    assert len(first.ends) <= 10 and np.array_equal(first.ends, second.ends)


def test_returns_from_the_own_vehicle_outside_its_box_are_not_judged(tmp_path):
    scene = make_scene(tmp_path)
    cells = np.zeros((1, 200, 200, 200), bool)
    cells[:, 100:] = True  # to the right of the lidar
    seen = replace(scene, own_parts=OwnParts(cells, -50.0, 0.5))
    everything = RayPlacer(scene, CONFIG).place(0, 0, 'lidar').ends
    rays = RayPlacer(seen, CONFIG).place(0, 0, 'lidar').ends
    assert (everything[:, 0] >= 0).any() and len(rays) > 10
    assert len(rays) == (everything[:, 0] < 0).sum() and (rays[:, 0] < 0).all()
