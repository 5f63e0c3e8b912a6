"""project.grid against hand-made cases and properties over random grids."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from project.grid import VoxelGrid

ODD = VoxelGrid.from_range('lidar', (-3.5, -2.5, -1.5, 3.5, 2.5, 1.5), 1.0)  # 7 x 5 x 3


def test_range_gives_shape_and_back():
    grid = VoxelGrid.from_range('ego', (-40, -40, -1, 40, 40, 5.4), 0.4)
    assert grid.shape == (200, 200, 16)
    assert grid.size == 640_000
    np.testing.assert_allclose(grid.extent, (-40, -40, -1, 40, 40, 5.4))


def test_anisotropic_voxels():
    grid = VoxelGrid.from_range('lidar', (-51.2, -51.2, -5, 51.2, 51.2, 3), (1.024, 1.024, 1.0))
    assert grid.shape == (100, 100, 8)


@pytest.mark.parametrize('extent', [(0, 0, 0, 1, 1, 0.35), (0, 0, 0, 0, 1, 1), (0, 0, 0, -1, 1, 1)])
def test_a_range_that_is_no_whole_number_of_voxels_is_refused(extent):
    with pytest.raises(ValueError, match='not a whole number'):
        VoxelGrid.from_range('lidar', extent, 0.1)


def test_ranges_are_half_open_and_outside_is_dropped():
    points = np.array([[-3.5, -2.5, -1.5], [3.5, 0, 0], [3.49999, 2.49999, 1.49999], [-3.50001, 0, 0], [0, 0, 1.5]])
    indices, inside = ODD.voxel_indices(points)
    np.testing.assert_array_equal(inside, [True, False, True, False, False])
    np.testing.assert_array_equal(indices, [[0, 0, 0], [6, 4, 2]])


def test_points_that_are_not_finite_are_outside():
    points = np.array([[np.nan, 0, 0], [np.inf, 0, 0], [0, -np.inf, 0], [0, 0, 0]])
    np.testing.assert_array_equal(ODD.voxel_indices(points)[1], [False, False, False, True])


def test_no_points():
    indices, inside = ODD.voxel_indices(np.empty((0, 3), np.float32))
    assert indices.shape == (0, 3)
    assert inside.shape == (0,)


grids = st.builds(
    lambda low, size, shape: VoxelGrid('lidar', low, size, shape),
    st.tuples(*[st.floats(-50, 50)] * 3),
    st.tuples(*[st.floats(0.1, 2)] * 3),
    st.tuples(*[st.integers(1, 9)] * 3),
)


@settings(deadline=None)
@given(grids)
def test_every_centre_lies_in_its_own_voxel(grid):
    everything = np.argwhere(np.ones(grid.shape, bool))
    indices, inside = grid.voxel_indices(grid.centres().reshape(-1, 3))
    assert inside.all()
    np.testing.assert_array_equal(indices, everything)
    np.testing.assert_allclose(grid.centres(everything), grid.centres().reshape(-1, 3))


@settings(deadline=None)
@given(grids)
def test_ravel_is_the_order_of_a_flattened_array(grid):
    everything = np.argwhere(np.ones(grid.shape, bool))
    positions = grid.ravel(everything)
    np.testing.assert_array_equal(positions, np.arange(grid.size))
    np.testing.assert_array_equal(grid.unravel(positions), everything)


def test_dense_puts_values_at_their_voxels():
    indices = np.array([[6, 0, 2], [0, 4, 1]], np.int32)
    dense = ODD.dense(indices, np.array([4, 11], np.uint8), fill=17)
    assert dense.dtype == np.uint8
    assert dense[6, 0, 2] == 4
    assert dense[0, 4, 1] == 11
    assert (dense == 17).sum() == ODD.size - 2
    flow = ODD.dense(indices, np.array([[1, 2], [3, 4]], np.float32), fill=0)
    np.testing.assert_array_equal(flow[6, 0, 2], [1, 2])


def test_layers_of_a_finer_grid():
    coarse = VoxelGrid.from_range('lidar', (0, 0, 0, 4, 5, 3), 1.0)
    fine = VoxelGrid.from_range('lidar', (-0.5, 0, 1, 2.5, 6, 3), (0.5, 1.0, 0.4))
    x, y, z = coarse.layers_of(fine)
    assert x.tolist() == [-1, 0, 0, 1, 1, 2]
    assert y.tolist() == [0, 1, 2, 3, 4, -1]
    assert z.tolist() == [1, 1, 2, 2, 2]


@settings(deadline=None)
@given(grids, grids)
def test_layers_agree_with_the_voxels_of_centres(coarse, fine):
    layers = coarse.layers_of(fine)
    indices = np.argwhere(np.ones(fine.shape, bool))
    cells = np.stack([layer[column] for layer, column in zip(layers, indices.T, strict=True)], axis=1)
    inner, inside = coarse.voxel_indices(fine.centres(indices) + 1e-7)
    np.testing.assert_array_equal((cells >= 0).all(axis=1), inside)
    np.testing.assert_array_equal(cells[inside], inner)


def test_which_voxels_lie_within_another_grid():
    coarse = VoxelGrid.from_range('lidar', (-2, 0, 0, 5, 5, 3), 1.0)
    inside = coarse.within(VoxelGrid.from_range('lidar', (-1.5, 0, 0.6, 1.5, 4, 3), (0.3, 0.5, 0.3)))
    expected = np.zeros(coarse.shape, bool)
    expected[1:3, 0:4, 1:3] = True
    np.testing.assert_array_equal(inside, expected)
