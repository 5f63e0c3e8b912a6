"""Rays through columns of bits, against walks from voxel to voxel."""

import numpy as np
import pytest

from project.geometry.bitgrid import bit_grid_of, bit_grid_of_voxels, layers_of, layers_of_bit_grid, spread, voxels_of
from project.geometry.traversal import clip_to_grid, traverse
from project.labels.visibility.carving import carve_rays


def passed_in_columns(starts, ends, shape):
    """Voxels that are passed through, by columns; the unit of length is a voxel."""
    unseen = bit_grid_of(layers_of(np.ones(shape, bool)), shape[2])
    origins = np.repeat(starts[:, None], 2, axis=1)
    one_each = np.arange(len(ends) + 1)
    carve_rays(unseen, one_each[:-1], ends, np.zeros(len(ends), np.uint16), one_each, origins, np.eye(4))
    return ~voxels_of(layers_of_bit_grid(unseen), shape[2])


def passed_by_walking(starts, ends, shape):
    passed, path = np.zeros(np.prod(shape), bool), np.empty(sum(shape), np.int64)
    for start, end in zip(starts, ends.astype(float), strict=True):
        enter, leave = clip_to_grid(start, end, np.array(shape))
        if enter < leave:
            n = traverse(start + enter * (end - start), start + leave * (end - start), np.array(shape), path)
            passed[path[: n - (leave >= 1)]] = True
    return passed.reshape(shape)


@pytest.mark.parametrize('shape', [(7, 5, 3), (33, 9, 64), (8, 40, 11), (1, 1, 1)])
@pytest.mark.parametrize('rays', [1, 20, 400])
def test_rays_pass_through_what_walks_pass_through(rng, shape, rays):
    reach = np.array(shape)
    starts, ends = rng.uniform(-0.5 * reach, 1.5 * reach, (2, rays, 3))
    starts[::3] = rng.uniform(0, reach, starts[::3].shape)
    ends = ends.astype(np.float32)
    np.testing.assert_array_equal(passed_in_columns(starts, ends, shape), passed_by_walking(starts, ends, shape))


@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.parametrize('sign', [1, -1])
def test_rays_along_an_axis(axis, sign):
    shape = (19, 17, 13)
    start, end = np.array([9.5, 8.5, 6.5]), np.array([9.5, 8.5, 6.5], np.float32)
    end[axis] += 4 * sign
    passed = passed_in_columns(start[None], end[None], shape)
    np.testing.assert_array_equal(passed, passed_by_walking(start[None], end[None], shape))
    assert passed.sum() == 4


@pytest.mark.parametrize('shape', [(7, 5, 3), (16, 24, 64), (1, 9, 40)])
def test_columns_hold_every_voxel_once(rng, shape):
    voxels = rng.random(shape) < 0.3
    columns = bit_grid_of(layers_of(voxels), shape[2])
    np.testing.assert_array_equal(voxels_of(layers_of_bit_grid(columns), shape[2]), voxels)
    assert sum(bin(bits).count('1') for bits in columns.bits.tolist()) == voxels.sum()
    np.testing.assert_array_equal(columns.blocks, np.bitwise_or.reduce(columns.bits.reshape(-1, 64), axis=1))


@pytest.mark.parametrize('shape', [(7, 5, 3), (16, 24, 64), (1, 9, 40)])
@pytest.mark.parametrize('share', [0.0, 0.01, 0.3])
def test_columns_of_a_list_of_voxels_are_those_of_all_voxels(rng, shape, share):
    voxels = rng.random(shape) < share
    indices = np.argwhere(voxels).astype(np.int32)
    columns, first = bit_grid_of_voxels(indices, shape)
    whole = bit_grid_of(layers_of(voxels), shape[2])
    np.testing.assert_array_equal(columns.bits, whole.bits)
    np.testing.assert_array_equal(columns.blocks, whole.blocks)
    assert (columns.shape, columns.along_y) == (whole.shape, whole.along_y)
    lowest = np.flatnonzero(np.diff(indices[:, 0] * shape[1] + indices[:, 1], prepend=-1))
    np.testing.assert_array_equal(np.sort(first[columns.bits > 0]), lowest)


def test_more_layers_than_bits_are_refused():
    with pytest.raises(ValueError, match='65 layers'):
        layers_of(np.zeros((2, 2, 65), bool))
    with pytest.raises(ValueError, match='65 layers'):
        bit_grid_of_voxels(np.zeros((1, 3), np.int32), (2, 2, 65))


def test_bits_spread_along_rows():
    layers = np.zeros((7, 2), np.uint64)
    layers[3, 0] = 0b101
    np.testing.assert_array_equal(spread(layers, 2)[:, 0], [0, 5, 5, 5, 5, 5, 0])
    assert not spread(layers, 2)[:, 1].any()
