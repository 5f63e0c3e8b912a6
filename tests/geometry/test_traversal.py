"""Lines through voxels, against many small steps along the same lines."""

import numpy as np
import pytest

from project.geometry.traversal import clip_to_grid, longest_traversal, traverse

SHAPE = (7, 5, 3)


def voxels_on(start, stop, walls=None):
    path = np.empty(longest_traversal(SHAPE), np.int64)
    n = traverse(np.array(start, float), np.array(stop, float), np.array(SHAPE), path, walls)
    return np.stack(np.unravel_index(path[:n], SHAPE), axis=1)


def test_walks_pass_through_what_small_steps_pass_through(rng):
    for _ in range(200):
        start, stop = rng.random((2, 3)) * SHAPE
        walked = voxels_on(start, stop)
        stepped = np.floor(start + np.linspace(0, 1, 2001)[:, None] * (stop - start)).astype(int)
        assert set(map(tuple, stepped)) <= set(map(tuple, walked))
        # What the steps missed can only be the corner of a voxel.
        assert len(walked) - len(np.unique(stepped, axis=0)) <= 1
        np.testing.assert_array_equal(walked[0], stepped[0])
        np.testing.assert_array_equal(walked[-1], stepped[-1])
        assert (np.abs(np.diff(walked, axis=0)).sum(axis=1) == 1).all()


@pytest.mark.parametrize('axis', [0, 1, 2])
@pytest.mark.parametrize('backwards', [False, True])
def test_a_line_along_an_axis_on_the_border_of_voxels_stays_in_one_row(axis, backwards):
    start, stop = np.array([2.0, 2.0, 1.0]), np.array([2.0, 2.0, 1.0])
    start[axis], stop[axis] = 0.0, SHAPE[axis] - 0.5
    if backwards:
        start, stop = stop, start
    walked = voxels_on(start, stop)
    assert len(walked) == SHAPE[axis]
    assert (np.delete(walked, axis, axis=1) == np.delete([2, 2, 1], axis)).all()


def test_the_border_of_the_grid_belongs_to_its_last_voxel():
    np.testing.assert_array_equal(voxels_on((7, 5, 3), (0, 0, 0))[[0, -1]], [(6, 4, 2), (0, 0, 0)])


def test_a_walk_ends_in_a_wall_but_not_in_the_one_it_starts_in():
    walls = np.zeros(SHAPE, bool)
    walls[[0, 4, 6], 2, 1] = True
    walked = voxels_on((0.5, 2.5, 1.5), (6.5, 2.5, 1.5), walls.ravel())
    np.testing.assert_array_equal(walked[:, 0], [0, 1, 2, 3, 4])


def test_lines_are_clipped_to_the_grid():
    shape = np.array(SHAPE)
    assert clip_to_grid.py_func(np.array([-7.0, 2, 1]), np.array([14.0, 2, 1]), shape) == pytest.approx((1 / 3, 2 / 3))
    assert clip_to_grid.py_func(np.array([1.0, 1, 1]), np.array([2.0, 2, 2]), shape) == (0, 1)
    enter, leave = clip_to_grid.py_func(np.array([-1.0, 6, 1]), np.array([8.0, 6, 1]), shape)
    assert enter > leave
