"""Velocities of voxels, for a car that drives and turns and a world that stands still."""

import numpy as np
import pytest
from handmade import EGO_FROM_LIDAR, car_at, make_scene

from project.formats import OccupancyLabels
from project.geometry.rigid import inverse
from project.grid import VoxelGrid
from project.labels.aggregation.aggregate import aggregate
from project.labels.voxelization.flow import flow_of
from project.labels.voxelization.instances import track_of_voxels
from project.labels.voxelization.voting import vote_keyframe

GRIDS = [
    VoxelGrid.from_range('lidar', (-20, -20, -3, 20, 22, 3), 0.5),
    VoxelGrid.from_range('ego', (-20, -20, -1, 20, 22, 5), 0.5),
]
CAR = 4


def labels_and_flow(tmp_path, k, grid, **scene):
    scene = make_scene(tmp_path, **scene)
    labels = vote_keyframe(scene, aggregate(scene), k, 10, grid)
    return scene, labels, flow_at(labels, scene, k)


def flow_at(labels, scene, k):
    return flow_of(labels, track_of_voxels(labels, scene, k), scene, k)


@pytest.mark.parametrize('grid', GRIDS)
def test_voxels_of_the_car_move_as_their_place_in_the_box_does(tmp_path, grid):
    scene, labels, flow = labels_and_flow(tmp_path, 1, grid)
    grid_from_global = inverse(scene.global_from_ego[2] @ (EGO_FROM_LIDAR if grid.frame == 'lidar' else np.eye(4)))
    centres = grid.centres(labels.indices[labels.classes == CAR])
    in_box = np.column_stack([centres, np.ones(len(centres))]) @ (inverse(car_at(2)) @ inverse(grid_from_global)).T
    before, after = (in_box @ (grid_from_global @ car_at(sweep)).T for sweep in (0, 4))
    # A chord is a little shorter than the arc that the box turns on.
    np.testing.assert_allclose(flow[labels.classes == CAR], (after - before)[:, :3], atol=0.03)
    assert len(centres) and np.linalg.norm(flow[labels.classes == CAR], axis=1).min() > 3
    assert not flow[labels.classes != CAR].any()


@pytest.mark.parametrize('k', [0, 2])
def test_at_the_ends_of_a_track_the_one_neighbour_tells(tmp_path, k):
    _, labels, flow = labels_and_flow(tmp_path, k, GRIDS[1])
    speed = np.linalg.norm(flow[labels.classes == CAR], axis=1)
    np.testing.assert_allclose(speed, 8, atol=0.8)


def test_velocity_is_taken_from_both_neighbours(tmp_path):
    scene, labels, flow = labels_and_flow(tmp_path, 1, GRIDS[0])
    scene.tracks.global_from_box[2, 0, 0, 3] += 2
    faster = flow_at(labels, scene, 1)
    # Two metres more in the second that lies between them.
    np.testing.assert_allclose(np.linalg.norm(faster - flow, axis=1), 2.0 * (labels.classes == CAR), atol=1e-5)


@pytest.mark.parametrize('grid', GRIDS)
def test_every_voxel_that_a_box_reaches_into_moves(tmp_path, grid, rng):
    scene = make_scene(tmp_path)
    in_box = rng.uniform(-0.5, 0.5, (5000, 3)) * scene.tracks.sizes[1, 0]
    grid_from_box = scene.grid_from_global(1, grid.frame) @ scene.tracks.global_from_box[1, 0]
    indices, _ = grid.voxel_indices(in_box @ grid_from_box[:3, :3].T + grid_from_box[:3, 3])
    voxels = np.unique(indices, axis=0)
    above = voxels + np.array([0, 0, 6])
    labels = OccupancyLabels(grid, np.concatenate([voxels, above]), np.full(2 * len(voxels), CAR, np.uint8))
    moves = flow_at(labels, scene, 1).any(axis=1)
    np.testing.assert_array_equal(moves, np.arange(2 * len(voxels)) < len(voxels))


def test_an_object_annotated_once_has_no_velocity(tmp_path):
    _, labels, flow = labels_and_flow(tmp_path, 1, GRIDS[0], track_at=(1,))
    assert (labels.classes == CAR).any() and not flow.any()


def test_ground_and_walls_inside_a_box_stand_still(tmp_path):
    inside = car_at(2)[:3, 3] - np.array([1000.5, 2000.5, 0.9])
    _, labels, flow = labels_and_flow(tmp_path, 1, GRIDS[1], extra=[(2, inside + np.array([0.5, 0.2, 0]), 24)])
    assert (labels.classes == 11).sum() > 1 and not flow[labels.classes == 11].any()
