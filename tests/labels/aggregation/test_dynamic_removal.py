"""What rays contradict is removed, and what is thin, grazed or hangs on to something is not."""

import numpy as np
import pytest
from handmade import SWEEPS, make_scene

from project.labels.aggregation.dynamic_removal import read_sample_rays, without_dynamic_points
from project.labels.aggregation.point_groups import PointGroups, ScenePoints
from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import TILE_M
from project.labels.config import DEFAULT
from project.labels.visibility.rays import Rays
from project.taxonomy import Taxonomy

CELL_M = DEFAULT.dynamic_removal.cell_m

ROAD, WALL, PLANT = 24, 28, 30
SHAPE = (20, 20, 32)
"""Cells of the one tile that the scene consists of, and of what lies above the middle of the path."""
PASSES = 50
FIRM, CONTRADICTED = PASSES, PASSES - 1
"""Points in a cell through which so many rays pass."""


def rays(columns, beyond):
    """Vertical rays through columns, from far above and far below to so far beyond the middle: no two from one cell to
    one cell."""
    far = 100 + 0.5 * np.arange(PASSES // 2)
    heights = np.concatenate([far, -far])
    xy = np.repeat((columns + 0.5) * CELL_M, PASSES, axis=0)
    z = np.tile(heights, len(columns))
    origins = np.repeat(np.column_stack([xy, z])[:, None], 2, axis=1)
    ends = np.column_stack([xy, -np.sign(z) * beyond]).astype(np.float32)
    return Rays(ends, np.zeros(len(z), np.uint16), np.arange(len(z) + 1), origins)


class Street:
    """A road under empty air that 50 rays pass through in every column, to put things onto."""

    def __init__(self):
        self.raw, self.points = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, int)
        self.plants = np.zeros(SHAPE, int)
        self.seen_through, self.beyond = np.ones(SHAPE[:2], bool), 100.0
        self.put((slice(None), slice(None), 0), ROAD, CONTRADICTED)

    def put(self, where, raw, points):
        self.raw[where], self.points[where] = raw, points

    def removed(self):
        """(X, Y, Z) bool, cells that have lost their points; they lose all of them or none."""
        cells = np.repeat(np.argwhere(self.points), self.points[self.points > 0], axis=0)
        xyz = ((cells + 0.5) * CELL_M).astype(np.float32)
        number = np.concatenate([np.arange(n) for n in self.points[self.points > 0]])
        raw = np.where(number < self.plants[tuple(cells.T)], np.uint8(PLANT), self.raw[tuple(cells.T)])
        points = Points(xyz, raw, np.zeros(len(cells), np.uint8))
        half = len(cells) // 2
        empty = Points(np.zeros((0, 3), np.float32), *np.zeros((2, 0), np.uint8))
        nothing = PointGroups(empty, np.zeros((1, 3), np.int64))
        static = PointGroups(points, np.array([[0, half, len(cells)]]))
        world = ScenePoints(static, nothing, nothing, np.eye(4), np.full((1, 2), TILE_M / 2), Taxonomy.nuscenes())
        static = without_dynamic_points(world, rays(np.argwhere(self.seen_through), self.beyond)).static
        left = np.zeros(SHAPE, int)
        np.add.at(left, tuple(np.floor(static.points.xyz[: static.starts[0, -1]] / CELL_M).astype(int).T), 1)
        assert ((left == self.points) | (left == 0)).all()
        return left < self.points


@pytest.fixture
def street():
    return Street()


def cells(*where):
    expected = np.zeros(SHAPE, bool)
    for each in where:
        expected[each] = True
    return expected


@pytest.mark.parametrize('raw', [WALL, PLANT])
def test_the_trail_of_a_mover_is_removed(street, raw):
    trail = (slice(2, 9), slice(2, 4), slice(1, 3))
    street.put(trail, raw, CONTRADICTED)
    np.testing.assert_array_equal(street.removed(), cells(trail))


def test_the_highest_cells_are_judged_too(street):
    street.put((5, 5, 31), WALL, CONTRADICTED)
    np.testing.assert_array_equal(street.removed(), cells((5, 5, 31)))


def test_what_nothing_passes_through_stays(street):
    street.put((slice(2, 9), slice(2, 4), slice(1, 3)), WALL, 1)
    street.seen_through[2:9, 2:4] = False
    assert not street.removed().any()


def test_a_pole_and_the_cable_that_hangs_on_it_stay(street):
    street.put((2, 2, slice(1, 5)), WALL, FIRM)
    street.put((slice(3, 9), 2, 4), WALL, 1)
    assert not street.removed().any()


def test_what_hangs_down_from_something_firm_stays(street):
    street.put((slice(None), 10, 8), WALL, FIRM)
    street.put((5, 10, slice(5, 8)), PLANT, 1)
    assert not street.removed().any()


def test_the_edge_of_a_wall_and_leaves_around_a_tree_stay(street):
    street.put((18, slice(None), slice(1, 4)), WALL, FIRM)
    street.put((18, slice(None), 4), WALL, 1)
    street.put((slice(2, 5), slice(2, 5), slice(2, 5)), PLANT, 1)
    street.put((3, 3, slice(1, 4)), PLANT, FIRM)
    assert not street.removed().any()


def test_what_touches_only_the_ground_hangs_on_to_nothing(street):
    street.put((slice(None), slice(None), 0), ROAD, 1000)
    street.put((10, 10, 1), WALL, CONTRADICTED)
    np.testing.assert_array_equal(street.removed(), cells((10, 10, 1)))


def test_a_beam_does_not_contradict_what_it_ends_in(street):
    street.put((5, 5, [4, 7]), WALL, PASSES // 2 - 1)
    street.beyond = -4.5 * CELL_M
    np.testing.assert_array_equal(street.removed(), cells((5, 5, 7)))


@pytest.mark.parametrize(('plants', 'is_removed'), [(CONTRADICTED // 2, False), (CONTRADICTED // 2 + 1, True)])
def test_a_cell_is_ground_if_half_of_its_points_are(street, plants, is_removed):
    street.plants[10, 10, 0] = plants
    np.testing.assert_array_equal(street.removed(), cells((10, 10, 0)) & is_removed)


def test_ground_at_a_grazing_angle_stays(street):
    street.put((slice(None), slice(None), 0), ROAD, 1)
    assert not street.removed().any()


@pytest.mark.parametrize('raw', [ROAD, WALL])
@pytest.mark.parametrize('beside', [(5, 3, 2), (5, 2, 1), (4, 3, 1), (6, 3, 1)])
def test_noise_beside_a_surface_is_removed(street, raw, beside):
    street.put((slice(4, 7), slice(2, 5), slice(1, 4)), WALL, FIRM)
    street.put((5, 3, 1), raw, 2)
    assert not street.removed().any()
    street.points[beside] = 400
    np.testing.assert_array_equal(street.removed(), cells((5, 3, 1)))
    # Where too few rays pass, it is a surface.
    street.seen_through[5, 3] = False
    assert not street.removed().any()


def test_every_fourth_sweep_is_a_witness(tmp_path):
    sample_rays = read_sample_rays(make_scene(tmp_path), np.eye(4))
    assert SWEEPS == 5 and np.flatnonzero(np.diff(sample_rays.starts)).tolist() == [0, 4]
