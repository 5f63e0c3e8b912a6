"""Grids that move: labels, cameras, masks and poses move alike."""

from functools import partial

import numpy as np
import pytest

from project.datasets.grid_augmentation import MoveOccupancyGrid, mirrored_axes, moved_positions, positions_before
from project.datasets.image_augmentation import FitSurroundImages
from project.errors import UserError
from project.formats.common import OccupancyLabels
from project.formats.vote import voted
from project.grid import VoxelGrid

GRID = VoxelGrid.from_range('lidar', (-14.0, -10.0, -3.0, 14.0, 10.0, 3.0), (4.0, 4.0, 2.0))
FINE = VoxelGrid.from_range('lidar', (-14.0, -10.0, -3.0, 14.0, 10.0, 3.0), 0.5)


def sample(rng, random_rigid, frames=1, stored=None):
    return {
        'grid': GRID,
        'gt_occupancy': rng.integers(0, 18, GRID.shape).astype(np.uint8),
        'mask_lidar': None,
        'mask_camera': rng.random(GRID.shape) < 0.5,
        'lidar2img': np.stack([[random_rigid() for _ in range(2)] for _ in range(frames)]),
        'global_from_grid': np.stack([random_rigid() for _ in range(frames)]),
        'stored_labels': stored,
    }


def test_mirrors_turn_labels_and_masks_over_exactly(rng, random_rigid):
    before = sample(rng, random_rigid)
    after = MoveOccupancyGrid(mirror=1.0, turn_deg=0.0, scale=(1.0, 1.0), tilt_deg=0.0)(dict(before))
    for name in ('gt_occupancy', 'mask_camera'):
        np.testing.assert_array_equal(after[name], before[name][::-1, ::-1])
        assert after[name].dtype == before[name].dtype
    assert after['mask_lidar'] is None


@pytest.mark.parametrize('signs', [(-1, 1), (1, -1), (-1, -1), (1, 1)])
def test_voxels_that_are_turned_over_are_those_that_move_there(signs):
    motion = np.diag([*signs, 1.0, 1.0])
    places = np.arange(np.prod(GRID.shape)).reshape(GRID.shape)
    positions = positions_before(GRID, np.linalg.inv(motion))
    np.testing.assert_array_equal(np.flip(places, mirrored_axes(GRID, motion)).ravel(), positions)


def test_only_mirrors_of_centred_grids_turn_voxels_over():
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0])
    aside = VoxelGrid.from_range('lidar', (-10.0, -10.0, -3.0, 14.0, 10.0, 3.0), (4.0, 4.0, 2.0))
    shifted = mirror.copy()
    shifted[0, 3] = 0.1
    assert mirrored_axes(aside, mirror) is None
    assert mirrored_axes(GRID, shifted) is None
    assert mirrored_axes(GRID, 1.05 * mirror) is None


def test_cameras_see_a_point_that_moves_with_the_grid_where_they_saw_it(rng, random_rigid):
    for _ in range(10):
        before = sample(rng, random_rigid)
        after = MoveOccupancyGrid()(dict(before))
        moved_from_grid = np.linalg.inv(np.linalg.solve(before['lidar2img'][0, 0], after['lidar2img'][0, 0]))
        point = np.append(rng.uniform(-10, 10, 3), 1.0)
        for name in ('lidar2img', 'global_from_grid'):
            np.testing.assert_allclose(after[name] @ moved_from_grid @ point, before[name] @ point, atol=1e-8)
        scale = abs(np.linalg.det(moved_from_grid[:3, :3])) ** (1 / 3)
        assert 0.95 <= scale <= 1.05


def test_a_voxel_has_the_label_of_where_its_centre_was(rng, random_rigid):
    before = sample(rng, random_rigid)
    after = MoveOccupancyGrid(turn_deg=90.0)(dict(before))
    grid_from_moved = np.linalg.solve(before['lidar2img'][0, 0], after['lidar2img'][0, 0])
    for index in np.ndindex(GRID.shape):
        point = grid_from_moved @ np.append(GRID.centres(np.array([index]))[0], 1.0)
        found, inside = GRID.voxel_indices(point[None, :3])
        expected = before['gt_occupancy'][tuple(found[0])] if inside[0] else 255
        assert after['gt_occupancy'][index] == expected


def test_finer_labels_are_moved_and_voted_on_anew(rng, random_rigid):
    dense = np.full(FINE.shape, 17, np.uint8)
    dense[40, 20, 6] = 4  # a single small voxel, which a look at centres would miss
    stored = OccupancyLabels.from_dense(FINE, dense)
    for _ in range(10):
        before = sample(rng, random_rigid, stored=stored)
        before['gt_occupancy'][:] = 17
        after = MoveOccupancyGrid()(dict(before))
        moved_from_grid = np.linalg.inv(np.linalg.solve(before['lidar2img'][0, 0], after['lidar2img'][0, 0]))
        point = moved_from_grid @ np.append(FINE.centres(np.array([[40, 20, 6]]))[0], 1.0)
        place, inside = GRID.voxel_indices(point[None, :3])
        assert inside[0]
        assert after['gt_occupancy'][tuple(place[0])] == 4
        assert (after['gt_occupancy'] == 4).sum() == 1


@pytest.mark.parametrize('mirror_only', [True, False])
@pytest.mark.parametrize('stored_flow', [None, (3.0, -1.0), (3.0, -1.0, 0.5)])
def test_velocities_move_as_the_things_that_have_them_do(rng, random_rigid, mirror_only, stored_flow):
    """A voxel that moves on for 0.1 s and then is moved with the grid, or the other way round: the same place."""
    velocity = np.array([3.0, -1.0])
    stored = OccupancyLabels.from_dense(FINE, np.full(FINE.shape, 4, np.uint8))
    if stored_flow is None:
        stored = None
    else:
        stored.flow = np.tile(np.float32(stored_flow), (len(stored.classes), 1))
    options = dict(turn_deg=0.0, scale=(1.0, 1.0), tilt_deg=0.0) if mirror_only else dict(tilt_deg=0.0)
    for _ in range(6):
        before = sample(rng, random_rigid, stored=stored)
        before['gt_occupancy'][:] = 4
        before['gt_flow'] = np.tile(np.float32(velocity), (*GRID.shape, 1))
        after = MoveOccupancyGrid(**options)(dict(before))
        moved_from_grid = np.linalg.inv(np.linalg.solve(before['lidar2img'][0, 0], after['lidar2img'][0, 0]))
        start = np.append(rng.uniform(-3, 3, 3), 1.0)
        later = start + 0.1 * np.array([*velocity, 0, 0])
        expected = (moved_from_grid @ later - moved_from_grid @ start)[:2] / 0.1
        flow, known = after['gt_flow'], after['gt_occupancy'] == 4
        assert flow.dtype == np.float32 and flow.shape == (*GRID.shape, 2) and known.any()
        np.testing.assert_allclose(flow[known], np.tile(expected, (known.sum(), 1)), atol=1e-5)
        assert not flow[~known].any()


def test_objects_stay_with_their_voxels(rng, random_rigid):
    before = sample(rng, random_rigid)
    before['gt_objects'] = rng.integers(0, 9, GRID.shape).astype(np.int32)
    after = MoveOccupancyGrid(mirror=1.0, turn_deg=0.0, scale=(1.0, 1.0), tilt_deg=0.0)(dict(before))
    np.testing.assert_array_equal(after['gt_objects'], before['gt_objects'][::-1, ::-1])


def test_objects_of_finer_labels_are_moved_and_voted_on_anew(rng, random_rigid):
    dense, instances = np.full(FINE.shape, 17, np.uint8), np.zeros(FINE.shape, np.uint32)
    dense[40, 20, 6], instances[40, 20, 6] = 4, 70_000
    stored = OccupancyLabels.from_dense(FINE, dense, instances=instances[dense == 4])
    before = sample(rng, random_rigid, stored=stored)
    before['gt_occupancy'][:], before['gt_objects'] = 17, np.zeros(GRID.shape, np.int32)
    after = MoveOccupancyGrid()(dict(before))
    np.testing.assert_array_equal(after['gt_objects'] == 70_000, after['gt_occupancy'] == 4)


def test_velocities_stay_with_their_voxels(rng, random_rigid):
    before = sample(rng, random_rigid)
    before['gt_flow'] = rng.normal(size=(*GRID.shape, 2)).astype(np.float32)
    after = MoveOccupancyGrid(mirror=1.0, turn_deg=0.0, scale=(1.0, 1.0), tilt_deg=0.0)(dict(before))
    np.testing.assert_array_equal(after['gt_flow'], -before['gt_flow'][::-1, ::-1])


def test_unobserved_voxels_stay_unobserved(rng, random_rigid):
    before = sample(rng, random_rigid, stored=OccupancyLabels.from_dense(FINE, np.full(FINE.shape, 3, np.uint8)))
    before['gt_occupancy'][:] = 255
    assert (MoveOccupancyGrid()(dict(before))['gt_occupancy'] == 255).all()


def test_the_motion_between_keyframes_stays_the_same_thing(rng, random_rigid):
    before = sample(rng, random_rigid, frames=3)
    after = MoveOccupancyGrid()(dict(before))
    move = np.linalg.inv(np.linalg.solve(before['lidar2img'][0, 0], after['lidar2img'][0, 0]))
    motions = [np.linalg.solve(each['global_from_grid'][0], each['global_from_grid'][1]) for each in (before, after)]
    np.testing.assert_allclose(motions[1], move @ motions[0] @ np.linalg.inv(move), atol=1e-8)


def test_without_motion_nothing_changes(rng):
    assert (positions_before(GRID, np.eye(4)) == np.arange(GRID.size)).all()
    dense = rng.integers(0, 18, FINE.shape).astype(np.uint8)
    stored = OccupancyLabels.from_dense(FINE, dense)
    positions = moved_positions(stored, FINE, np.eye(4))
    np.testing.assert_array_equal(voted(FINE, positions, stored.classes), dense)


def in_metres(grid, centres, transform):
    """Positions of the voxels that hold transformed centres, -1 outside, from the coordinates of each in metres."""
    points = centres.reshape(-1, 3) @ transform[:3, :3].T + transform[:3, 3]
    indices, inside = grid.voxel_indices(points)
    positions = np.full(len(points), -1)
    positions[inside] = grid.ravel(indices)
    return positions


def test_voxels_move_where_their_centres_move_in_metres(rng):
    stored = OccupancyLabels.from_dense(FINE, rng.integers(0, 18, FINE.shape).astype(np.uint8))
    for _ in range(20):
        motion = MoveOccupancyGrid(scale=(0.8, 1.2), tilt_deg=10.0).drawn(rng)
        back = np.linalg.inv(motion)
        moved, before = moved_positions(stored, GRID, motion), positions_before(GRID, back)
        np.testing.assert_array_equal(moved, in_metres(GRID, FINE.centres(stored.indices), motion))
        np.testing.assert_array_equal(before, in_metres(GRID, GRID.centres(), back))
        assert -1 in moved and -1 in before


@pytest.mark.parametrize('size, expected', [(2.0, True), (4.0, False)])
def test_only_much_finer_labels_are_voted_on(size, expected):
    from project.datasets.grid_augmentation import is_much_finer

    stored = VoxelGrid.from_range('lidar', (-14.0, -10.0, -3.0, 14.0, 10.0, 3.0), (size, size, 1.0))
    assert is_much_finer(stored, GRID) is expected


@pytest.mark.parametrize('scale', [(0.9,), (0.9, 1.0, 1.1), (1.1, 0.9), (0.0, 1.0)])
@pytest.mark.parametrize('transform', [MoveOccupancyGrid, partial(FitSurroundImages, (4, 6))])
def test_a_scale_that_is_not_a_range_is_refused(transform, scale):
    with pytest.raises(UserError, match='give two factors above 0, the smaller first'):
        transform(scale=scale)
