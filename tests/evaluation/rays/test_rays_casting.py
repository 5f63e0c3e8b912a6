"""The ray caster against a walker in exact arithmetic, and against cases that need no walker."""

from fractions import Fraction
from math import floor

import numpy as np
import pytest
import torch

from project.evaluation.rays import cast_rays
from project.grid import VoxelGrid

SHAPES = [(7, 5, 3), (1, 1, 1), (1, 9, 2), (16, 3, 11)]


def unit_grid(shape: tuple[int, int, int]) -> VoxelGrid:
    return VoxelGrid('ego', (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), shape)


def walk(occupied: np.ndarray, origin: np.ndarray, direction: np.ndarray) -> tuple[int, float]:
    """End of one ray in a grid of unit voxels: all border crossings as exact fractions, sorted, one by one.

    Crossings at the same distance are taken along z, then y, then x.
    """
    origin, direction = [Fraction(float(v)) for v in origin], [Fraction(float(v)) for v in direction]
    reach = sum(occupied.shape) + max(abs(floor(v)) for v in origin) + 2
    crossings = []
    for axis in (2, 1, 0):
        if direction[axis] > 0:
            borders = [floor(origin[axis]) + 1 + k for k in range(reach)]
        elif direction[axis] < 0:
            borders = [floor(origin[axis]) - k for k in range(reach)]
        else:
            borders = []
        crossings += [((border - origin[axis]) / direction[axis], 2 - axis, axis) for border in borders]
    cell = [floor(v) for v in origin]
    end, depth = -1, np.inf
    for distance, _, axis in sorted(crossings):
        if all(0 <= c < n for c, n in zip(cell, occupied.shape, strict=True)):
            end, depth = int(np.ravel_multi_index(cell, occupied.shape)), float(distance)
            if occupied[tuple(cell)]:
                break
        elif end >= 0:
            break
        cell[axis] += 1 if direction[axis] > 0 else -1
    return end, depth


def assert_equals_walk(occupied: np.ndarray, origins: np.ndarray, directions: np.ndarray) -> None:
    voxels, depths = cast_rays(occupied, unit_grid(occupied.shape), origins, directions)
    expected = [[walk(occupied, origin, direction) for direction in directions] for origin in origins]
    np.testing.assert_array_equal(voxels, np.array([[end for end, _ in row] for row in expected]))
    np.testing.assert_allclose(depths, np.array([[depth for _, depth in row] for row in expected]), rtol=1e-6)


@pytest.mark.parametrize('shape', SHAPES)
@pytest.mark.parametrize('density', [0.0, 0.05, 0.5])
def test_random_rays_end_where_the_exact_walker_ends(shape, density):
    rng = np.random.default_rng(sum(shape))
    occupied = rng.random(shape) < density
    inside = rng.uniform(0, shape, (4, 3))
    outside = rng.uniform(-4, np.add(shape, 4), (6, 3))
    assert_equals_walk(occupied, np.r_[inside, outside], rng.normal(size=(20, 3)))


@pytest.mark.parametrize('shape', SHAPES)
def test_axis_aligned_and_diagonal_rays_from_borders_and_corners(shape):
    rng = np.random.default_rng(1)
    occupied = rng.random(shape) < 0.1
    # All multiples of a quarter: crossings fall together often, and every distance is exact in binary.
    directions = np.array(np.meshgrid(*[[-1.0, -0.5, 0.0, 0.5, 1.0]] * 3)).reshape(3, -1).T
    directions = directions[directions.any(axis=1)]
    origins = rng.integers(-4, 4 * np.max(shape) + 4, (12, 3)) / 4
    corners = np.array([(0, 0, 0), shape, (0, shape[1], 0), (1, 0, shape[2])], float)
    assert_equals_walk(occupied, np.r_[origins, np.floor(origins), corners], directions)


def test_grazing_rays_along_a_wall():
    occupied = np.zeros((7, 5, 3), bool)
    occupied[:, 2, :] = True
    origins = np.array(
        [[0.0, 2.0, 1.5], [0.0, np.nextafter(2.0, 0), 1.5], [0.0, 3.0, 1.5], [0.0, np.nextafter(3.0, 0), 1.5]]
    )
    directions = np.array([[1.0, 0, 0], [1.0, 1e-12, 0], [1.0, -1e-12, 0]])
    assert_equals_walk(occupied, origins, directions)


def test_depth_is_the_exit_of_the_first_occupied_voxel_and_else_of_the_last():
    occupied = np.zeros((7, 5, 3), bool)
    occupied[3, 2, 1] = True
    grid = VoxelGrid('ego', (-3.5, -2.5, -1.5), (1.0, 1.0, 1.0), (7, 5, 3))
    directions = np.array([[1.0, 0, 0], [0, -1.0, 0], [0, 0, 1.0]])
    voxels, depths = cast_rays(occupied, grid, np.array([[-2.0, 0, 0], [0.0, 0, 0]]), directions)
    np.testing.assert_array_equal(grid.unravel(voxels[0]), [(3, 2, 1), (1, 0, 1), (1, 2, 2)])
    np.testing.assert_array_equal(depths, [[2.5, 2.5, 1.5], [0.5, 0.5, 0.5]])
    assert (grid.unravel(voxels[1]) == (3, 2, 1)).all()


def test_depth_is_in_metres_whatever_the_voxel_size():
    grid = VoxelGrid.from_range('ego', (0, 0, 0, 8, 5, 6), (0.5, 1.0, 2.0))
    _, depths = cast_rays(np.zeros(grid.shape, bool), grid, np.array([[1.25, 2.5, 3.0]]), np.eye(3))
    np.testing.assert_array_equal(depths, [[6.75, 2.5, 3.0]])


def test_rays_that_never_enter():
    grid = unit_grid((7, 5, 3))
    voxels, depths = cast_rays(
        np.ones(grid.shape, bool),
        grid,
        np.array([[-1.0, 2, 1], [3.0, 5.0, 1.0]]),
        np.array([[-1.0, 0, 0], [0, 1, 0], [0, 0, 1]]),
    )
    assert (voxels == -1).all()
    assert np.isinf(depths).all()


def test_torch_voxels_give_the_same_as_numpy():
    rng = np.random.default_rng(2)
    occupied, grid = rng.random((7, 5, 3)) < 0.1, unit_grid((7, 5, 3))
    origins, directions = rng.uniform(0, 5, (2, 3)), rng.normal(size=(50, 3))
    for ours, other in zip(
        cast_rays(occupied, grid, origins, directions),
        cast_rays(torch.from_numpy(occupied), grid, origins, directions),
        strict=True,
    ):
        np.testing.assert_array_equal(ours, other)


def test_voxels_need_not_be_contiguous():
    rng = np.random.default_rng(3)
    occupied = rng.random((3, 5, 7)) < 0.1
    assert_equals_walk(occupied.transpose(2, 1, 0), rng.uniform(0, 3, (2, 3)), rng.normal(size=(10, 3)))


@pytest.mark.parametrize(
    ('occupied', 'origin', 'direction', 'message'),
    [
        (np.zeros((5, 7, 3), bool), (0, 0, 0), (1, 0, 0), r'shape \(5, 7, 3\)'),
        (np.zeros((7, 5, 3), bool), (0, np.nan, 0), (1, 0, 0), 'finite'),
        (np.zeros((7, 5, 3), bool), (0, 0, 0), (0, 0, 0), 'zero'),
    ],
)
def test_bad_input_is_refused(occupied, origin, direction, message):
    with pytest.raises(ValueError, match=message):
        cast_rays(occupied, unit_grid((7, 5, 3)), np.array([origin], float), np.array([direction], float))
