import numpy as np

from project.geometry.rigid import poses
from project.grid import VoxelGrid
from project.labels.aggregation.point_groups import PointCollector, ScenePoints
from project.labels.aggregation.sweeps import Points
from project.taxonomy import Taxonomy


def numbered(first: int, n: int) -> Points:
    numbers = np.arange(first, first + n)
    return Points(
        np.repeat(numbers[:, None], 3, 1).astype(np.float32), numbers.astype(np.uint8), numbers.astype(np.uint8)
    )


def collected() -> PointCollector:
    collector = PointCollector(3)
    collector.add(2, numbered(10, 3), np.array([1, 0, 1], np.int32))
    collector.add(0, numbered(20, 2), np.array([3, 1], np.int32))
    collector.add(0, numbered(30, 1), np.array([1], np.int32))
    return collector


def test_a_cloud_is_sorted_by_group_and_time():
    cloud = collected().cloud(4)
    np.testing.assert_array_equal(cloud.points.raw, [11, 21, 30, 10, 12, 20])
    np.testing.assert_array_equal(cloud.points.xyz[:, 2], [11, 21, 30, 10, 12, 20])
    np.testing.assert_array_equal(cloud.points.intensity, [11, 21, 30, 10, 12, 20])
    np.testing.assert_array_equal(cloud.starts, [[0, 0, 0, 1], [1, 3, 3, 5], [5, 5, 5, 5], [5, 6, 6, 6]])


def test_points_of_some_steps():
    points, groups = collected().points_and_groups((0, 1))
    np.testing.assert_array_equal(points.raw, [20, 21, 30])
    np.testing.assert_array_equal(groups, [3, 1, 1])


def test_a_cloud_without_points_or_groups():
    assert PointCollector(3).cloud(2).starts.shape == (2, 4)
    assert PointCollector(1).cloud(0).starts.shape == (0, 2)


def test_no_tile_that_reaches_into_a_grid_is_left_out():
    grid = VoxelGrid.from_range('ego', (-21, -10, -1, 14, 15, 5), 1.0)
    grid_from_scene = poses([0.9, 0.01, 0.02, 0.4], [5, -3, 0.5])
    origins = np.stack(np.meshgrid(np.arange(-80, 80, 8.0), np.arange(-80, 80, 8.0), indexing='ij'), -1).reshape(-1, 2)
    empty = PointCollector(1).cloud(0)
    world = ScenePoints(empty, empty, empty, np.eye(4), origins + 4, Taxonomy.nuscenes())
    chosen = world.tiles_in(grid, grid_from_scene)
    inside = np.random.default_rng(0).uniform(grid.minimum, grid.maximum, (20000, 3))
    scene = (inside - grid_from_scene[:3, 3]) @ grid_from_scene[:3, :3]
    needed = np.unique((np.floor((scene[:, :2] + 80) / 8) @ (20, 1)).astype(int))
    assert set(needed) <= set(chosen) and len(chosen) < 2 * len(needed)
