"""What beams contradict is removed, and what is thin, grazed or hangs on to something is not."""

import numpy as np
import pytest

from project.formats import OccupancyLabels
from project.grid import VoxelGrid
from project.labels.ghosts import without_ghosts
from project.labels.see import BeamCounts
from project.taxonomy import FREE, LabelMapping

GRID = VoxelGrid.from_range('ego', (0, 0, 0, 11, 7, 5), 1.0)
ROAD, WALL, PLANT, CAR, NOISE = 11, 15, 16, 4, 0


class World:
    """A road under empty air, to put things onto."""

    def __init__(self):
        self.semantics = np.full(GRID.shape, FREE, np.uint8)
        self.passes = np.full(GRID.shape, 50, np.int32)
        self.ends = np.zeros(GRID.shape, np.int32)
        self.put((slice(None), slice(None), 0), ROAD, ends=40, passes=90)

    def put(self, where, label, ends, passes):
        self.semantics[where], self.ends[where], self.passes[where] = label, ends, passes

    def kept(self):
        labels = OccupancyLabels.from_dense(GRID, self.semantics)
        beams = BeamCounts(self.passes, self.ends, self.passes > 0)
        return without_ghosts(labels, beams, LabelMapping.default()).dense()


@pytest.fixture
def world():
    return World()


def test_a_world_that_nothing_contradicts_stays(world):
    world.put((8, slice(None), slice(1, None)), WALL, ends=9, passes=2)
    np.testing.assert_array_equal(world.kept(), world.semantics)


@pytest.mark.parametrize('label', [WALL, PLANT])
def test_the_trail_of_a_mover_is_removed(world, label):
    before = world.semantics.copy()
    world.put((slice(2, 9), slice(2, 4), slice(1, 3)), label, ends=5, passes=40)
    np.testing.assert_array_equal(world.kept(), before)


def test_a_pole_a_fence_and_a_cable_stay(world):
    world.put((2, 2, slice(1, 5)), WALL, ends=10, passes=38)
    world.put((slice(4, 9), 5, 1), WALL, ends=10, passes=30)
    # The cable stops few beams; it hangs on the pole.
    world.put((slice(3, 9), 2, 4), WALL, ends=1, passes=90)
    np.testing.assert_array_equal(world.kept(), world.semantics)


def test_the_edge_of_a_wall_and_leaves_around_a_tree_stay(world):
    world.put((8, slice(None), slice(1, 4)), WALL, ends=20, passes=2)
    world.put((8, slice(None), 4), WALL, ends=1, passes=300)
    world.put((slice(2, 5), slice(2, 5), slice(2, 5)), PLANT, ends=3, passes=200)
    world.put((3, 3, slice(1, 4)), PLANT, ends=30, passes=20)
    np.testing.assert_array_equal(world.kept(), world.semantics)


def test_ground_at_a_grazing_angle_stays(world):
    world.put((slice(None), slice(None), 0), ROAD, ends=1, passes=5000)
    np.testing.assert_array_equal(world.kept(), world.semantics)


@pytest.mark.parametrize('label', [ROAD, WALL])
@pytest.mark.parametrize('beside', [(5, 3, 2), (5, 2, 1), (4, 3, 1), (6, 3, 1)])
def test_noise_beside_a_surface_is_removed(world, label, beside):
    world.put((slice(4, 7), slice(2, 5), slice(1, 4)), WALL, ends=3, passes=2)
    world.put((5, 3, 1), label, ends=2, passes=60)
    np.testing.assert_array_equal(world.kept(), world.semantics)
    world.ends[beside] = 400
    assert world.kept()[5, 3, 1] == FREE
    # Where no more beams pass than end, it is a surface.
    world.passes[5, 3, 1] = 8
    np.testing.assert_array_equal(world.kept(), world.semantics)


@pytest.mark.parametrize('label', [CAR, NOISE])
def test_objects_and_what_has_no_class_are_left_alone(world, label):
    world.put((5, 3, slice(1, 3)), label, ends=1, passes=500)
    np.testing.assert_array_equal(world.kept(), world.semantics)
