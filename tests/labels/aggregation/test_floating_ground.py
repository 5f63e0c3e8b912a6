import tracemalloc

import numpy as np
import pytest
from scipy.ndimage import maximum_filter, minimum_filter

from project.labels.aggregation.floating_ground import ground_levels
from project.labels.aggregation.sweeps import Points
from project.labels.config import DEFAULT

ROAD, TERRAIN, WALL = 24, 27, 28
GROUND = range(24, 28)


def points_of(xyz, raw):
    xyz = np.asarray(xyz, np.float32).reshape(-1, 3)
    return Points(xyz, np.full(len(xyz), raw, np.uint8), np.zeros(len(xyz), np.uint8))


def joined(*parts):
    return Points(*(np.concatenate([getattr(part, name) for part in parts]) for name in ('xyz', 'raw', 'intensity')))


def street(slope=0.0, kerb_m=0.0, hole=None):
    """Road of 40 m x 20 m, every 0.4 m; a sidewalk begins at y = 3; `hole` leaves out what is nearer to the origin."""
    x, y = np.meshgrid(np.arange(-20, 20, 0.4), np.arange(-10, 10, 0.4))
    road = np.column_stack([x.ravel(), y.ravel(), slope * x.ravel() + kerb_m * (y.ravel() > 3)])
    return points_of(road if hole is None else road[(np.abs(road[:, :2]) > hole).any(axis=1)], ROAD)


def floating(*keyframes, in_box=True):
    levels = ground_levels(list(keyframes), GROUND, DEFAULT.label_mistakes)
    return [levels.floats(points, np.full(len(points.raw), in_box)) for points in keyframes]


@pytest.mark.parametrize('slope', [0.0, 0.1, -0.15])
def test_road_on_a_slope_and_a_kerb_do_not_float(slope):
    assert not any(part.any() for part in floating(street(slope, kerb_m=0.15)))


def test_the_side_of_a_car_floats_over_road_that_other_keyframes_saw():
    side = points_of([(0.3, 0.2, z) for z in (0.1, 0.3, 0.7, 1.5)], ROAD)
    of_street, of_side = floating(street(), joined(side, points_of([(0.3, 0.2, 1.0)], WALL)))
    assert not of_street.any()
    assert of_side.tolist() == [False, True, True, True, False]


def test_a_parked_car_floats_though_no_ground_is_seen_below_it():
    car = points_of([(x, y, z) for x in (-1.5, 0, 1.5) for y in (-0.8, 0.8) for z in (0.4, 1.2)], TERRAIN)
    assert floating(street(slope=0.05, hole=1.9), car)[1].all()


def test_outside_boxes_nothing_floats():
    grass = points_of([(0.3, 0.2, 0.8)], TERRAIN)
    assert not any(part.any() for part in floating(street(), grass, in_box=False))


def test_keyframes_without_points_or_ground():
    nothing, wall = points_of(np.zeros((0, 3)), ROAD), points_of([(5, 5, 1)], WALL)
    assert [part.tolist() for part in floating(nothing, wall)] == [[], [False]]
    assert floating(nothing)[0].shape == (0,)


def random_ground(rng, centre, n=4000):
    xyz = np.column_stack([rng.uniform(-150, 150, (n, 2)) + centre, rng.normal(0, 0.3, n)])
    return points_of(xyz, ROAD)


def dense_heights(points, config):
    """The same of one array over everything: lowest points, and bumps levelled by an opening."""
    squares = np.floor(points.xyz[:, :2].astype(np.float64) / config.square_m).astype(np.int64)
    span = round(config.bump_m / config.square_m)
    squares -= squares.min(axis=0) - span
    lowest = np.full(squares.max(axis=0) + span + 1, np.inf, np.float32)
    np.minimum.at(lowest, tuple(squares.T), points.xyz[:, 2])
    eroded = minimum_filter(lowest, span, mode='constant', cval=np.inf)
    eroded[np.isinf(eroded)] = -np.inf
    return maximum_filter(eroded, span, mode='constant', cval=-np.inf)[tuple(squares.T)]


@pytest.mark.parametrize('seed', range(5))
def test_heights_in_patches_are_those_of_one_array(seed):
    rng = np.random.default_rng(seed)
    points = random_ground(rng, rng.uniform(-3000, 3000, 2))
    levels = ground_levels([points], GROUND, DEFAULT.label_mistakes)
    expected = points.xyz[:, 2] - dense_heights(points, DEFAULT.label_mistakes) > DEFAULT.label_mistakes.floating_m
    assert 0 < expected.sum() < len(expected)
    assert np.array_equal(levels.floats(points, np.ones(len(points.raw), bool)), expected)


def test_a_drive_of_many_kilometres_needs_little_memory():
    rng = np.random.default_rng(0)
    keyframes = [random_ground(rng, (0, 0)), random_ground(rng, (20_000, -20_000))]
    ground_levels(keyframes, GROUND, DEFAULT.label_mistakes)
    tracemalloc.start()
    levels = ground_levels(keyframes, GROUND, DEFAULT.label_mistakes)
    taken = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert taken < 10e6
    alone = ground_levels(keyframes[1:], GROUND, DEFAULT.label_mistakes)
    in_box = np.ones(len(keyframes[1].raw), bool)
    assert np.array_equal(levels.floats(keyframes[1], in_box), alone.floats(keyframes[1], in_box))
