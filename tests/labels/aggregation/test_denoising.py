import numpy as np
import pytest

from project.labels.aggregation.denoising import clean_objects, clean_static
from project.labels.aggregation.point_groups import PointCollector
from project.labels.aggregation.sweeps import Points
from project.labels.aggregation.tiles import tile_map_around, tile_of_points
from project.labels.config import DEFAULT
from project.taxonomy import Taxonomy

ROAD, WALL, LEAVES, CAR, PEDESTRIAN = 24, 28, 30, 17, 2
TAXONOMY = Taxonomy.nuscenes()
DOMAIN = tile_map_around(np.zeros((1, 3)))


def cleaned(xyz, raw):
    """Points after cleaning, in their old order (identified by intensity)."""
    xyz = np.asarray(xyz, np.float32)
    points = Points(xyz, np.full(len(xyz), raw, np.uint8), np.arange(len(xyz), dtype=np.uint8))
    collector = PointCollector(1)
    collector.add(0, points, tile_of_points(DOMAIN, xyz))
    cloud = collector.cloud(len(DOMAIN.centres))
    clean_static(cloud, DOMAIN, TAXONOMY, DEFAULT)
    return cloud.points.xyz[np.argsort(cloud.points.intensity)]


def noisy_plane(rng, sigma, n=200):
    """Points of a sloped plane within one cell, and the noise that was added along its normal."""
    normal = np.array([0.6, 0.0, 0.8])
    flat = np.column_stack([rng.uniform(0.05, 0.45, n), rng.uniform(0.05, 0.45, n), np.zeros(n)])
    flat[:, 2] = 0.45 - 0.75 * flat[:, 0]
    noise = rng.normal(0, sigma, n)
    return flat + noise[:, None] * normal, flat @ normal, normal


@pytest.mark.parametrize('raw', [ROAD, WALL])
def test_points_of_a_plane_are_laid_onto_it(rng, raw):
    xyz, distance, normal = noisy_plane(rng, 0.02)
    after = cleaned(xyz, raw)
    assert np.abs(after @ normal - distance).max() < 0.008 < np.abs(xyz @ normal - distance).max()
    moved = after - xyz
    np.testing.assert_allclose(moved - np.outer(moved @ normal, normal), 0, atol=0.006)


def test_leaves_thick_things_lines_and_few_points_stay(rng):
    thin, *_ = noisy_plane(rng, 0.02)
    np.testing.assert_array_equal(cleaned(thin, LEAVES), thin.astype(np.float32))
    thick, *_ = noisy_plane(rng, 0.08)
    np.testing.assert_array_equal(cleaned(thick, WALL), thick.astype(np.float32))
    line = np.column_stack([rng.normal(0.25, 0.01, 100), rng.normal(0.25, 0.01, 100), rng.uniform(0.05, 0.45, 100)])
    np.testing.assert_array_equal(cleaned(line, WALL), line.astype(np.float32))
    np.testing.assert_array_equal(cleaned(thin[:7], WALL), thin[:7].astype(np.float32))


def test_the_result_does_not_depend_on_order(rng):
    xyz, *_ = noisy_plane(rng, 0.02)
    order = rng.permutation(len(xyz))
    np.testing.assert_array_equal(cleaned(xyz, ROAD)[order], cleaned(xyz[order], ROAD))


def test_large_objects_are_cleaned_and_small_ones_stay(rng):
    xyz, distance, normal = noisy_plane(rng, 0.02)
    collector = PointCollector(1)
    for track, raw in enumerate((CAR, PEDESTRIAN)):
        points = Points(xyz.astype(np.float32), np.full(200, raw, np.uint8), np.zeros(200, np.uint8))
        collector.add(0, points, np.full(200, track, np.int32))
    cloud = collector.cloud(2)
    clean_objects(cloud, np.array([(4.3, 1.8, 1.8), (0.7, 0.7, 1.8)]), TAXONOMY, DEFAULT)
    car, pedestrian = cloud.points.xyz[:200], cloud.points.xyz[200:]
    assert np.abs(car @ normal - distance).std() < 0.006
    np.testing.assert_array_equal(pedestrian, xyz.astype(np.float32))


def test_nothing_to_clean():
    clean_objects(PointCollector(1).cloud(0), np.zeros((0, 3)), TAXONOMY, DEFAULT)
    assert cleaned(np.zeros((0, 3)), ROAD).shape == (0, 3)
