"""A scene made by hand: every voxel of its labels is known."""

import numpy as np
import pytest
from handmade import (
    CAR_POINTS,
    EGO_FROM_LIDAR,
    PEDESTRIAN,
    ROAD,
    ROAD_POINTS,
    START,
    WALL_POINTS,
    car_at,
    make_scene,
)  # fmt: skip

from project.geometry.rigid import inverse
from project.grid import VoxelGrid
from project.labels.aggregation.aggregate import aggregate
from project.labels.voxelization.voting import vote_keyframe

LIDAR = VoxelGrid.from_range('lidar', (-20, -20, -3, 20, 22, 3), 0.5)
EGO = VoxelGrid.from_range('ego', (-20, -20, -1, 20, 22, 5), 0.5)
CAR_LABEL, PEDESTRIAN_LABEL, ROAD_LABEL, WALL_LABEL = 4, 7, 11, 15


def expected(scene, k, grid, *parts):
    """Dense labels of (global points, label) pairs; later ones win."""
    labels = np.full(grid.shape, 17)
    grid_from_global = inverse(scene.global_from_ego[2 * k] @ (EGO_FROM_LIDAR if grid is LIDAR else np.eye(4)))
    for points, label in parts:
        indices, _ = grid.voxel_indices(points @ grid_from_global[:3, :3].T + grid_from_global[:3, 3])
        labels[tuple(indices.T)] = label
    return labels


def car(k):
    return CAR_POINTS @ car_at(2 * k)[:3, :3].T + car_at(2 * k)[:3, 3]


STATIC = (START + ROAD_POINTS, ROAD_LABEL), (START + WALL_POINTS, WALL_LABEL)


@pytest.mark.parametrize('grid', [LIDAR, EGO])
@pytest.mark.parametrize('k', [0, 1, 2])
@pytest.mark.parametrize('num_sweeps', [0, 1, 10])
def test_the_world_stands_still_and_the_car_moves_as_one(tmp_path, grid, k, num_sweeps):
    scene = make_scene(tmp_path)
    labels = vote_keyframe(scene, aggregate(scene), k, num_sweeps, grid).dense()
    np.testing.assert_array_equal(labels, expected(scene, k, grid, *STATIC, (car(k), CAR_LABEL)))


def test_without_boxes_a_mover_is_only_where_it_was_seen_at_its_own_keyframe(tmp_path):
    scene = make_scene(tmp_path, track_at=())
    world = aggregate(scene)
    for k in range(3):
        labels = vote_keyframe(scene, world, k, 10, LIDAR).dense()
        np.testing.assert_array_equal(labels, expected(scene, k, LIDAR, *STATIC, (car(k), CAR_LABEL)))


def test_a_track_that_ends_leaves_no_ghost(tmp_path):
    scene = make_scene(tmp_path, track_at=(0, 1))
    world = aggregate(scene)
    np.testing.assert_array_equal(
        vote_keyframe(scene, world, 1, 10, LIDAR).dense(), expected(scene, 1, LIDAR, *STATIC, (car(1), CAR_LABEL))
    )
    np.testing.assert_array_equal(
        vote_keyframe(scene, world, 2, 10, LIDAR).dense(), expected(scene, 2, LIDAR, *STATIC, (car(2), CAR_LABEL))
    )


def test_points_seen_at_another_time_move_with_the_car(tmp_path):
    tail = np.array([-1.9, 0.1, 0.2])
    seen_late = car_at(3)[:3, :3] @ tail + car_at(3)[:3, 3] - START
    scene = make_scene(tmp_path, extra=[(3, seen_late, 255)])
    labels = vote_keyframe(scene, aggregate(scene), 0, 10, LIDAR).dense()
    whole = np.concatenate([car(0), (car_at(0)[:3, :3] @ tail + car_at(0)[:3, 3])[None]])
    np.testing.assert_array_equal(labels, expected(scene, 0, LIDAR, *STATIC, (whole, CAR_LABEL)))


def test_road_under_the_car_stays_road_and_a_pedestrian_is_no_wall(tmp_path):
    under_car = car_at(2)[:3, 3] - START
    under_car += (0.1, 0.1, -under_car[2])
    on_wall = WALL_POINTS[30] + (-0.7, 0.0, 0.0)
    extra = [(2, under_car, ROAD), (2, on_wall, PEDESTRIAN), (3, on_wall, PEDESTRIAN)]
    scene = make_scene(tmp_path, extra=extra)
    world = aggregate(scene)
    road = (START + np.concatenate([ROAD_POINTS, under_car[None]]), ROAD_LABEL)
    static = road, (START + WALL_POINTS, WALL_LABEL)
    labels = vote_keyframe(scene, world, 0, 10, LIDAR).dense()
    np.testing.assert_array_equal(labels, expected(scene, 0, LIDAR, *static, (car(0), CAR_LABEL)))
    labels = vote_keyframe(scene, world, 1, 10, LIDAR).dense()
    pedestrian = ((START + on_wall)[None], PEDESTRIAN_LABEL)
    np.testing.assert_array_equal(labels, expected(scene, 1, LIDAR, *static, pedestrian, (car(1), CAR_LABEL)))


def test_where_an_unboxed_mover_was_long_ago_the_world_is_seen_again(tmp_path):
    """It stands before the wall at the first keyframe only; at that place, a sweep after the second sees the wall."""
    before_wall = WALL_POINTS[30] + (-0.7, 0.0, 0.0)
    for sweep, seen in ((1, False), (3, True)):
        scene = make_scene(tmp_path, extra=[(0, before_wall, PEDESTRIAN), (sweep, before_wall, 255)])
        labels = vote_keyframe(scene, aggregate(scene), 2, 10, LIDAR).dense()
        wall = START + np.concatenate([WALL_POINTS, before_wall[None]] if seen else [WALL_POINTS])
        parts = STATIC[0], (wall, WALL_LABEL), (car(2), CAR_LABEL)
        np.testing.assert_array_equal(labels, expected(scene, 2, LIDAR, *parts))
