"""Cells that are clear at other times are removed, even if they touch something; thin, grazed or hidden things are
not."""

import numpy as np
import pytest
from handmade import SWEEPS, make_scene

from project.labels.aggregation.dynamic_removal import read_sample_rays, without_dynamic_points
from project.labels.aggregation.point_groups import PointGroups, ScenePoints
from project.labels.aggregation.static_cells import cell_number, indices_of, static_cells
from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import TILE_M
from project.labels.config import DEFAULT
from project.labels.visibility.lidar_rays import Rays
from project.taxonomy import NOISE, Taxonomy

CONFIG = DEFAULT.dynamic_removal
SIZE = np.array([CONFIG.cell_m, CONFIG.cell_m, CONFIG.layer_m])
ROAD, WALL, PLANT, CAR = 24, 28, 30, 17
SHAPE = (20, 20, 12)
"""Cells of the one tile that the scene consists of, above the lowest point."""
MOMENTS = 6
STEPS = 2 * MOMENTS - 1


class Street:
    """A road under empty air. In every moment the rays of a lidar far to the left pass along all rows of cells."""

    def __init__(self, height_m=0.0, raw=WALL):
        self.base, self.wall = round(height_m / CONFIG.layer_m), raw
        self.points = np.zeros((*SHAPE, STEPS), np.int64)
        self.rays = np.full((MOMENTS, *SHAPE[1:]), CONFIG.rays)
        self.unboxed = Points(np.zeros((0, 3), np.float32), *np.zeros((2, 0), np.uint8))

    def put(self, where, steps, points=2):
        self.points[(*where, steps)] = points

    def world(self):
        cells = np.argwhere(self.points)
        cells = np.repeat(cells, self.points[self.points > 0], axis=0)
        cells = cells[np.argsort(cells[:, 3], kind='stable')]
        xyz = ((cells[:, :3] + (0, 0, self.base) + 0.5) * SIZE).astype(np.float32)
        raw = np.where(cells[:, 2] == 0, ROAD, self.wall).astype(np.uint8)
        static = Points(xyz, raw, np.arange(len(raw)).astype(np.uint8))
        starts = np.searchsorted(cells[:, 3], np.arange(STEPS + 1))[None]
        nothing = PointGroups(self.unboxed, np.full((1, STEPS + 1), len(self.unboxed.raw)))
        nothing.starts[:, 0] = 0
        centres = np.full((1, 2), TILE_M / 2)
        return ScenePoints(PointGroups(static, starts), nothing, nothing, np.eye(4), centres, Taxonomy.nuscenes())

    def all_rays(self):
        moment, y, layer = np.argwhere(self.rays).T
        number = self.rays[moment, y, layer]
        moment, y, layer = (np.repeat(each, number) for each in (moment, y, layer))
        across = np.concatenate([(np.arange(n) + 1) / (n + 1) for n in number])
        ends = np.column_stack([0 * y + 15.0, (y + across) * SIZE[1], (layer + self.base + 0.5) * SIZE[2]])
        origins = np.repeat((ends * (0, 1, 1) - (15.0, 0, 0))[:, None], 2, axis=1)
        rays = Rays(ends.astype(np.float32), np.zeros(len(ends), np.uint16), np.arange(len(ends) + 1), origins)
        return rays, 2 * moment

    def after(self):
        return without_dynamic_points(self.world(), *self.all_rays())

    def removed(self):
        """(X, Y, Z) bool, cells that have lost their points; they lose all of them or none."""
        static = self.after().static
        left = np.zeros(SHAPE, int)
        cells = np.floor(static.points.xyz[: static.starts[0, -1]] / SIZE).astype(int) - (0, 0, self.base)
        np.add.at(left, tuple(cells.T), 1)
        before = self.points.sum(axis=-1)
        assert ((left == before) | (left == 0)).all()
        return left < before


ALWAYS = slice(None)


@pytest.fixture(params=[(0.0, WALL), (0.0, PLANT), (57.3, WALL), (-200.1, WALL)], ids=str)
def street(request):
    street = Street(*request.param)
    street.put((ALWAYS, ALWAYS, 0), ALWAYS)
    return street


def cells(*where):
    expected = np.zeros(SHAPE, bool)
    for each in where:
        expected[each] = True
    return expected


def test_the_trail_of_a_mover_is_removed(street):
    for moment in range(MOMENTS):
        street.put((slice(3 * moment, 3 * moment + 3), slice(2, 5), slice(1, 8)), 2 * moment)
    np.testing.assert_array_equal(street.removed(), cells((slice(0, 18), slice(2, 5), slice(1, 8))))


def test_so_it_is_beside_a_wall(street):
    street.put((ALWAYS, 5, slice(1, 10)), ALWAYS)
    for moment in range(MOMENTS):
        street.put((slice(3 * moment, 3 * moment + 3), slice(2, 5), slice(1, 8)), 2 * moment)
    np.testing.assert_array_equal(street.removed(), cells((slice(0, 18), slice(2, 5), slice(1, 8))))


def test_so_is_the_part_of_it_that_no_ray_comes_near_at_other_times(street):
    street.rays[:, 2] = 0
    for moment in range(MOMENTS):
        street.put((slice(3 * moment, 3 * moment + 3), slice(2, 5), slice(1, 8)), 2 * moment)
    np.testing.assert_array_equal(street.removed(), cells((slice(0, 18), slice(2, 5), slice(1, 8))))


def test_a_wall_that_no_ray_comes_near_stays_beside_a_trail(street):
    street.rays[:, 2] = 0
    street.put((ALWAYS, 2, slice(1, 10)), ALWAYS)
    for moment in range(MOMENTS):
        street.put((slice(3 * moment, 3 * moment + 3), slice(3, 6), slice(1, 8)), 2 * moment)
    np.testing.assert_array_equal(street.removed(), cells((slice(0, 18), slice(3, 6), slice(1, 8))))


def test_what_waits_and_drives_on_is_removed(street):
    mover = slice(8, 12), slice(2, 5), slice(1, 8)
    street.put(mover, slice(0, 8))
    np.testing.assert_array_equal(street.removed(), cells(mover))


def test_what_is_there_nearly_always_stays(street):
    street.put((slice(8, 12), slice(2, 5), slice(1, 8)), slice(0, 10))
    assert not street.removed().any()


def test_what_nothing_passes_through_stays(street):
    street.put((slice(2, 9), slice(2, 4), slice(1, 3)), 4)
    street.rays[:, 2:4, 1:3] = 0
    assert not street.removed().any()


def test_a_few_rays_may_have_strayed(street):
    street.put((slice(2, 9), slice(2, 4), slice(1, 3)), 4)
    street.rays[:, 2:4, 1:3] = CONFIG.rays - 1
    assert not street.removed().any()


def test_thin_things_stay_which_most_rays_pass_by(street):
    street.put((5, 5, slice(1, 9)), ALWAYS, 1)
    # A wire is hit here now and there then.
    for moment in range(MOMENTS):
        street.put((slice(moment % 2, None, 2), 9, 7), 2 * moment, 1)
    assert not street.removed().any()


def test_the_rim_of_a_wall_that_is_seen_once_stays(street):
    street.put((10, ALWAYS, slice(1, 6)), ALWAYS)
    street.put((10, 4, 6), 4)
    street.put((10, 4, 7), 4, 1)
    assert not street.removed().any()


def test_ground_stays(street):
    street.points[..., 0, :] = 0
    street.put((ALWAYS, ALWAYS, 0), 4)
    assert not street.removed().any()


def test_what_is_dynamic_is_shown_at_its_own_keyframe_as_noise(street):
    street.unboxed = Points(np.full((3, 3), 7, np.float32), np.full(3, CAR, np.uint8), np.zeros(3, np.uint8))
    mover = slice(8, 12), slice(2, 5), slice(1, 8)
    street.put(mover, 4)
    street.put(mover, 5)
    after = street.after().unboxed
    count = 2 * cells(mover).sum()
    assert np.diff(after.starts[0]).tolist() == [3 if step == 0 else count if step == 4 else 0 for step in range(STEPS)]
    assert (after.points.raw[:3] == CAR).all() and (after.points.raw[3:] == NOISE).all()
    found = np.unique(np.floor(after.points.xyz[3:] / SIZE).astype(int), axis=0) - (0, 0, street.base)
    np.testing.assert_array_equal(found, np.argwhere(cells(mover)))


def test_a_long_drive_over_hills_takes_little_memory():
    xyz = np.array([(1.0, 1.0, 0.1), (2999.0, 2999.0, 300.0)], np.float32)
    points = Points(xyz, np.full(2, WALL, np.uint8), np.zeros(2, np.uint8))
    static = PointGroups(points, np.array([[0, 1], [1, 2]]))
    centres = np.array([(4.0, 4.0), (2996.0, 2996.0)])
    world = ScenePoints(static, static, static, np.eye(4), centres, Taxonomy.nuscenes())
    cells = static_cells(world, np.zeros(256, bool), CONFIG.cell_m, CONFIG.layer_m, CONFIG.below_m)
    assert len(cells.bases) == 2 and sum(np.asarray(part).nbytes for part in cells) < 5e6
    where = np.column_stack([np.floor(xyz[:, :2] / CONFIG.cell_m), np.floor(xyz[:, 2] / CONFIG.layer_m)]).astype(int)
    numbers = np.array([cell_number(cells.numbers, cells.bases, *each) for each in where])
    assert (numbers >= 0).all()
    np.testing.assert_array_equal(indices_of(cells, numbers), where)


def test_sweeps_are_chosen_by_time(tmp_path):
    scene = make_scene(tmp_path)
    chosen = DEFAULT._replace(dynamic_removal=CONFIG._replace(period_s=0.5))
    read = read_sample_rays(scene, np.eye(4), chosen)
    apart_s = np.median(np.diff(scene.timestamps_us)) / 1e6
    every = max(round(0.5 / apart_s), 1)
    assert np.flatnonzero(np.diff(read.starts)).tolist() == list(range(0, SWEEPS, every))
