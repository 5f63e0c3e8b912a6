"""The ray caster against exact geometry."""

import numpy as np
import pytest

from project.grid import VoxelGrid
from project.visualization.render.camera import Camera
from project.visualization.render.raycast import MISS, SOLID, cast, shaded

GRID = VoxelGrid('lidar', (-2.0, -1.0, 0.5), (0.5, 0.4, 0.3), (7, 5, 3))


def first_voxels(occupied: np.ndarray, camera: Camera) -> np.ndarray:
    """Position of the nearest occupied voxel along each ray, found by meeting every voxel's box with every ray."""
    voxels = np.argwhere(occupied)
    low = np.array(GRID.minimum) + voxels * GRID.voxel_size
    columns, rows = np.meshgrid(np.arange(camera.width_px) + 0.5, np.arange(camera.height_px) + 0.5)
    pixels = np.stack([columns.ravel(), rows.ravel(), np.ones(columns.size)])
    origins, directions = (camera.origins @ pixels).T[:, None], (camera.directions @ pixels).T[:, None]
    with np.errstate(divide='ignore', invalid='ignore'):
        ends = np.stack([(low - origins) / directions, (low + GRID.voxel_size - origins) / directions])
    entry, leave = ends.min(axis=0).max(axis=-1), ends.max(axis=0).min(axis=-1)
    distance = np.where((entry < leave) & (leave > 0), np.maximum(entry, 0), np.inf)
    nearest = GRID.ravel(voxels)[distance.argmin(axis=1)]
    return np.where(np.isinf(distance.min(axis=1)), MISS, nearest).reshape(columns.shape)


@pytest.mark.parametrize('seed', range(5))
def test_finds_the_voxel_that_an_exhaustive_search_finds(seed: int):
    rng = np.random.default_rng(seed)
    occupied = rng.random(GRID.shape) < 0.2
    position = rng.uniform(-4, 4, 3)
    camera = Camera.look_at(position, np.array([-0.3, 0.1, 0.9]), 60, 37, 23)
    hits = cast(GRID, occupied, camera)
    np.testing.assert_array_equal(hits.positions, first_voxels(occupied, camera))
    assert (hits.positions >= 0).any()


def test_a_camera_inside_the_grid_sees_what_is_around_it():
    occupied = np.zeros(GRID.shape, bool)
    occupied[6, 2, 1] = True
    inside = GRID.centres(np.array([[1, 2, 1]]))[0]
    camera = Camera.look_at(inside, inside + np.array([1, 0, 0]), 20, 3, 3)
    assert cast(GRID, occupied, camera).positions[1, 1] == GRID.ravel(np.array([[6, 2, 1]]))[0]


def test_overhead_picture_is_the_map_with_the_driving_direction_up():
    occupied = np.zeros(GRID.shape, bool)
    occupied[5, 3, 1] = True
    top = GRID.maximum[2] + 1
    camera = Camera.overhead((-0.25, 0.0, top), (0, 1, 0), 2.0, 35, 20)
    positions = cast(GRID, occupied, camera).positions
    # 0.1 m a pixel: x from -2 to the right, y from 1 downwards; the voxel spans x 0.5-1.0 and y 0.2-0.6.
    expected = np.full((20, 35), MISS)
    expected[4:8, 25:30] = GRID.ravel(np.array([[5, 3, 1]]))[0]
    np.testing.assert_array_equal(positions, expected)


def test_a_projection_and_its_rays_agree():
    rng = np.random.default_rng(3)
    image_from_grid = np.array([[50, 0, 20, 0], [0, 50, 15, 0], [0, 0, 1, 0]]) @ np.vstack(
        [np.column_stack([np.linalg.qr(rng.normal(size=(3, 3)))[0], rng.normal(size=3)]), [0, 0, 0, 1]]
    )
    camera = Camera.projecting(image_from_grid, 40, 30)
    for pixel in rng.uniform(0, 30, (5, 2)):
        ray = np.array([*pixel, 1])
        point = camera.origins @ ray + 7 * camera.directions @ ray
        u, v, depth = image_from_grid @ [*point, 1]
        np.testing.assert_allclose([u / depth, v / depth, depth], [*pixel, 7], atol=1e-9)


def test_nearer_solids_hide_voxels_and_farther_ones_do_not():
    occupied = np.zeros(GRID.shape, bool)
    occupied[3, 2, 1] = True
    target = GRID.centres(np.array([[3, 2, 1]]))[0]
    camera = Camera.look_at(target - np.array([0, 5, -0.1]), target, 1, 1, 1)
    near = [*(target - (0.1, 2.1, 0.1)), *(target - (-0.1, 2, -0.1))]
    far = [*(target - (0.1, -2, 0.1)), *(target - (-0.1, -2.1, -0.1))]
    assert cast(GRID, occupied, camera, [far]).positions[0, 0] == GRID.ravel(np.array([[3, 2, 1]]))[0]
    assert cast(GRID, occupied, camera, [far, near]).positions[0, 0] == SOLID - 1
    assert cast(GRID, np.zeros(GRID.shape, bool), camera, [far]).positions[0, 0] == SOLID


def test_an_empty_grid_is_missed_everywhere():
    hits = cast(GRID, np.zeros(GRID.shape, bool), Camera.look_at((5, 5, 5), (0, 0, 0), 60, 9, 7))
    assert (hits.positions == MISS).all()
    assert (hits.shade == 1).all()


def test_an_open_top_side_has_its_own_colour_and_an_enclosed_one_is_darker():
    palette = np.array([[200, 100, 50]], np.uint8)
    occupied = np.zeros((7, 5, 3), bool)
    occupied[3, 2, 0] = True
    camera = Camera.overhead((*GRID.centres(np.array([[3, 2, 0]]))[0][:2], 5), (0, 1, 0), 0.2, 3, 3)
    codes = np.zeros((3, 3), np.uint8)
    np.testing.assert_allclose(shaded(palette, codes, cast(GRID, occupied, camera))[1, 1], palette[0], atol=1e-3)
    occupied[2, 2, 1] = occupied[4, 2, 1] = True
    assert (shaded(palette, codes, cast(GRID, occupied, camera))[1, 1] < palette[0]).all()
