"""Which object each voxel belongs to."""

import numpy as np
import pytest
from handmade import make_scene

from project.formats import OccupancyLabels
from project.grid import VoxelGrid
from project.labels.aggregation.aggregate import aggregate
from project.labels.voxelization.instances import instances_of, track_of_voxels
from project.labels.voxelization.voting import vote_keyframe
from project.sources.base import Tracks

GRID = VoxelGrid.from_range('lidar', (-20, -20, -3, 20, 22, 3), 0.5)
CAR = 4


@pytest.mark.parametrize('k', [0, 1, 2])
def test_the_car_has_one_number_at_all_keyframes_and_the_rest_none(tmp_path, k):
    scene = make_scene(tmp_path)
    labels = vote_keyframe(scene, aggregate(scene), k, 10, GRID)
    instances = instances_of(track_of_voxels(labels, scene, k), scene.tracks)
    assert instances.dtype == np.uint32
    assert set(instances[labels.classes == CAR]) == {1}
    assert not instances[labels.classes != CAR].any()


def side_by_side(scene, metres):
    """The scene with a second car beside the first, `metres` to its left."""
    tracks = scene.tracks
    beside = tracks.global_from_box.copy()
    beside[..., :3, 3] += metres * beside[..., :3, 1]
    return Tracks(
        np.repeat(tracks.present, 2, axis=1), np.concatenate([tracks.global_from_box, beside], axis=1),
        np.repeat(tracks.sizes, 2, axis=1), np.repeat(tracks.categories, 2),
    )  # fmt: skip


def test_voxels_between_two_cars_go_to_the_nearer_one(tmp_path):
    scene = make_scene(tmp_path)
    width = scene.tracks.sizes[1, 0, 1]
    object.__setattr__(scene, 'tracks', side_by_side(scene, width + 0.1))
    from_global = scene.grid_from_global(1, GRID.frame)
    middles = (from_global @ scene.tracks.global_from_box[1])[:, :3, 3]
    left = (from_global @ scene.tracks.global_from_box[1, 0])[:3, 1]
    across = np.linspace(-0.5, 0.5, 41)[:, None] * 2 * width
    indices, _ = GRID.voxel_indices((middles.mean(axis=0) + across * left).astype(np.float32))
    indices = np.unique(indices, axis=0)
    labels = OccupancyLabels(GRID, indices, np.full(len(indices), CAR, np.uint8))
    track = track_of_voxels(labels, scene, 1)
    distance = np.linalg.norm((GRID.centres(indices)[:, None] - middles) @ left[:, None], axis=2)
    clear = np.abs(distance[:, 0] - distance[:, 1]) > 1e-3
    np.testing.assert_array_equal(track[clear], distance.argmin(axis=1)[clear])
    assert {0, 1} <= set(track.tolist())


def test_a_scene_without_boxes_has_no_instances(tmp_path):
    scene = make_scene(tmp_path)
    scene.tracks.present[:] = False
    labels = OccupancyLabels(GRID, np.array([[1, 2, 3]]), np.array([CAR], np.uint8))
    assert instances_of(track_of_voxels(labels, scene, 1), scene.tracks).tolist() == [0]
