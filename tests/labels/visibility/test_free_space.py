"""What lidar has seen free, voxel by voxel, in scenes made by hand."""

from pathlib import Path

import numpy as np
import pytest

from project.formats import Keyframe, OccupancyLabels
from project.grid import VoxelGrid
from project.labels.visibility.box_rays import find_box_rays
from project.labels.visibility.free_space import ObservedRays, free_space, observed
from project.labels.visibility.lidar_rays import Rays, read_rays
from project.sources.base import Scene, Tracks

GRID = VoxelGrid.from_range('ego', (0, 0, 0, 10, 5, 3), 1.0)
LIDAR = (0.5, 2.5, 1.5)
HALF_A_SECOND_US = 500_000


def scene_of(boxes=()) -> Scene:
    """Two keyframes of a car that stands; `boxes` are (x, y, z) of a 2 m cube's centre at each of them."""
    global_from_box = np.tile(np.eye(4), (2, bool(boxes), 1, 1))
    if boxes:
        global_from_box[:, 0, :3, 3] = boxes
    n = int(bool(boxes))
    tracks = Tracks(np.ones((2, n), bool), global_from_box, np.full((2, n, 3), 2.0), np.full(n, 17, np.uint8))
    keyframes = tuple(Keyframe('scene', 't', f's{k}', f'l{k}', f'{k}.bin') for k in range(2))
    still = np.tile(np.eye(4), (2, 1, 1))
    times, files = np.arange(2) * HALF_A_SECOND_US, ('0.bin', '1.bin')
    return Scene('scene', Path(), keyframes, np.arange(2), files, (None,) * 2, times, still, still.copy(), tracks)


def seen(scene, k, first=(), second=(), num_sweeps=10, grid=GRID):
    """Free voxels of keyframe k, given where the rays of both sweeps end."""
    ends = np.array([*first, *second], np.float32).reshape(-1, 3)
    starts = np.array([0, len(first), len(ends)])
    rays = Rays(ends, np.zeros(len(ends), np.uint16), starts, np.tile(np.array(LIDAR), (2, 2, 1)))
    seen = ObservedRays(rays, find_box_rays(scene, rays, np.eye(4)), np.eye(4))
    return free_space(scene, seen, k, num_sweeps, grid)


def row(*x, y=2, z=1):
    free = np.zeros(GRID.shape, bool)
    free[list(x), y, z] = True
    return free


def test_a_beam_frees_what_it_crosses_and_neither_the_wall_nor_what_is_behind():
    np.testing.assert_array_equal(seen(scene_of(), 0, [(5.5, 2.5, 1.5)]), row(0, 1, 2, 3, 4))


def test_a_beam_that_leaves_the_grid_frees_its_last_voxel_too():
    np.testing.assert_array_equal(seen(scene_of(), 0, [(50, 2.5, 1.5)]), row(*range(10)))


def test_a_beam_out_of_the_grid_frees_only_what_it_crosses_inside():
    outside = seen(scene_of(), 0, [(-9, 2.5, 1.5), (-7, 9.5, 1.5)])
    np.testing.assert_array_equal(outside, row(0))


def test_a_pole_in_front_of_a_fence_hides_only_what_is_behind_it():
    fence = [(8.5, y, 1.5) for y in np.arange(0.55, 5, 0.1)]
    ends = [(4.5, 2.5, 1.5) if abs(4 / 8 * (y - 2.5)) < 0.1 else (x, y, z) for x, y, z in fence]
    free = seen(scene_of(), 0, ends)[:, :, 1]
    assert free[1:4, 2].all() and free[5:8, 1].all() and free[5:8, 3].all()
    # The pole is thinner than its voxel, and rays beside it pass through; that it stands there is for the vote to say.
    assert free[4, 2] and not free[9].any()


def test_the_static_world_is_free_at_all_times_of_the_window_and_no_others():
    later = [(9.5, 2.5, 1.5)]
    np.testing.assert_array_equal(seen(scene_of(), 0, second=later), row(*range(9)))
    assert not seen(scene_of(), 0, second=later, num_sweeps=0).any()
    np.testing.assert_array_equal(seen(scene_of(), 1, second=later, num_sweeps=0), row(*range(9)))


def test_where_an_object_will_leave_is_not_free_yet():
    scene = scene_of([(4, 2.5, 1), (8, 2.5, 1)])
    # The box is at x 3-5 first and at 7-9 later, when a ray ends at its back.
    later = [(7.05, 2.5, 0.5)]
    free = seen(scene, 0, second=later)
    np.testing.assert_array_equal(free.any(axis=(1, 2)), [1, 1, 1, 0, 0, 1, 1, 0, 0, 0])
    free = seen(scene, 1, second=later)
    np.testing.assert_array_equal(free.any(axis=(1, 2)), [1, 1, 1, 1, 1, 1, 1, 0, 0, 0])


def test_free_space_in_a_box_travels_with_the_box():
    scene = scene_of([(4, 2.5, 1), (8, 2.5, 1)])
    # Later a ray crosses the upper half of the box, which is bare, and all of the world in that row.
    free = seen(scene, 0, second=[(30.5, 2.5, 1.5)])
    np.testing.assert_array_equal(free, row(*range(10)))
    # At the first keyframe the ray meets a wall behind the box: what is behind the wall is not known, box or no box.
    free = seen(scene, 1, first=[(6.5, 2.5, 1.5)])
    np.testing.assert_array_equal(free, row(*range(6)))


def test_a_box_reaches_a_little_further_than_annotated_and_its_rays_leave_it():
    # With its margin the box reaches from 3.35 to 5.55, over the middle of voxel 5.
    scene = scene_of([(4.45, 2.5, 1), (8, 2.5, 1)])
    free = seen(scene, 0, second=[(7.05, 2.5, 0.5)])
    np.testing.assert_array_equal(free.any(axis=(1, 2)), [1, 1, 1, 0, 0, 0, 1, 0, 0, 0])
    # A ray that flies on frees the last voxel in the box as well; one that ends there does not, whatever comes later.
    np.testing.assert_array_equal(seen(scene, 0, [(50, 2.5, 1.5)]), row(*range(10)))
    np.testing.assert_array_equal(seen(scene, 0, [(5.52, 2.5, 1.5)], [(6.95, 2.5, 1.5)]), row(*range(5)))


def test_free_space_in_a_box_is_that_of_the_window():
    scene = scene_of([(4, 3.55, 1), (8, 3.55, 1)])
    # The box begins at y 2.45, in the middle of row 2: later a ray passes beside it, earlier one passed through it.
    first, second = [(50, 2.5, 1.5)], [(9.5, 2.3, 1.5)]
    np.testing.assert_array_equal(seen(scene, 1, first, second), row(*range(10)))
    np.testing.assert_array_equal(seen(scene, 1, first, second, num_sweeps=0), row(*range(7)))


def test_between_the_rings_of_the_lidar_the_ground_is_not_free():
    grid = VoxelGrid.from_range('ego', (0, 0, 0, 7, 5, 3), 1.0)
    road = np.array([(0, 2, 0), (4, 2, 0), (5, 2, 1)])
    labels = OccupancyLabels(grid, road, np.full(3, 11, np.uint8))
    known = observed(np.ones(grid.shape, bool), labels, np.array([11]))
    # Level with the road within 2 voxels, in columns without road.
    np.testing.assert_array_equal(known[:, 2, 0], [1, 0, 0, 0, 1, 1, 0])
    np.testing.assert_array_equal(known[:, 2, 1], [1, 1, 1, 0, 1, 1, 0])
    assert known[..., 2].all()
    wall = OccupancyLabels(grid, road, np.full(3, 15, np.uint8))
    assert observed(np.ones(grid.shape, bool), wall, np.array([11])).all()


def test_what_is_occupied_is_observed():
    labels = OccupancyLabels(GRID, np.array([(5, 2, 1)]), np.array([15], np.uint8))
    known = observed(row(0, 1, 2, 3, 4), labels, np.array([11]))
    np.testing.assert_array_equal(known, row(0, 1, 2, 3, 4, 5))


def test_rays_start_where_the_lidar_was_at_their_time(tmp_path):
    returns = np.zeros((4, 5), np.float32)
    returns[:, :3] = [(0, 0, 0), (0, 9, 0), (1, 1, 0.5), (0, 9, 1)]
    for sweep in range(2):
        returns.tofile(tmp_path / f'{sweep}.bin')
    scene = scene_of()
    scene.global_from_ego[1, :3, 3] = 4, 0, 0
    object.__setattr__(scene, 'dataroot', tmp_path)
    object.__setattr__(scene, 'timestamps_us', np.array([0, 50_000]))
    rays = read_rays(scene, np.eye(4))
    # Without the return at the origin and the one on the car.
    np.testing.assert_array_equal(rays.starts, [0, 2, 4])
    np.testing.assert_allclose(rays.ends, [(0, 9, 0), (0, 9, 1), (4, 9, 0), (4, 9, 1)])
    np.testing.assert_array_equal(rays.shares[2:], [1 << 14, 3 << 14])
    np.testing.assert_allclose(rays.origins[:, :, 0], [(0, 0), (0, 4)])
    np.testing.assert_array_equal(read_rays(scene, np.eye(4), every=2).starts, [0, 2, 2])
    # In cells of 3 m the ray a metre higher tells the same, while the lidar stands.
    np.testing.assert_array_equal(read_rays(scene, np.eye(4), same_m=3.0).starts, [0, 1, 3])


@pytest.mark.parametrize('shape', [(7, 5, 3), (3, 7, 5)])
def test_odd_grids_agree_with_small_steps(rng, shape):
    grid = VoxelGrid.from_range('ego', (-1, 1, -0.5, *(np.array((-1, 1, -0.5)) + np.array(shape) * 0.8)), 0.8)
    ends = rng.uniform(-6, 9, (60, 3)).astype(np.float32)
    free = seen(scene_of(), 0, ends, grid=grid)
    stepped, hit = np.zeros(shape, bool), np.zeros(shape, bool)
    for end in ends.astype(float):
        indices, _ = grid.voxel_indices(LIDAR + np.linspace(0, 1, 4001)[:, None] * (end - LIDAR))
        last, _ = grid.voxel_indices(end[None])
        one = np.zeros(shape, bool)
        one[tuple(indices.T)] = True
        one[tuple(last.T)] = False
        stepped |= one
        hit[tuple(last.T)] = True
    assert (free & ~stepped).sum() <= 2 and not (stepped & ~free).any()
    assert hit.any() and stepped.any() and not stepped.all()
